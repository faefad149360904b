//! `schema`: the JSON Schema of the pipeline language with the parameters of every stage, for
//! editors (the YAML language server takes it by `# yaml-language-server: $schema=FILE`).

use std::io::Write;

use igpt_contract::{Arity, StageSpec};
use serde_json::{Map, Value, json};

use super::error::CliError;
use crate::pipeline::{PIPELINE_KEYS, STEP_KEYS};
use crate::plan::catalog::{COMMAND, Catalog};
use crate::plan::command;
use crate::registry;

/// Writes the schema.
pub(super) fn schema(out: &mut dyn Write) -> Result<(), CliError> {
    writeln!(out, "{:#}", language(&Catalog::new(registry::stages())))?;
    Ok(())
}

/// The schema of the language, with the stages of a catalog.
fn language(catalog: &Catalog) -> Value {
    let mut defs = Map::new();
    defs.insert("interpolation".into(), json!({"type": "string", "pattern": "\\$\\{"}));
    defs.insert("wire".into(), wire());
    defs.insert("matrix".into(), matrix());
    defs.insert("search".into(), search());
    let mut rules = Vec::new();
    for entry in catalog.entries() {
        let name = entry.spec.name;
        let params = adopt(name, entry.schema(), &mut defs);
        rules.push(rule(name, Some(&entry.spec)));
        rules.extend(required_rule(name, &params));
        defs.insert(params_name(name), without_required(params));
    }
    let params = adopt(COMMAND, command::params_schema(), &mut defs);
    rules.push(rule(COMMAND, None));
    rules.extend(required_rule(COMMAND, &params));
    defs.insert(params_name(COMMAND), without_required(params));
    defs.insert("step".into(), step(catalog, rules));
    let properties = json!({
        "name": {"type": ["string", "number", "boolean", "null"], "description": "The pipeline's name. Default: the file's name."},
        "description": {"type": ["string", "number", "boolean", "null"]},
        "include": {
            "description": "Other pipelines whose variables, profiles and steps this one can use; their steps run only if this file's own steps need them.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
        },
        "seed": whole("The seed of every step that does not give its own. Default: 0."),
        "vars": {"type": ["object", "null"], "description": "Values that the rest of the file uses as `${vars.name}`."},
        "secrets": {
            "type": ["array", "null"],
            "description": "Names of variables whose values are printed as `***` and never stored.",
            "items": {"type": "string"}
        },
        "profiles": {
            "type": ["object", "null"],
            "description": "Named sets of values for `vars`, selected with `--profile NAME`.",
            "additionalProperties": {"type": ["object", "null"]}
        },
        "stages": {
            "type": "object",
            "description": "The steps by name.",
            "propertyNames": {"pattern": "^[a-z][a-z0-9_-]*$"},
            "additionalProperties": {"$ref": "#/$defs/step"},
            "minProperties": 1
        },
        "export": {
            "type": ["object", "null"],
            "description": "Outputs (`step.port`, `step.port/part`) to copy out of the store, and where to.",
            "additionalProperties": {"anyOf": [
                {"type": ["string", "number", "boolean"]},
                {
                    "type": "object",
                    "required": ["path"],
                    "additionalProperties": false,
                    "properties": {
                        "path": {"type": ["string", "number", "boolean"]},
                        "overwrite": {
                            "description": "Replace an existing file of yours; the old one is kept as NAME.bak.",
                            "type": ["boolean", "string"]
                        }
                    }
                }
            ]}
        },
        "remote": {
            "description": "Where results are shared: `s3://bucket/prefix`, `gs://`, `az://`, `file:///folder`.",
            "anyOf": [
                {"type": ["string", "null"]},
                {
                    "type": "object",
                    "required": ["url"],
                    "additionalProperties": false,
                    "properties": {
                        "url": {"type": "string"},
                        "push": {
                            "description": "Whether to upload this machine's results. Default: false.",
                            "type": ["boolean", "string"]
                        },
                        "sign": {"description": "The file of the secret key to sign them with.", "type": "string"},
                        "trust": {
                            "description": "Public keys; records not signed by one of them are rejected.",
                            "type": "array", "items": {"type": "string"}, "minItems": 1
                        }
                    }
                }
            ]
        }
    });
    debug_assert!(PIPELINE_KEYS.iter().all(|key| properties.get(*key).is_some()));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "igpt-flow pipeline",
        "type": "object",
        "required": ["stages"],
        "additionalProperties": false,
        "properties": properties,
        "$defs": defs
    })
}

fn step(catalog: &Catalog, rules: Vec<Value>) -> Value {
    let names: Vec<&str> = catalog.names().collect();
    let properties = json!({
        "uses": {"enum": names, "description": "The stage kind."},
        "in": {"type": ["object", "null"], "description": "The source of each input port."},
        "with": {"type": ["object", "null"], "description": "The stage's parameters."},
        "matrix": {"$ref": "#/$defs/matrix"},
        "search": {"$ref": "#/$defs/search"},
        "seed": whole("The step's seed. Default: the pipeline's."),
        "resources": {
            "type": "object",
            "description": "Resources that the step occupies. Default: those of its stage kind.",
            "additionalProperties": false,
            "properties": {
                "cpus": whole("CPU slots; 0 means all."),
                "memory": {"type": "string", "description": "Memory with its unit: `512MiB`, `2GiB`."},
                "gpus": whole("GPU slots.")
            }
        },
        "retries": whole("How many times a failed attempt is retried. Default: 0."),
        "retry": {
            "type": "object",
            "description": "How often, and after which delays, a failed attempt is retried.",
            "required": ["times"],
            "additionalProperties": false,
            "properties": {
                "times": whole("Number of retries."),
                "delay": {"type": "string", "description": "Delay before the first retry, such as `10s`. Default: none."},
                "backoff": {
                    "description": "Factor by which the delay grows with every retry. Default: 1.",
                    "anyOf": [{"type": "number", "minimum": 1, "maximum": 100}, {"$ref": "#/$defs/interpolation"}]
                }
            }
        },
        "timeout": {"type": "string", "description": "Time limit of an attempt, such as `90s`, `45m` or `2h`. Default: none."},
        "grace": {"type": "string", "description": "Time between asking an attempt to stop and killing it. Default: `10s` for commands, `10m` for stages."}
    });
    debug_assert!(STEP_KEYS.iter().all(|key| properties.get(*key).is_some()));
    json!({
        "type": "object",
        "required": ["uses"],
        "additionalProperties": false,
        "properties": properties,
        "allOf": rules
    })
}

/// For steps that use a stage: what `in` and `with` take.
fn rule(name: &str, spec: Option<&StageSpec>) -> Value {
    let mut then = Map::new();
    let mut properties = Map::new();
    properties.insert("with".into(), json!({"$ref": format!("#/$defs/{}", params_name(name))}));
    match spec {
        None => {
            properties.insert("in".into(), json!({"additionalProperties": {"$ref": "#/$defs/wire"}}));
        }
        Some(spec) => {
            let ports: Map<String, Value> = spec
                .inputs
                .iter()
                .map(|port| {
                    let description = format!("{} (kind {})", port.doc, port.kind.name);
                    (port.name.to_owned(), json!({"$ref": "#/$defs/wire", "description": description}))
                })
                .collect();
            let needed: Vec<&str> =
                spec.inputs.iter().filter(|port| port.arity == Arity::One).map(|port| port.name).collect();
            if !needed.is_empty() {
                then.insert("required".into(), json!(["in"]));
            }
            properties.insert(
                "in".into(),
                json!({"additionalProperties": false, "properties": ports, "required": needed}),
            );
        }
    }
    then.insert("properties".into(), properties.into());
    json!({"if": {"properties": {"uses": {"const": name}}, "required": ["uses"]}, "then": then})
}

/// For steps that use a stage and search nothing: the parameters that must be given. (A search gives
/// one of them.)
fn required_rule(name: &str, params: &Value) -> Option<Value> {
    let required = params.get("required")?.as_array().filter(|names| !names.is_empty())?;
    Some(json!({
        "if": {
            "properties": {"uses": {"const": name}},
            "required": ["uses"],
            "not": {"required": ["search"]}
        },
        "then": {"required": ["with"], "properties": {"with": {"required": required}}}
    }))
}

fn without_required(mut params: Value) -> Value {
    if let Some(members) = params.as_object_mut() {
        members.remove("required");
    }
    params
}

fn params_name(stage: &str) -> String {
    format!("{stage}.params")
}

/// A stage's schema as a part of ours: its definitions move to ours under its name, and every value
/// may also be an interpolation.
fn adopt(stage: &str, schema: &Value, defs: &mut Map<String, Value>) -> Value {
    let mut params = schema.clone();
    if let Some(members) = params.as_object_mut() {
        members.remove("$schema");
        members.remove("title");
        if let Some(Value::Object(own)) = members.remove("$defs") {
            for (name, mut def) in own {
                adapt(stage, &mut def);
                defs.insert(format!("{stage}.{name}"), def);
            }
        }
    }
    adapt(stage, &mut params);
    params
}

fn adapt(stage: &str, schema: &mut Value) {
    let Value::Object(members) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(|item| adapt(stage, item));
        }
        return;
    };
    for (key, member) in members.iter_mut() {
        match (key.as_str(), &mut *member) {
            ("$ref", Value::String(target)) => {
                if let Some(name) = target.strip_prefix("#/$defs/") {
                    *target = format!("#/$defs/{stage}.{name}");
                }
            }
            ("properties", Value::Object(properties)) => {
                for property in properties.values_mut() {
                    adapt(stage, property);
                    or_interpolation(property);
                }
            }
            ("items" | "additionalProperties", Value::Object(_)) => {
                adapt(stage, member);
                or_interpolation(member);
            }
            ("default" | "const" | "enum" | "description", _) => {}
            _ => adapt(stage, member),
        }
    }
}

/// Lets a value also be a string with an interpolation, and keeps its documentation. A constant, the
/// tag of a variant, stays as it is.
fn or_interpolation(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if members.contains_key("const") || members.get("type") == Some(&json!("string")) {
        return;
    }
    let mut outer = Map::new();
    for key in ["description", "default"] {
        if let Some(value) = members.get(key) {
            outer.insert(key.into(), value.clone());
        }
    }
    outer.insert("anyOf".into(), json!([Value::Object(members.clone()), {"$ref": "#/$defs/interpolation"}]));
    *schema = Value::Object(outer);
}

fn whole(description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/interpolation"}]
    })
}

fn wire() -> Value {
    let patterns = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    json!({
        "description": "`step.port`, `step.port/part`, `step.*` or `step.port.*` for all instances (`*?` accepts missing ones), a path on disk, patterns of files, a list of these, or a map of names to these.",
        "anyOf": [
            {"type": "string"},
            {"type": "object", "required": ["path"], "properties": {"path": {"type": ["string", "number", "boolean"]}}, "additionalProperties": false},
            {
                "type": "object",
                "description": "Files on disk that match patterns (`*`, `?`, `[a-z]`, `**` for folders), relative to the pipeline's folder.",
                "required": ["files"],
                "properties": {"files": patterns, "ignore": patterns},
                "additionalProperties": false
            },
            {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/wire"}},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/wire"}}
        ]
    })
}

fn matrix() -> Value {
    let scalar = json!({"type": ["string", "number", "boolean"]});
    let combinations = json!({
        "type": "array",
        "items": {"type": "object", "minProperties": 1, "additionalProperties": scalar}
    });
    json!({
        "description": "Axes and their values; the step has one instance for each combination.",
        "type": ["object", "string", "null"],
        "properties": {"include": combinations, "exclude": combinations},
        "additionalProperties": {
            "anyOf": [
                {"type": "array", "minItems": 1, "items": scalar},
                {
                    "type": "object",
                    "description": "First value, last value (included) and, optionally, the increment (default 1).",
                    "required": ["range"],
                    "additionalProperties": false,
                    "properties": {"range": {"anyOf": [
                        {"type": "array", "minItems": 2, "maxItems": 3},
                        {"$ref": "#/$defs/interpolation"}
                    ]}}
                },
                {"$ref": "#/$defs/interpolation"}
            ]
        }
    })
}

fn search() -> Value {
    json!({
        "description": "Tries the candidate values of one parameter in order and keeps the best by a metric.",
        "type": "object",
        "required": ["param", "values", "metric", "goal"],
        "additionalProperties": false,
        "properties": {
            "param": {"type": "string", "description": "The searched parameter, a dotted path into `with`."},
            "values": {"anyOf": [
                {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
                {"$ref": "#/$defs/interpolation"}
            ]},
            "metric": {"type": "string", "description": "An output port and one of its numbers: `metrics.loss.valid`."},
            "goal": {"enum": ["min", "max"]},
            "stop": {"enum": ["never", "first_worse"], "description": "Whether to skip the candidates after the first one that is worse. Default: never."}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::catalog;

    /// Every reference must lead somewhere.
    fn check_references(root: &Value, schema: &Value) {
        match schema {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
                    assert!(found.is_some(), "{target} leads nowhere");
                }
                members.values().for_each(|member| check_references(root, member));
            }
            Value::Array(items) => items.iter().for_each(|item| check_references(root, item)),
            _ => {}
        }
    }

    #[test]
    fn the_schema_is_whole() {
        let schema = language(catalog());
        check_references(&schema, &schema);
        assert_eq!(
            schema["$defs"]["step"]["properties"]["uses"]["enum"].as_array().unwrap().len(),
            catalog().names().count()
        );
        let steps = &schema["$defs"]["train.params"]["properties"]["steps"];
        assert_eq!(steps["description"], "Training steps.");
        assert_eq!(steps["anyOf"][1]["$ref"], "#/$defs/interpolation");
        let keys =
            |value: &Value| value["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&schema), PIPELINE_KEYS);
        let mut step = keys(&schema["$defs"]["step"]);
        let mut known: Vec<String> = STEP_KEYS.iter().map(|key| (*key).to_owned()).collect();
        step.sort();
        known.sort();
        assert_eq!(step, known);
    }

    #[test]
    fn required_parameters_may_come_from_a_search() {
        let schema = language(catalog());
        let rules = schema["$defs"]["step"]["allOf"].as_array().unwrap();
        let rule = rules.iter().find(|rule| {
            rule["if"]["properties"]["uses"]["const"] == "images" && rule["if"].get("not").is_some()
        });
        assert_eq!(rule.unwrap()["then"]["properties"]["with"]["required"], json!(["source"]));
        assert!(schema["$defs"]["images.params"].get("required").is_none());
    }
}

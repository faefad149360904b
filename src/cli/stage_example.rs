//! A step that uses a stage kind, as YAML: what `stages KIND` ends with.

use igpt_contract::{Arity, InputPort, OutputPort, StageSpec};
use serde_json::{Map, Value};

use crate::plan::schema::{dereference, plain, required};

/// How long a line of parameters may be.
const WIDTH: usize = 90;
/// How deep samples go: schemas may refer to themselves.
const DEPTH: usize = 6;

/// The block of a step named like its kind, to go below `stages:`. Its inputs come from steps that are
/// named like theirs.
pub(super) fn step(spec: &StageSpec, schema: &Value, kinds: &[StageSpec]) -> String {
    let mut text = format!("{}:\n  uses: {}\n", spec.name, spec.name);
    let inputs = inputs(spec, kinds);
    if !inputs.is_empty() {
        let inputs: Vec<String> =
            inputs.iter().map(|(port, from, output)| format!("{port}: {from}.{output}")).collect();
        text.push_str(&format!("  in: {{{}}}\n", inputs.join(", ")));
    }
    let params = params(schema);
    if !params.is_empty() {
        text.push_str("  with:\n");
        for (name, value) in params {
            text.push_str(&member(&name, &value));
        }
    }
    text
}

/// A parameter: on one line, or where that would be long an item's members on lines of their own.
fn member(name: &str, value: &Value) -> String {
    let line = format!("    {name}: {}\n", flow(value));
    let items = value.as_array().filter(|items| line.len() > WIDTH && items.iter().all(Value::is_object));
    let Some(items) = items else { return line };
    let mut text = format!("    {name}:\n");
    for item in items.iter().filter_map(Value::as_object) {
        for (i, (name, value)) in item.iter().enumerate() {
            text.push_str(&format!("      {} {name}: {}\n", if i == 0 { "-" } else { " " }, flow(value)));
        }
    }
    text
}

/// The ports that the example feeds: those that must be fed, and before the first optional one also
/// those that gather. Each with a kind and its output.
pub(super) fn inputs(spec: &StageSpec, kinds: &[StageSpec]) -> Vec<(&'static str, &'static str, String)> {
    let ports = spec.inputs.iter();
    let is_fed = |arity: &Arity, after_optional: bool| match arity {
        Arity::One => true,
        Arity::Many => !after_optional,
        Arity::Optional => false,
    };
    let mut after_optional = false;
    let mut fed = Vec::new();
    for port in ports {
        after_optional |= port.arity == Arity::Optional;
        if is_fed(&port.arity, after_optional)
            && let Some((kind, output)) = producer(spec, port, kinds)
        {
            fed.push((port.name, kind, output));
        }
    }
    fed
}

/// A kind whose main output a port takes, or any output, or parts of it: for ports that gather the
/// nearest kind before the reader, else the first.
fn producer(reader: &StageSpec, port: &InputPort, kinds: &[StageSpec]) -> Option<(&'static str, String)> {
    let place = kinds.iter().position(|kind| kind.name == reader.name).unwrap_or(kinds.len());
    let (before, after) = kinds.split_at(place);
    let mut others: Vec<&StageSpec> = before.iter().collect();
    if port.arity == Arity::Many {
        others.reverse();
    }
    others.extend(after.iter().skip(1));
    let artifact = port.kind.name;
    let whole = |port: &&OutputPort| port.kind.name == artifact;
    let part = |port: &&OutputPort| port.kind.part == Some(artifact);
    let main = |kind: &&StageSpec| Some((kind.name, kind.outputs.first().filter(whole)?.name.to_owned()));
    let any = |kind: &&StageSpec| Some((kind.name, kind.outputs.iter().find(whole)?.name.to_owned()));
    let of_parts =
        |kind: &&StageSpec| Some((kind.name, format!("{}/1", kind.outputs.iter().find(part)?.name)));
    let found = others.iter().find_map(main).or_else(|| others.iter().find_map(any));
    found.or_else(|| others.iter().find_map(of_parts))
}

/// The parameters that must be given; where there are none, the first that has a plain default.
fn params(schema: &Value) -> Vec<(String, Value)> {
    let required = required(schema);
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let (must, may): (Vec<_>, Vec<_>) = properties.partition(|(name, _)| required.contains(&name.as_str()));
    if !must.is_empty() {
        return must.into_iter().map(|(name, property)| (name.clone(), sample(schema, property))).collect();
    }
    let plain = |(name, property): &(&String, &Value)| {
        let default = property.get("default")?;
        let is_plain = default.as_f64().is_some_and(|number| number != 0.0)
            || default.as_str().is_some_and(|text| !text.is_empty());
        is_plain.then(|| ((*name).clone(), default.clone()))
    };
    may.iter().find_map(plain).into_iter().collect()
}

/// A value that a schema takes: its first example, its default, or the simplest one.
pub(super) fn sample(root: &Value, schema: &Value) -> Value {
    sample_to(root, schema, DEPTH)
}

fn sample_to(root: &Value, schema: &Value, depth: usize) -> Value {
    let given = |schema: &Value| {
        let example = schema.get("examples").and_then(|examples| examples.get(0));
        let default = schema.get("default").filter(|value| has_content(value));
        example.or(schema.get("const")).or_else(|| schema.get("enum")?.get(0)).or(default).cloned()
    };
    if let Some(value) = given(schema) {
        return simplest(root, schema, value);
    }
    let schema = dereference(root, schema);
    if let Some(value) = given(schema) {
        return value;
    }
    let branches = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    if let Some(branches) = branches {
        let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
        return branches
            .iter()
            .find(|branch| !is_null(branch))
            .map_or(Value::Null, |branch| sample_to(root, branch, depth));
    }
    let kind = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().find_map(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match kind {
        Some("integer") => schema.get("minimum").and_then(Value::as_u64).unwrap_or(0).max(1).into(),
        Some("number") => 0.5.into(),
        Some("boolean") => true.into(),
        Some("string") => "name".into(),
        Some("array") if depth > 0 => {
            let item = schema.get("items").map(|items| sample_to(root, items, depth - 1));
            Value::Array(item.into_iter().collect())
        }
        Some("object") if depth > 0 => object(root, schema, depth),
        _ => Value::Null,
    }
}

/// What must be in a map; where nothing must, its first member; where it has none of its own, a name.
fn object(root: &Value, schema: &Value, depth: usize) -> Value {
    let required = required(schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    let all: Vec<(&String, &Value)> = properties.into_iter().flatten().collect();
    let must = all.iter().filter(|(name, _)| required.contains(&name.as_str()));
    let mut members: Map<String, Value> =
        must.map(|(name, property)| ((*name).clone(), sample_to(root, property, depth - 1))).collect();
    if members.is_empty() {
        let first =
            all.iter().map(|(name, property)| ((*name).clone(), sample_to(root, property, depth - 1)));
        members.extend(first.filter(|(_, value)| !value.is_null()).take(1));
    }
    if members.is_empty()
        && let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object())
    {
        members.insert("NAME".into(), sample_to(root, values, depth - 1));
    }
    members.into()
}

/// Of a whole map as a default, as much as shows how it is written.
fn simplest(root: &Value, schema: &Value, value: Value) -> Value {
    let is_example = schema.get("examples").is_some();
    match value {
        Value::Object(members) if !is_example => {
            let required = required(dereference(root, schema));
            let is_needed = |name: &String| required.contains(&name.as_str());
            let needed: Map<String, Value> = members
                .iter()
                .filter(|(name, _)| is_needed(name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect();
            let tagged = members.into_iter().filter(|(_, value)| has_content(value)).take(1).collect();
            Value::Object(if needed.is_empty() { tagged } else { needed })
        }
        other => other,
    }
}

fn has_content(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// A value as YAML on one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) if is_bare(text) => text.clone(),
        Value::String(_) => value.to_string(),
        other => plain(other),
    }
}

/// Whether YAML reads a text without quotes as that text.
fn is_bare(text: &str) -> bool {
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !reserved.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_list_of_maps_has_lines_for_its_members() {
        let claim =
            "A sentence that is much too long to stand on one line with everything else that there is";
        assert_eq!(member("claims", &json!([{"a": 1}])), "    claims: [{a: 1}]\n");
        assert_eq!(
            member("claims", &json!([{"a": 1, "claim": claim}])),
            format!("    claims:\n      - a: 1\n        claim: \"{claim}\"\n")
        );
    }

    #[test]
    fn a_sample_is_an_example_a_default_or_the_simplest_value() {
        let root = json!({"$defs": {"Kind": {"oneOf": [{"const": "adam"}, {"const": "sgd"}]}}});
        for (schema, text) in [
            (json!({"type": "string", "examples": ["layer"]}), "layer"),
            (json!({"type": ["integer", "null"], "default": null, "minimum": 4}), "4"),
            (json!({"$ref": "#/$defs/Kind"}), "adam"),
            (json!({"type": "array", "items": {"type": "string"}}), "[name]"),
            (json!({"type": "object", "additionalProperties": {"type": "number"}}), "{NAME: 0.5}"),
            (json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]}), "true"),
            (json!({"default": {"a": null, "b": "x y", "c": 1}}), "{b: \"x y\"}"),
            (
                json!({"type": "object", "required": ["b"], "properties": {"a": {"type": "string"}, "b": {"const": "true"}}}),
                "{b: \"true\"}",
            ),
        ] {
            assert_eq!(flow(&sample(&root, &schema)), text, "{schema}");
        }
    }
}

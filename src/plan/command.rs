//! The built-in stage kind `command`: what its `with` may hold.

use std::path::{Component, Path};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::Command;
use super::schema::{self, ParamFault};

/// One sentence for `igpt-flow stages`.
pub const SUMMARY: &str = "Runs a shell command with declared inputs, outputs and environment.";

/// The JSON Schema of the `with` of a command step.
pub fn params_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        json!({
            "type": "object",
            "description": "A shell command. It runs with `sh -c` in an empty directory of its own, in which every input appears under its port's name.",
            "required": ["run"],
            "additionalProperties": false,
            "properties": {
                "run": {
                    "type": "string",
                    "description": "The text given to `sh -c`. Write `$${NAME}` for the shell's own `${NAME}`."
                },
                "outputs": {
                    "description": "Output ports: a list of names, each a file or folder that the command makes, or a mapping of names to relative paths. Default: `[out]`.",
                    "default": ["out"],
                    "anyOf": [
                        {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
                    ]
                },
                "env": {
                    "type": "object",
                    "description": "Environment variables with their values, which enter the key.",
                    "default": {},
                    "additionalProperties": {"type": ["string", "number", "boolean"]}
                },
                "pass_env": {
                    "type": "array",
                    "description": "Names of environment variables that are passed through and do not enter the key.",
                    "default": [],
                    "items": {"type": "string"}
                }
            }
        })
    })
}

/// Reads the `with` of a command step; `inputs` are the names of its input ports.
pub(super) fn read(with: &Value, inputs: &[&str]) -> Result<Command, Vec<ParamFault>> {
    let mut faults = schema::check(params_schema(), with);
    let mut fault = |path: &[&str], message: String| {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        faults.push(ParamFault { path, at_key: false, message, hint: None, names: None });
    };
    let run = with["run"].as_str().unwrap_or_default().to_owned();
    if with["run"].is_string() && run.trim().is_empty() {
        fault(&["run"], "`run` is empty".into());
    }
    if run.contains('\0') {
        fault(&["run"], "`run` holds a null character".into());
    }
    let outputs = outputs(&with["outputs"]);
    for (i, (port, path)) in outputs.iter().enumerate() {
        let (at, item) = match &with["outputs"] {
            Value::Array(items) => (i.to_string(), items.get(i)),
            written => (port.clone(), written.get(port)),
        };
        if item.is_some_and(|item| !item.is_string()) {
            // That is told already.
            continue;
        }
        if !is_port(port) {
            fault(&["outputs", &at], format!("`{port}` is not a name for a port"));
        } else if !is_inside(path) {
            fault(
                &["outputs", &at],
                format!("the output path `{path}` must stay in the command's directory"),
            );
        } else if let Some(input) = inputs.iter().find(|input| Path::new(path).starts_with(input)) {
            fault(&["outputs", &at], format!("the output path `{path}` is taken by the input `{input}`"));
        } else if let Some((other, _)) = outputs[..i].iter().find(|(p, o)| p == port || overlap(o, path)) {
            fault(&["outputs", &at], format!("the outputs `{other}` and `{port}` overlap"));
        }
    }
    let mut env = Vec::new();
    for (name, value) in with["env"].as_object().unwrap_or(&Map::new()) {
        if !is_variable(name) {
            fault(&["env", name], format!("`{name}` is not a name for an environment variable"));
        }
        env.push((name.clone(), schema::plain(value)));
    }
    let mut pass_env: Vec<String> = Vec::new();
    let names = with["pass_env"].as_array().into_iter().flatten().enumerate();
    for (i, name) in names.filter_map(|(i, name)| Some((i, name.as_str()?.to_owned()))) {
        let at = ["pass_env", &i.to_string()];
        if !is_variable(&name) {
            fault(&at, format!("`{name}` is not a name for an environment variable"));
        } else if env.iter().any(|(given, _)| *given == name) {
            fault(&at, format!("`{name}` is given a value by `env` already"));
        } else if !pass_env.contains(&name) {
            pass_env.push(name);
        }
    }
    if faults.is_empty() { Ok(Command { run, outputs, env, pass_env }) } else { Err(faults) }
}

fn outputs(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Array(names) => names.iter().map(|name| (schema::plain(name), schema::plain(name))).collect(),
        Value::Object(members) => {
            members.iter().map(|(port, path)| (port.clone(), schema::plain(path))).collect()
        }
        _ => vec![("out".to_owned(), "out".to_owned())],
    }
}

/// Whether a text may name a port of a command: it must do as a file name.
pub(super) fn is_port(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_inside(path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    components.peek().is_some()
        && !path.contains('\0')
        && components.all(|component| matches!(component, Component::Normal(_)))
}

fn overlap(a: &str, b: &str) -> bool {
    Path::new(a).starts_with(b) || Path::new(b).starts_with(a)
}

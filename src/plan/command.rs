//! The built-in stage kind `command`: what its `with` may hold.

use std::path::{Component, Path};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::schema::{self, ParamFault};
use super::{Command, Invocation};

/// One sentence for `igpt-flow stages`.
pub const SUMMARY: &str = "Runs a command with declared inputs, outputs and environment.";

/// The JSON Schema of the `with` of a command step.
pub fn params_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        json!({
            "type": "object",
            "description": "A command. It runs in an empty directory of its own, in which every input appears under its port's name.",
            "required": ["run"],
            "additionalProperties": false,
            "properties": {
                "run": {
                    "description": "A script for the shell, which stops at the first command that fails, also inside a pipeline (`sh -e -o pipefail`); or a program and its arguments as a list, without a shell. Write `$${NAME}` for the shell's own `${NAME}`.",
                    "anyOf": [
                        {"type": "string"},
                        {"type": "array", "items": {"type": "string"}, "minItems": 1}
                    ]
                },
                "shell": {
                    "description": "The interpreter of the script, or a list of the interpreter and its arguments: `bash`, `python3`, `[bash, -x]`. Default: `sh`. If igpt-flow does not know the interpreter, the script is appended to the list: `[lua, -e]`.",
                    "default": "sh",
                    "anyOf": [
                        {"type": "string"},
                        {"type": "array", "items": {"type": "string"}, "minItems": 1}
                    ]
                },
                "link": {
                    "description": "Inputs to link instead of copying, for large data that the command only reads: `true` for all, or a list of their names. Default: `false`.",
                    "default": false,
                    "anyOf": [
                        {"type": "boolean"},
                        {"type": "array", "items": {"type": "string"}}
                    ]
                },
                "outputs": {
                    "description": "Output ports: a list of names, each a file or folder that the command creates, or a map of names to relative paths. Default: `[out]`.",
                    "default": ["out"],
                    "anyOf": [
                        {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
                    ]
                },
                "env": {
                    "type": "object",
                    "description": "Environment variables and their values, which are part of the cache key.",
                    "default": {},
                    "additionalProperties": {"type": ["string", "number", "boolean"]}
                },
                "pass_env": {
                    "type": "array",
                    "description": "Names of environment variables to pass through; their values do not affect the cache key.",
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
    let run = run(&with["run"], &mut fault);
    let shell = shell(&with["shell"], &run, &mut fault);
    let link = link(&with["link"], inputs, &mut fault);
    let outputs = outputs(&with["outputs"]);
    for (i, (port, path)) in outputs.iter().enumerate() {
        let (at, item) = match &with["outputs"] {
            Value::Array(items) => (i.to_string(), items.get(i)),
            written => (port.clone(), written.get(port)),
        };
        if item.is_some_and(|item| !item.is_string()) {
            // That is reported already.
            continue;
        }
        if !is_port(port) {
            fault(&["outputs", &at], format!("invalid port name `{port}`"));
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
            fault(&["env", name], format!("invalid name of an environment variable: `{name}`"));
        }
        env.push((name.clone(), schema::plain(value)));
    }
    let mut pass_env: Vec<String> = Vec::new();
    let names = with["pass_env"].as_array().into_iter().flatten().enumerate();
    for (i, name) in names.filter_map(|(i, name)| Some((i, name.as_str()?.to_owned()))) {
        let at = ["pass_env", &i.to_string()];
        if !is_variable(&name) {
            fault(&at, format!("invalid name of an environment variable: `{name}`"));
        } else if env.iter().any(|(given, _)| *given == name) {
            fault(&at, format!("`env` already sets `{name}`"));
        } else if !pass_env.contains(&name) {
            pass_env.push(name);
        }
    }
    if faults.is_empty() { Ok(Command { run, shell, link, outputs, env, pass_env }) } else { Err(faults) }
}

/// Interpreters that are known by their names: what makes them strict is added to their arguments.
pub const SHELLS: [&str; 10] =
    ["bash", "ksh", "node", "perl", "python", "python3", "Rscript", "ruby", "sh", "zsh"];

type ReportFault<'a> = dyn FnMut(&[&str], String) + 'a;

fn run(written: &Value, fault: &mut ReportFault<'_>) -> Invocation {
    let run = match written {
        Value::Array(items) => Invocation::Argv(items.iter().map(schema::plain).collect()),
        text => Invocation::Script(text.as_str().unwrap_or_default().to_owned()),
    };
    let (first, all) = match &run {
        Invocation::Argv(argv) => (argv.first().map_or("", String::as_str), argv.as_slice()),
        Invocation::Script(text) => (text.as_str(), std::slice::from_ref(text)),
    };
    if written.is_string() && first.trim().is_empty() {
        fault(&["run"], "`run` is empty".into());
    } else if written.as_array().is_some_and(|items| !items.is_empty()) && first.is_empty() {
        fault(&["run", "0"], "`run` names no program".into());
    }
    if all.iter().any(|text| text.contains('\0')) {
        fault(&["run"], "`run` contains a null character".into());
    }
    run
}

fn shell(written: &Value, run: &Invocation, fault: &mut ReportFault<'_>) -> Vec<String> {
    let shell: Vec<String> = match written {
        Value::String(name) => vec![name.clone()],
        Value::Array(words) => words.iter().map(schema::plain).collect(),
        _ => return Vec::new(),
    };
    let name = shell.first().map_or("", |first| first.rsplit('/').next().unwrap_or(first));
    if matches!(run, Invocation::Argv(_)) {
        fault(&["shell"], "`shell` is for a `run` that is a script, but this one is a list".into());
    } else if shell.iter().any(|word| word.is_empty() || word.contains('\0')) {
        fault(&["shell"], "`shell` contains an empty string or a null character".into());
    } else if shell.len() == 1 && !SHELLS.contains(&name) {
        let known = SHELLS.map(|name| format!("`{name}`")).join(", ");
        fault(
            &["shell"],
            format!(
                "unknown shell `{name}`: write a list of it and the arguments that come before the script, such as \
                 `[lua, -e]`, or one of {known}"
            ),
        );
    }
    // The default, however it is written, is left out: it enters the key by the version.
    if shell == ["sh"] { Vec::new() } else { shell }
}

fn link(written: &Value, inputs: &[&str], fault: &mut ReportFault<'_>) -> Vec<String> {
    let mut link: Vec<String> = match written {
        Value::Bool(true) => inputs.iter().map(|port| (*port).to_owned()).collect(),
        Value::Array(ports) => ports.iter().map(schema::plain).collect(),
        _ => Vec::new(),
    };
    for (i, port) in link.iter().enumerate() {
        if !inputs.contains(&port.as_str()) {
            fault(
                &["link", &i.to_string()],
                format!("`link` names `{port}`, which is not an input of the step"),
            );
        }
    }
    link.sort();
    link.dedup();
    link
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

/// Whether a string may name a port of a command: it must do as a file name.
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

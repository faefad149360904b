//! The inputs of a step as written: which outputs and paths flow into which port.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::pipeline::{FORMS, Faults, Mark, Node, OutputRef, Reference, Scope, describe, parse_reference};

/// One wire, not yet matched with the step that it names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wire {
    /// The port that it flows into.
    pub(super) port: String,
    /// The name given to it (`{trained: finetune.metrics}`).
    pub(super) name: Option<String>,
    /// What flows.
    pub(super) from: Reference,
    /// The step that makes it; none for a path, and where there is no such step.
    pub(super) producer: Option<usize>,
    /// Whether it is an item of a list or has a name: only ports that gather take those.
    pub(super) listed: bool,
    /// Where it is written.
    pub(super) mark: Mark,
}

/// Reads the wires of one port: a reference, a path, or a list or mapping of them. `steps` are those
/// of the pipeline, by name. Where the port is `optional`, a variable that is null leaves it open, so
/// that a profile or `--set` may fill it; a null that is written at the port itself is more likely a
/// slip.
pub(super) fn read(
    port: &str,
    node: &Node,
    optional: bool,
    scope: &Scope<'_>,
    steps: &HashMap<&str, usize>,
    wires: &mut Vec<Wire>,
    faults: &mut Faults,
) {
    let Some(value) = scope.resolve(node, faults) else { return };
    if optional && value.is_null() && node.as_text().is_some() {
        return;
    }
    let mut reader = Reader { port, steps, wires, faults };
    reader.value(&value, node, None, false);
}

struct Reader<'a> {
    port: &'a str,
    steps: &'a HashMap<&'a str, usize>,
    wires: &'a mut Vec<Wire>,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn value(&mut self, value: &Value, node: &Node, name: Option<&str>, listed: bool) {
        match value {
            Value::String(text) => match parse_reference(text) {
                Ok(from) => self.push(from, name, listed, node.mark),
                Err(what) => {
                    self.faults.push(node.mark, what).hint(FORMS);
                }
            },
            Value::Array(items) => {
                if items.is_empty() {
                    self.faults
                        .push(node.mark, format!("the port `{}` gets an empty list", self.port))
                        .hint("name at least one output, or leave the port out");
                }
                for (i, item) in items.iter().enumerate() {
                    self.value(item, node.child(&i.to_string()).unwrap_or(node), name, true);
                }
            }
            Value::Object(members) if members.len() == 1 && members.contains_key("path") => {
                let node = node.get("path").unwrap_or(node);
                match &members["path"] {
                    Value::String(path) if self.names_step(path) => {
                        let what = format!("`path` is a path on disk, but `{path}` is the output of a step");
                        self.faults.push(node.mark, what).hint(format!(
                            "write `{path}` without `path`, or `./{path}` for the file; a wire's name must be another one"
                        ));
                    }
                    Value::String(path) if !path.is_empty() => {
                        self.push(Reference::Path(PathBuf::from(path)), name, listed, node.mark);
                    }
                    other => {
                        let found = describe(other);
                        self.faults
                            .push(node.mark, format!("`path` must be a path on disk, found {found}"))
                            .hint("for example `{path: ./data/x.tar}`");
                    }
                }
            }
            Value::Object(members) if name.is_none() && !members.is_empty() => {
                for (i, (name, member)) in members.iter().enumerate() {
                    // In the same order, but where the value came from a variable.
                    let written =
                        node.as_map().and_then(|all| all.get(i)).filter(|(key, _)| key.text == *name);
                    self.value(member, written.map_or(node, |(_, node)| node), Some(name), true);
                }
            }
            other => {
                let found = describe(other);
                self.faults
                    .push(node.mark, format!("the port `{}` cannot take {found}", self.port))
                    .hint(FORMS);
            }
        }
    }

    /// Whether a text that stands for a path names an output.
    fn names_step(&self, path: &str) -> bool {
        matches!(parse_reference(path), Ok(Reference::Output(output)) if self.steps.contains_key(output.step.as_str()))
    }

    fn push(&mut self, from: Reference, name: Option<&str>, listed: bool, mark: Mark) {
        let producer = match &from {
            Reference::Output(output) => self.steps.get(output.step.as_str()).copied(),
            Reference::Path(_) => None,
        };
        let (port, name) = (self.port.to_owned(), name.map(str::to_owned));
        self.wires.push(Wire { port, name, from, producer, listed, mark });
    }
}

impl Wire {
    /// The output that flows, if it is one.
    pub(super) fn output(&self) -> Option<&OutputRef> {
        match &self.from {
            Reference::Output(output) => Some(output),
            Reference::Path(_) => None,
        }
    }
}

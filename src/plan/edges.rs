//! The inputs of a step as written: which outputs, paths and patterns flow into which port.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{globs, paths};
use crate::pipeline::{FORMS, Faults, Mark, Node, OutputRef, Reference, Scope, describe, parse_reference};

/// One edge, not yet matched with the step that it names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EdgeDecl {
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

/// Reads the edges of one port: a reference, a path, or a list or map of them. `steps` are those
/// of the pipeline, by name. Where the port is `optional`, a variable that is null leaves it open, so
/// that a profile or `--set` may fill it; a null that is written at the port itself is more likely a
/// slip.
pub(super) fn read(
    port: &str,
    node: &Node,
    optional: bool,
    scope: &Scope<'_>,
    steps: &HashMap<&str, usize>,
    edges: &mut Vec<EdgeDecl>,
    faults: &mut Faults,
) {
    let Some(value) = scope.resolve(node, faults) else { return };
    if optional && value.is_null() && node.as_text().is_some() {
        return;
    }
    let mut reader = EdgeReader { port, steps, edges, faults };
    reader.value(&value, node, None, false);
}

struct EdgeReader<'a> {
    port: &'a str,
    steps: &'a HashMap<&'a str, usize>,
    edges: &'a mut Vec<EdgeDecl>,
    faults: &'a mut Faults,
}

impl EdgeReader<'_> {
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
                let written = node.get("path").and_then(Node::scalar_text);
                let node = node.get("path").unwrap_or(node);
                match &members["path"] {
                    Value::String(path) if self.names_step(path) => {
                        let what = format!("`path` is a path on disk, but `{path}` is the output of a step");
                        self.faults.push(node.mark, what).hint(format!(
                            "write `{path}` without `path`, or `./{path}` for the file; give the input another name"
                        ));
                    }
                    Value::String(path) if !path.is_empty() => {
                        self.push(Reference::Path(PathBuf::from(path)), name, listed, node.mark);
                    }
                    // A file may be named like a number.
                    Value::Number(_) | Value::Bool(_) if written.is_some() => {
                        let path = PathBuf::from(written.as_deref().unwrap_or_default());
                        self.push(Reference::Path(path), name, listed, node.mark);
                    }
                    other => {
                        let found = describe(other);
                        self.faults
                            .push(node.mark, format!("`path` must be a path on disk, found {found}"))
                            .hint("for example `{path: ./data/x.tar}`");
                    }
                }
            }
            Value::Object(members) if members.contains_key("files") && is_glob(members) => {
                self.glob(members, node, name, listed);
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

    /// `{files: PATTERNS, ignore: PATTERNS}`.
    fn glob(&mut self, members: &Map<String, Value>, node: &Node, name: Option<&str>, listed: bool) {
        let before = self.faults.len();
        let files = self.patterns("files", members, node);
        let ignore = self.patterns("ignore", members, node);
        if files.is_empty() && self.faults.len() == before {
            self.faults
                .push(node.key_mark("files"), "`files` has no pattern")
                .hint("for example `{files: \"src/**/*.py\", ignore: [\"**/__pycache__\"]}`");
        }
        if self.faults.len() == before {
            self.push(Reference::Glob { files, ignore }, name, listed, node.key_mark("files"));
        }
    }

    /// A pattern, a list of them, or nothing.
    fn patterns(&mut self, key: &str, members: &Map<String, Value>, node: &Node) -> Vec<String> {
        let node = node.get(key).unwrap_or(node);
        let listed = match members.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(one) => vec![one],
        };
        let mut patterns = Vec::new();
        for (i, item) in listed.into_iter().enumerate() {
            let mark = node.child(&i.to_string()).unwrap_or(node).mark;
            let Some(text) = item.as_str() else {
                self.faults
                    .push(mark, format!("`{key}` takes patterns, found {}", describe(item)))
                    .hint("for example `src/**/*.py`");
                continue;
            };
            if key == "files" && self.names_step(text) {
                self.faults
                    .push(
                        mark,
                        format!("`files` takes patterns of files on disk, but `{text}` names an output"),
                    )
                    .hint(format!("write `./{text}` for the files; give the input another name"));
            } else if let Some((what, hint)) = globs::fault(text) {
                self.faults.push(mark, what).hint(hint);
            } else {
                patterns.push(text.to_owned());
            }
        }
        patterns
    }

    /// Whether a string that stands for a path names an output.
    fn names_step(&self, path: &str) -> bool {
        matches!(parse_reference(path), Ok(Reference::Output(output)) if self.steps.contains_key(output.step.as_str()))
    }

    fn push(&mut self, from: Reference, name: Option<&str>, listed: bool, mark: Mark) {
        if let Reference::Path(path) = &from
            && let Some((what, hint)) = paths::fault(&path.to_string_lossy())
        {
            self.faults.push(mark, what).hint(hint);
            return;
        }
        let producer = match &from {
            Reference::Output(output) => self.steps.get(output.step.as_str()).copied(),
            Reference::Path(_) | Reference::Glob { .. } => None,
        };
        let (port, name) = (self.port.to_owned(), name.map(str::to_owned));
        self.edges.push(EdgeDecl { port, name, from, producer, listed, mark });
    }
}

/// Whether a map holds patterns and no names of edges.
fn is_glob(members: &Map<String, Value>) -> bool {
    members.keys().all(|key| key == "files" || key == "ignore")
}

impl EdgeDecl {
    /// The output that flows, if it is one.
    pub(super) fn output(&self) -> Option<&OutputRef> {
        match &self.from {
            Reference::Output(output) => Some(output),
            Reference::Path(_) | Reference::Glob { .. } => None,
        }
    }
}

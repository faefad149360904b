//! The parameters of a stage kind as text, from their JSON Schema.

use serde_json::Value;

use super::stage_example::{flow, sample};
use crate::plan::schema::{dereference, plain, required, type_name};

/// The width of the text.
const WIDTH: usize = 100;
/// How deep parameters within parameters are listed.
const DEPTH: usize = 4;

/// A line for each parameter with its type and default, then its documentation and, for lists and maps,
/// an example. Nested parameters follow with their dotted paths, as `--set` takes them.
pub(super) fn lines(schema: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    push(schema, schema, "", 0, &mut lines);
    lines
}

fn push(root: &Value, schema: &Value, path: &str, depth: usize, lines: &mut Vec<String>) {
    let schema = dereference(root, schema);
    let required = required(schema);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let target = dereference(root, property);
        let has_members = target.get("properties").is_some();
        let default = match property.get("default") {
            // Those of its members follow.
            Some(_) if has_members => String::new(),
            Some(value) => format!(" (default {})", default_text(value)),
            None if required.contains(&name.as_str()) => " (required)".to_owned(),
            None => String::new(),
        };
        lines.push(format!("  {path}: {}{default}", type_name(root, property)));
        let doc = property.get("description").or_else(|| target.get("description")).and_then(Value::as_str);
        push_wrapped(doc.unwrap_or_default(), lines);
        for variant in variants(root, target) {
            push_wrapped(&variant, lines);
        }
        let example = sample(root, property);
        if example.is_object() || example.is_array() {
            lines.push(format!("      Example: {name}: {}", flow(&example)));
        }
        if depth < DEPTH {
            push(root, property, &path, depth + 1, lines);
        }
    }
}

fn default_text(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) if text.is_empty() => "empty".into(),
        Value::Object(members) if members.is_empty() => "empty".into(),
        Value::Array(_) | Value::Object(_) => flow(value),
        other => plain(other),
    }
}

/// The documented values of an enumeration.
fn variants(root: &Value, schema: &Value) -> Vec<String> {
    let branches = schema.get("oneOf").and_then(Value::as_array);
    let documented = |branch: &Value| {
        let branch = dereference(root, branch);
        let doc = branch.get("description").and_then(Value::as_str)?;
        let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(format!("{}: {doc}", type_name(root, branch).trim_start_matches("one of ")))
    };
    branches.into_iter().flatten().filter_map(documented).collect()
}

/// Adds a text, paragraph by paragraph, indented and wrapped.
fn push_wrapped(text: &str, lines: &mut Vec<String>) {
    for paragraph in text.split("\n\n") {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + word.chars().count() + 7 > WIDTH {
                lines.push(format!("      {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            lines.push(format!("      {line}"));
        }
    }
}

//! `stages [KIND]`: the stage kinds, and one of them with its ports and parameters.
//!
//! Everything shown comes from the stages' specs and the JSON Schemas of their parameters, as in
//! `schema`.

use std::io::Write;

use igpt_contract::{Arity, InputPort, StageSpec};
use serde_json::{Value, json};

use super::error::CliError;
use crate::pipeline::nearest;
use crate::plan::catalog::{COMMAND, Catalog, CatalogEntry};
use crate::plan::command;
use crate::plan::schema::{dereference, expected, plain, required};
use crate::registry;

/// The width of the text.
const WIDTH: usize = 100;

/// Lists the kinds, or shows one.
pub(super) fn stages(json: bool, kind: Option<&str>, out: &mut dyn Write) -> Result<(), CliError> {
    show(&Catalog::new(registry::stages()), json, kind, out)
}

fn show(catalog: &Catalog, json: bool, kind: Option<&str>, out: &mut dyn Write) -> Result<(), CliError> {
    match kind {
        None if json => {
            let all: Vec<Value> = catalog.entries().map(described).chain([described_command()]).collect();
            writeln!(out, "{:#}", Value::Array(all))?;
        }
        None => {
            let width = catalog.names().map(str::len).max().unwrap_or(0);
            let summaries = catalog.entries().map(|entry| (entry.spec.name, entry.spec.summary));
            for (name, summary) in summaries.chain([(COMMAND, command::SUMMARY)]) {
                writeln!(out, "{name:width$}  {summary}")?;
            }
        }
        Some(COMMAND) if json => writeln!(out, "{:#}", described_command())?,
        Some(COMMAND) => {
            writeln!(out, "{COMMAND}: {}\n", command::SUMMARY)?;
            writeln!(out, "inputs: any names, each taking one artifact of any kind or a path on disk")?;
            writeln!(out, "outputs: the ports in `outputs`, of kind file\n")?;
            write_params(command::params_schema(), out)?;
        }
        Some(name) => {
            let entry = catalog.get(name).ok_or_else(|| unknown(name, catalog))?;
            if json {
                writeln!(out, "{:#}", described(entry))?;
            } else {
                write_entry(entry, out)?;
            }
        }
    }
    Ok(())
}

fn unknown(name: &str, catalog: &Catalog) -> CliError {
    let names: Vec<&str> = catalog.names().collect();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the stages are {}", names.join(", ")),
    };
    CliError::Usage { what: format!("there is no stage `{name}`"), hint: Some(hint) }
}

fn arity(port: &InputPort) -> &'static str {
    match port.arity {
        Arity::One => "one",
        Arity::Optional => "optional",
        Arity::Many => "many",
    }
}

fn described(entry: &CatalogEntry) -> Value {
    let StageSpec { name, summary, version, inputs, outputs, .. } = &entry.spec;
    let inputs: Vec<Value> = inputs
        .iter()
        .map(|port| json!({"name": port.name, "kind": port.kind.name, "takes": arity(port), "doc": port.doc}))
        .collect();
    let outputs: Vec<Value> = outputs
        .iter()
        .map(|port| json!({"name": port.name, "kind": port.kind.name, "part": port.kind.part, "doc": port.doc}))
        .collect();
    json!({
        "name": name,
        "summary": summary,
        "version": version,
        "inputs": inputs,
        "outputs": outputs,
        "seeded": entry.spec.seeded,
        "device_dependent": entry.spec.device_dependent,
        "unkeyed": entry.spec.unkeyed,
        "resources": entry.spec.resources,
        "params": entry.schema(),
    })
}

fn described_command() -> Value {
    json!({"name": COMMAND, "summary": command::SUMMARY, "params": command::params_schema()})
}

fn write_entry(entry: &CatalogEntry, out: &mut dyn Write) -> Result<(), CliError> {
    let spec = &entry.spec;
    writeln!(out, "{} (version {}): {}", spec.name, spec.version, spec.summary)?;
    let facts: Vec<&str> = [
        (spec.seeded, "draws randomness: the seed enters its keys"),
        (spec.device_dependent, "depends on the device: the numerics class enters its keys"),
        (spec.isolated, "runs in a process of its own"),
    ]
    .into_iter()
    .filter_map(|(holds, fact)| holds.then_some(fact))
    .collect();
    for fact in facts {
        writeln!(out, "  {fact}")?;
    }
    let rows = spec.inputs.iter().map(|port| {
        let kind = match port.arity {
            Arity::One => port.kind.name.to_owned(),
            Arity::Optional => format!("{}, optional", port.kind.name),
            Arity::Many => format!("{}, any number", port.kind.name),
        };
        (port.name, kind, port.doc)
    });
    write_ports("inputs", &rows.collect::<Vec<_>>(), out)?;
    let rows = spec.outputs.iter().map(|port| {
        let kind = match port.kind.part {
            Some(part) => format!("{}, parts of kind {part}", port.kind.name),
            None => port.kind.name.to_owned(),
        };
        (port.name, kind, port.doc)
    });
    write_ports("outputs", &rows.collect::<Vec<_>>(), out)?;
    writeln!(out)?;
    write_params(entry.schema(), out)?;
    if !spec.unkeyed.is_empty() {
        writeln!(out, "\nnot in the key: {}", spec.unkeyed.join(", "))?;
    }
    Ok(())
}

fn write_ports(title: &str, rows: &[(&str, String, &str)], out: &mut dyn Write) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}:")?;
    let names = rows.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0);
    let kinds = rows.iter().map(|(_, kind, _)| kind.len()).max().unwrap_or(0);
    for (name, kind, doc) in rows {
        writeln!(out, "  {name:names$}  {kind:kinds$}  {doc}")?;
    }
    Ok(())
}

fn write_params(schema: &Value, out: &mut dyn Write) -> Result<(), CliError> {
    let mut lines = Vec::new();
    push_params(schema, schema, "", 0, &mut lines);
    if lines.is_empty() {
        writeln!(out, "params: none")?;
        return Ok(());
    }
    writeln!(out, "params:")?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A line for each parameter with its type and default, then its documentation; nested ones follow
/// with their dotted paths.
fn push_params(root: &Value, schema: &Value, path: &str, depth: usize, lines: &mut Vec<String>) {
    let schema = dereference(root, schema);
    let required = required(schema);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let target = dereference(root, property);
        let default = match property.get("default") {
            Some(value) => format!(" (default {})", default_text(value)),
            None if required.contains(&name.as_str()) => " (required)".to_owned(),
            None => String::new(),
        };
        lines.push(format!("  {path}: {}{default}", expected(root, property)));
        let doc = property.get("description").or_else(|| target.get("description")).and_then(Value::as_str);
        push_wrapped(doc.unwrap_or_default(), lines);
        for variant in variants(root, target) {
            lines.push(format!("      {variant}"));
        }
        if depth < 4 {
            push_params(root, property, &path, depth + 1, lines);
        }
    }
}

fn default_text(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) if text.is_empty() => "empty".into(),
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
        Some(format!("{}: {doc}", expected(root, branch).trim_start_matches("one of ")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::catalog;

    fn shown(json: bool, kind: Option<&str>) -> String {
        let mut out = Vec::new();
        show(catalog(), json, kind, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_list_has_every_kind() {
        let text = shown(false, None);
        assert!(text.starts_with("features  Pools features.\nimages    Makes images.\n"), "{text}");
        assert!(text.ends_with(&format!("command   {}\n", command::SUMMARY)), "{text}");
    }

    #[test]
    fn a_kind_is_shown_with_ports_and_params() {
        let text = shown(false, Some("train"));
        for line in [
            "train (version 1): Trains a model.",
            "  init    model, optional  Where to start from.",
            "  checkpoints  checkpoints, parts of kind model  Models on the way.",
            "  learning_rate: a number (default 0.003)",
            "      The peak learning rate of Adam, per step.",
            "  clip: a number or null (default none)",
            "  validation.fraction: a number (default 0.1)",
            "not in the key: checkpoint_every",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let text = shown(false, Some("images"));
        assert!(text.contains("  source: one of `shapes`, `cifar10` (required)\n"), "{text}");
        assert!(text.contains("      `cifar10`: The official archive.\n"), "{text}");
        assert!(
            shown(false, Some("command")).contains("  run: a text or a list, each item a text (required)\n")
        );
    }

    #[test]
    fn json_has_the_schema() {
        let all: Value = serde_json::from_str(&shown(true, None)).unwrap();
        assert_eq!(all.as_array().unwrap().len(), catalog().names().count());
        let train: Value = serde_json::from_str(&shown(true, Some("train"))).unwrap();
        assert_eq!(train["inputs"][1]["takes"], "optional");
        assert_eq!(train["params"]["properties"]["steps"]["default"], 100);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_a_suggestion() {
        let error = show(catalog(), false, Some("trian"), &mut Vec::new()).unwrap_err();
        assert!(error.render(false).contains("did you mean `train`?"));
    }
}

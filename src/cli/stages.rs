//! `stages [KIND]`: the stage kinds, or one of them with its ports, parameters and an example.
//!
//! Everything comes from the specs of the stages and the JSON Schemas of their parameters.

use std::io::Write;

use igpt_contract::{Arity, InputPort, StageSpec};
use serde_json::{Value, json};

use super::error::CliError;
use super::{stage_example, stage_params};
use crate::pipeline::nearest;
use crate::plan::catalog::{COMMAND, Catalog, CatalogEntry};
use crate::plan::command;
use crate::registry;

/// Lists the kinds, or describes one.
pub(super) fn stages(json: bool, kind: Option<&str>, out: &mut dyn Write) -> Result<(), CliError> {
    let stages = registry::stages();
    let specs: Vec<StageSpec> = stages.iter().map(|stage| stage.spec()).collect();
    show(&Catalog::new(stages), &specs, json, kind, out)
}

/// Prints kinds of a catalog; `specs` has them in the order of a pipeline.
fn show(
    catalog: &Catalog,
    specs: &[StageSpec],
    json: bool,
    kind: Option<&str>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
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
            writeln!(out, "Inputs: any names; each takes one artifact of any kind, or a path on disk")?;
            writeln!(out, "Outputs: the ports in `outputs`, of kind file\n")?;
            write_params(command::params_schema(), out)?;
            write_example(COMMAND_EXAMPLE, out)?;
        }
        Some(name) => {
            let entry = catalog.get(name).ok_or_else(|| unknown(name, catalog))?;
            if json {
                writeln!(out, "{:#}", described(entry))?;
            } else {
                write_entry(entry, out)?;
                write_example(&stage_example::step(&entry.spec, entry.schema(), specs), out)?;
            }
        }
    }
    Ok(())
}

/// The example of a command.
const COMMAND_EXAMPLE: &str = "\
count:
  uses: command
  in: {text: ./input.txt}
  with:
    run: wc -l < text > out
";

fn unknown(name: &str, catalog: &Catalog) -> CliError {
    let names: Vec<&str> = catalog.names().collect();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the stage kinds are {}", names.join(", ")),
    };
    CliError::Usage { what: format!("unknown stage kind `{name}`"), hint: Some(hint) }
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
        (spec.seeded, "stochastic: the seed is part of the cache key"),
        (spec.device_dependent, "device-dependent: the numerics class is part of the cache key"),
        (spec.isolated, "runs in its own process"),
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
    write_ports("Inputs", &rows.collect::<Vec<_>>(), out)?;
    let rows = spec.outputs.iter().map(|port| {
        let kind = match port.kind.part {
            Some(part) => format!("{}, parts of kind {part}", port.kind.name),
            None => port.kind.name.to_owned(),
        };
        (port.name, kind, port.doc)
    });
    write_ports("Outputs", &rows.collect::<Vec<_>>(), out)?;
    writeln!(out)?;
    write_params(entry.schema(), out)?;
    if !spec.unkeyed.is_empty() {
        writeln!(out, "\nDo not affect the cache key: {}", spec.unkeyed.join(", "))?;
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
    let lines = stage_params::lines(schema);
    if lines.is_empty() {
        writeln!(out, "Parameters: none")?;
        return Ok(());
    }
    writeln!(out, "Parameters:")?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The step to copy into a pipeline.
fn write_example(step: &str, out: &mut dyn Write) -> Result<(), CliError> {
    writeln!(out, "\nExample:\n  stages:")?;
    for line in step.lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::catalog;

    fn specs() -> Vec<StageSpec> {
        catalog().entries().map(|entry| entry.spec.clone()).collect()
    }

    /// The example of a kind and those of all kinds that it reads from are a pipeline that is valid.
    fn examples_are_valid(catalog: &Catalog, specs: &[StageSpec], kind: &str) -> String {
        let (mut todo, mut steps) = (vec![kind.to_owned()], std::collections::BTreeMap::new());
        while let Some(name) = todo.pop() {
            let entry = catalog.get(&name).unwrap();
            let text = stage_example::step(&entry.spec, entry.schema(), specs);
            for (_, from, _) in stage_example::inputs(&entry.spec, specs) {
                if !steps.contains_key(from) && from != name {
                    todo.push(from.to_owned());
                }
            }
            steps.insert(name, text);
        }
        let steps: Vec<String> =
            steps.values().flat_map(|text| text.lines()).map(|l| format!("  {l}\n")).collect();
        let text = format!("stages:\n{}", steps.concat());
        let pipeline =
            crate::pipeline::Pipeline::parse(std::path::Path::new("x.yaml"), text.as_bytes()).unwrap();
        let planned = crate::plan::plan(&pipeline, catalog, &crate::pipeline::Overrides::default());
        let errors = planned.err().unwrap_or_default();
        assert!(errors.is_empty(), "{}\n{text}", crate::pipeline::render(&errors, false));
        text
    }

    #[test]
    fn every_example_is_a_valid_step() {
        // What a summary shows by default no other stage of the tests has.
        for entry in catalog().entries().filter(|entry| entry.spec.name != "summary") {
            examples_are_valid(catalog(), &specs(), entry.spec.name);
        }
        let stages = registry::stages();
        let specs: Vec<StageSpec> = stages.iter().map(|stage| stage.spec()).collect();
        let real = Catalog::new(stages);
        for spec in &specs {
            examples_are_valid(&real, &specs, spec.name);
        }
    }

    fn shown(json: bool, kind: Option<&str>) -> String {
        let mut out = Vec::new();
        show(catalog(), &specs(), json, kind, &mut out).unwrap();
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
            "  learning_rate: number (default 0.003)",
            "      The peak learning rate of Adam, per step.",
            "  clip: number or null (default none)",
            "  validation.fraction: number (default 0.1)",
            "Do not affect the cache key: checkpoint_every",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let text = shown(false, Some("images"));
        assert!(text.contains("  source: one of `shapes`, `cifar10` (required)\n"), "{text}");
        assert!(text.contains("      `cifar10`: The official archive.\n"), "{text}");
        assert!(shown(false, Some("command")).contains("  run: string or list of strings (required)\n"));
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
        let error = show(catalog(), &specs(), false, Some("trian"), &mut Vec::new()).unwrap_err();
        assert!(error.render(false).contains("did you mean `train`?"));
    }
}

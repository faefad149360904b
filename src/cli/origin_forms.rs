//! What `origin` was asked for, and its answer for programs: JSON and DOT.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::provenance::place::{self, Place};
use crate::provenance::{Cell, Input, Node, Source, Trace};
use crate::registry;
use crate::store::{Record, Store};

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// As the user wrote it.
    pub(super) text: String,
    /// What that is.
    pub(super) places: Vec<Place>,
    /// Places with the same bytes, besides the one that is traced.
    pub(super) others: Vec<Place>,
    /// The run that the steps were found in, where a step was named.
    pub(super) run: Option<String>,
    /// The cells of a table, where some were asked for.
    pub(super) cells: Vec<AskedCell>,
}

impl Asked {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// The place that the latest run has, of several with the same bytes.
    pub(super) fn one_of(text: &str, store: &Store, places: &[Place]) -> Self {
        let one: Vec<Place> = place::latest(store, places).into_iter().collect();
        let others = places.iter().filter(|place| !one.contains(place)).cloned().collect();
        Self { places: one, others, ..Self::of(text) }
    }
}

/// A number of a table, and where it stands.
#[derive(Debug)]
pub(super) struct AskedCell {
    pub(super) cell: Cell,
    /// The row's name.
    pub(super) row: String,
    /// The column's heading.
    pub(super) column: String,
}

/// The answer as JSON.
pub(super) fn as_json(asked: &Asked, trace: &Trace, all: bool) -> Value {
    let cells: Vec<Value> = asked.cells.iter().map(cell).collect();
    let mut answer = json!({
        "asked": asked.text,
        "run": asked.run,
        "found": asked.places.iter().map(place).collect::<Vec<_>>(),
        "same_bytes": asked.others.iter().map(place).collect::<Vec<_>>(),
        "is_whole": trace.is_whole(),
        "steps": trace.nodes.iter().map(|node| step(node, trace, all)).collect::<Vec<_>>(),
    });
    if !cells.is_empty() {
        answer["cells"] = cells.into();
    }
    answer
}

fn cell(asked: &AskedCell) -> Value {
    let Cell { row, text, value, .. } = &asked.cell;
    json!({"row": row + 1, "row_name": asked.row, "column_name": asked.column, "text": text, "value": value})
}

fn place(place: &Place) -> Value {
    let within = Some(place.within.display().to_string()).filter(|within| !within.is_empty());
    json!({"key": place.key, "port": place.port, "within": within, "digest": place.digest})
}

fn step(node: &Node, trace: &Trace, all: bool) -> Value {
    let inputs = inputs_as_json(node, trace);
    let Some(record) = &node.record else { return json!({"key": node.key, "missing": true}) };
    let material = &record.material;
    let mut value = json!({
        "key": node.key, "step": record.step, "kind": material.stage, "version": material.version,
        "params": material.params, "seed": material.seed, "numerics": material.numerics,
        "pipeline": record.pipeline, "run": record.run, "finished": record.finished.to_string(),
        "cost": record.cost, "program": record.program, "host": record.host,
        "instruction_set": record.instruction_set, "facts": record.facts, "outputs": record.outputs,
        "inputs": inputs,
    });
    if all {
        value["defaults"] = json!(defaults(record));
    }
    value
}

/// The inputs of a step, each with where it came from.
pub(super) fn inputs_as_json(node: &Node, trace: &Trace) -> Vec<Value> {
    node.inputs.iter().map(|one| input(one, trace)).collect()
}

fn input(input: &Input, trace: &Trace) -> Value {
    let mut value =
        json!({"port": input.port, "digest": input.digest, "source": source(&input.source, trace)});
    if !input.labels.is_empty() {
        value["labels"] = json!(input.labels);
    }
    value
}

fn source(source: &Source, trace: &Trace) -> Value {
    let of = |node: &usize| json!({"step": trace.nodes[*node].name(), "key": trace.nodes[*node].key});
    match source {
        Source::Step { node, port, part, replaced } => {
            let mut value = of(node);
            value["port"] = port.clone().into();
            if let Some(part) = part {
                value["part"] = part.clone().into();
            }
            if *replaced {
                value["replaced"] = true.into();
            }
            value
        }
        Source::Choice { tried } => json!({"tried": tried.iter().map(of).collect::<Vec<_>>()}),
        Source::Outside { path } => json!({"outside": path}),
        Source::Unknown => Value::Null,
    }
}

/// The parameters that are not in the key because they have their defaults, as far as this program knows them:
/// none of a kind, or of a version of a kind, that it lacks.
pub(super) fn defaults(record: &Record) -> Option<Map<String, Value>> {
    let material = &record.material;
    let stage = registry::find(&material.stage)?;
    if stage.spec().version != material.version {
        return None;
    }
    let given: Map<String, Value> = material.params.clone().into_iter().collect();
    let complete = stage.complete(&Value::Object(given)).ok()?;
    let differs = |name: &String| !material.params.contains_key(name);
    Some(complete.as_object()?.clone().into_iter().filter(|(name, _)| differs(name)).collect())
}

/// The graph as DOT.
pub(super) fn dot(trace: &Trace, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "digraph origin {{\n  rankdir = LR;\n  node [shape = box];")?;
    for (n, node) in trace.nodes.iter().enumerate() {
        let kind = node.record.as_ref().map_or("no record", |record| &record.material.stage);
        let style = if node.record.is_none() { ", style = dashed" } else { "" };
        writeln!(out, "  n{n} [label = {}{style}];", quoted(&format!("{} [{kind}]", node.name())))?;
    }
    let mut outside = 0;
    for (n, node) in trace.nodes.iter().enumerate() {
        for input in &node.inputs {
            match &input.source {
                Source::Step { node: from, port, part, .. } => {
                    let label = quoted(&of_output(port, part.as_deref()));
                    writeln!(out, "  n{from} -> n{n} [label = {label}];")?;
                }
                Source::Choice { tried } => {
                    for from in tried {
                        writeln!(out, "  n{from} -> n{n} [label = \"tried\", style = dotted];")?;
                    }
                }
                Source::Outside { path } => {
                    let label = quoted(&format!("{path} ({})", input.digest.short()));
                    writeln!(out, "  p{outside} [label = {label}, shape = note];\n  p{outside} -> n{n};")?;
                    outside += 1;
                }
                Source::Unknown => {
                    let label = quoted(&format!("unknown ({})", input.digest.short()));
                    writeln!(out, "  p{outside} [label = {label}, style = dashed];\n  p{outside} -> n{n};")?;
                    outside += 1;
                }
            }
        }
    }
    writeln!(out, "}}")
}

/// `layers`, `layers/3`.
pub(super) fn of_output(port: &str, part: Option<&str>) -> String {
    part.map_or_else(|| port.to_owned(), |part| Path::new(port).join(part).display().to_string())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
}

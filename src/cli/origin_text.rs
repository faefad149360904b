//! What `origin` says to people: a block for each step, from the result down to the data.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::Value;

use igpt_contract::{Labels, counted};

use super::origin_forms::{Asked, AskedCell, defaults, of_output};
use crate::plan::schema::plain;
use crate::provenance::{Input, Node, Source, Trace};
use crate::report::seconds;
use crate::store::Record;

/// How many characters of a parameter's value are shown.
const WIDTH: usize = 100;

/// How many candidates of a search, or other places, are named.
const NAMED: usize = 8;

/// Tells the whole way back.
pub(super) fn tell(asked: &Asked, trace: &Trace, all: bool, out: &mut dyn Write) -> io::Result<()> {
    head(asked, trace, out)?;
    for (n, node) in trace.nodes.iter().enumerate() {
        writeln!(out)?;
        block(node, trace, all, trace.starts.contains(&n), out)?;
    }
    end(trace, out)
}

/// What was asked for, and what it is.
fn head(asked: &Asked, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    for place in &asked.places {
        let name = trace.node(&place.key).map(Node::name).unwrap_or_default();
        let within = place.within.display().to_string();
        match (&place.port, within.is_empty()) {
            (None, _) => {
                let run = asked.run.as_ref().map(|run| format!(" in run {run}")).unwrap_or_default();
                writeln!(out, "step `{name}`{run}")?;
            }
            (Some(port), true) => writeln!(out, "{}: output `{port}` of `{name}`", asked.text)?,
            (Some(port), false) => {
                writeln!(out, "{}: `{within}` in output `{port}` of `{name}`", asked.text)?
            }
        }
    }
    if !asked.others.is_empty() {
        writeln!(
            out,
            "    the same bytes are {} of other steps or runs",
            counted(asked.others.len(), "output")
        )?;
    }
    for AskedCell { cell, row, column } in &asked.cells {
        let text = match (cell.text.is_empty(), cell.value.is_null()) {
            (false, _) => cell.text.clone(),
            (true, false) => plain(&cell.value),
            (true, true) => "no result".to_owned(),
        };
        writeln!(out, "    row {} ({row}), {column}: {text}", cell.row + 1)?;
    }
    Ok(())
}

fn block(node: &Node, trace: &Trace, all: bool, is_start: bool, out: &mut dyn Write) -> io::Result<()> {
    let Some(record) = &node.record else {
        writeln!(out, "key {}: the store has no record of this step", node.key.short())?;
        return writeln!(out, "    its inputs are unknown here");
    };
    let material = &record.material;
    writeln!(out, "{} [{} version {}]", record.step, material.stage, material.version)?;
    for (name, value) in &material.params {
        writeln!(out, "    {name} = {}", shortened(value))?;
    }
    if all {
        match defaults(record) {
            Some(defaults) => {
                for (name, value) in &defaults {
                    writeln!(out, "    {name} = {} (default)", shortened(value))?;
                }
            }
            None if material.stage == "command" => {}
            None => writeln!(
                out,
                "    its defaults are unknown: this program has a different version of the kind"
            )?,
        }
    }
    if let Some(seed) = material.seed {
        writeln!(out, "    seed {seed}")?;
    }
    if let Some(numerics) = &material.numerics {
        writeln!(out, "    numerics {numerics}")?;
    }
    for (name, value) in &record.facts {
        writeln!(out, "    fact {name}: {}", shortened(value))?;
    }
    for line in inputs(&node.inputs, trace) {
        writeln!(out, "    {line}")?;
    }
    if is_start {
        for (port, artifact) in &record.outputs {
            writeln!(
                out,
                "    out {port}: {}, {}",
                artifact.digest.short(),
                counted(artifact.files, "file")
            )?;
        }
    }
    made(record, out)
}

fn made(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let cost = record.cost;
    let commit =
        record.program.commit.as_ref().map(|commit| format!(" ({})", short(commit))).unwrap_or_default();
    let program = match record.program.version.as_str() {
        "" => "an earlier igpt-flow".to_owned(),
        version => format!("igpt-flow {version}{commit}"),
    };
    writeln!(
        out,
        "    made in {} ({} CPU, {:.0} MiB) by {program}",
        seconds(cost.wall_s),
        seconds(cost.cpu_s),
        cost.peak_memory_mib
    )?;
    writeln!(
        out,
        "    on {} ({}), {}, run {}, key {}",
        record.host,
        record.instruction_set,
        record.finished.strftime("%Y-%m-%d %H:%M:%S UTC"),
        record.run,
        record.key.short()
    )
}

/// As much of a commit as tells it apart, with the sign of changed sources.
fn short(commit: &str) -> String {
    let changed = if commit.ends_with('+') { "+" } else { "" };
    format!("{}{changed}", commit.trim_end_matches('+').chars().take(10).collect::<String>())
}

/// A line for each port and source; instances of one step that differ only in labels still have one each.
fn inputs(inputs: &[Input], trace: &Trace) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for input in inputs {
        let line = format!("in {}{}: {}", input.port, labels(&input.labels), source(input, trace));
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

/// ` [layer=3]`.
pub(super) fn labels(labels: &Labels) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let sorted: BTreeMap<&String, &Value> = labels.iter().collect();
    let shown: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    format!(" [{}]", shown.join(", "))
}

/// Where an input came from: `probe:layer=3, output metrics`.
pub(super) fn source(input: &Input, trace: &Trace) -> String {
    let digest = input.digest.short();
    match &input.source {
        Source::Step { node, port, part, replaced } => {
            let again = if *replaced { ", from before the step re-ran" } else { "" };
            format!("`{}`, {} ({digest}{again})", trace.nodes[*node].name(), of_output(port, part.as_deref()))
        }
        Source::Choice { tried } => {
            let names: Vec<String> =
                tried.iter().take(NAMED).map(|node| format!("`{}`", trace.nodes[*node].name())).collect();
            let more = tried.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("the choice among {}{more} ({digest})", names.join(", "))
        }
        Source::Outside { path } => format!("outside the store, `{path}`, content {}", input.digest),
        Source::Unknown => format!("not recorded ({digest})"),
    }
}

/// What the way back ends at, where that is not plain.
fn end(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let missing = trace.missing().count();
    if missing > 0 {
        let records = counted(missing, "record");
        writeln!(
            out,
            "\nhint: {records} of this origin are not in this store (deleted, or in another store)"
        )?;
    }
    Ok(())
}

fn shortened(value: &Value) -> String {
    let text = plain(value).replace('\n', " ");
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

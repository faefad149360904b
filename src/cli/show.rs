//! `show STEP`: a step's parameters, inputs, metrics, outputs and cost.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use igpt_contract::counted;

use super::error::CliError;
use super::history::{StepArgs, find, record_of};
use super::origin_forms::inputs_as_json;
use super::origin_text::{labels, source};
use crate::provenance::Trace;
pub(super) use crate::report::bytes;
use crate::report::seconds;
use crate::store::{Artifact, Content, Record, Store};

/// Shows the records of the steps that `args` means.
pub(super) fn show(store: &Path, json: bool, args: &StepArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let found = find(&store, args)?;
    let mut all = Vec::new();
    for step in &found.steps {
        let record = record_of(&store, step);
        if json {
            let trace = record.as_ref().map(|record| Trace::nearest(&store, &[record.key]));
            let inputs = trace.as_ref().and_then(|trace| Some(inputs_as_json(trace.nodes.first()?, trace)));
            let seen = json!({
                "step": step.name, "run": found.run.id(), "outcome": step.outcome, "record": record,
                "inputs": inputs,
            });
            all.push(seen);
            continue;
        }
        writeln!(out, "`{}` in run {}: {}", step.name, found.run.id(), step.outcome)?;
        match record {
            Some(record) => print(&store, &record, out)?,
            None => writeln!(out, "    no result is recorded")?,
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

fn print(store: &Store, record: &Record, out: &mut dyn Write) -> Result<(), CliError> {
    let material = &record.material;
    writeln!(out, "    {} version {}, key {}", material.stage, material.version, record.key)?;
    writeln!(
        out,
        "    created by run {} on {} ({}), {}",
        record.run, record.host, record.instruction_set, record.finished
    )?;
    let cost = record.cost;
    writeln!(
        out,
        "    cost {} ({} CPU, peak memory {:.0} MiB)",
        seconds(cost.wall_s),
        seconds(cost.cpu_s),
        cost.peak_memory_mib
    )?;
    if let Some(seed) = material.seed {
        writeln!(out, "    seed {seed}")?;
    }
    if let Some(numerics) = &material.numerics {
        writeln!(out, "    numerics {numerics}")?;
    }
    for (name, value) in &material.params {
        writeln!(out, "    param {name} = {value}")?;
    }
    let trace = Trace::nearest(store, &[record.key]);
    for input in trace.nodes.first().map_or(&[][..], |node| &node.inputs) {
        writeln!(out, "    in {}{}: {}", input.port, labels(&input.labels), source(input, &trace))?;
    }
    for (name, value) in &record.metrics.values {
        writeln!(out, "    metric {name} = {value}")?;
    }
    for (port, artifact) in &record.outputs {
        print_output(store, port, artifact, out)?;
    }
    Ok(())
}

fn print_output(store: &Store, port: &str, artifact: &Artifact, out: &mut dyn Write) -> Result<(), CliError> {
    let there = if store.contains(artifact) { "" } else { ", no longer in the store" };
    let (digest, size) = (artifact.digest.short(), bytes(artifact.bytes));
    writeln!(out, "    out {port} {digest}, {size}, {}{there}", counted(artifact.files, "file"))?;
    // A manifest that is gone was reported above.
    for entry in store.entries(artifact).unwrap_or_default() {
        let name = entry.name.display();
        match &entry.content {
            Content::File { digest, .. } if artifact.is_file() => {
                writeln!(out, "        {}", store.path_of_file(digest).display())?;
            }
            Content::File { digest, size, .. } => {
                writeln!(out, "        {name} ({}) {}", bytes(*size), store.path_of_file(digest).display())?;
            }
            Content::Link { target } => writeln!(out, "        {name} -> {}", target.display())?,
            Content::EmptyFolder => writeln!(out, "        {name}/ (empty)")?,
        }
    }
    Ok(())
}

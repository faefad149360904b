//! `show STEP`: a step's parameters, inputs, metrics, outputs and cost.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use igpt_contract::counted;

use super::backing::{Of, backed};
use super::error::CliError;
use super::history::{StepArgs, find, record_of};
use super::options::RemoteArgs;
use super::origin_forms::inputs_as_json;
use super::origin_text::{labels, source};
use crate::provenance::Trace;
pub(super) use crate::report::bytes;
use crate::report::clean::one_line;
use crate::report::seconds;
use crate::store::{Artifact, Content, Record, Store, Whereabouts};

/// What is shown.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Shows the records of the steps that `args` means.
pub(super) fn show(store: &Path, json: bool, args: &ShowArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let found = find(&store, &args.step)?;
    let store = backed(&store, args.remote.remote.as_deref(), Of::Run(&found.run))?;
    let mut all = Vec::new();
    let mut hint = None;
    for step in &found.steps {
        let record = record_of(&store, step);
        if json {
            let trace = record.as_ref().map(|record| Trace::nearest(&store, &[record.key]));
            let inputs = trace.as_ref().and_then(|trace| Some(inputs_as_json(trace.nodes.first()?, trace)));
            let seen = json!({
                "step": step.name, "run": found.run.id(), "outcome": step.outcome, "record": record,
                "inputs": inputs, "bytes": record.as_ref().map(|record| bytes_as_json(&store, record)),
            });
            all.push(seen);
            continue;
        }
        writeln!(out, "`{}` in run {}: {}", step.name, found.run.id(), step.outcome)?;
        match record {
            Some(record) => hint = print(&store, &record, out)?.or(hint),
            None => writeln!(out, "    no result is recorded")?,
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    if let Some(hint) = hint {
        writeln!(out, "\nhint: {hint}")?;
    }
    Ok(())
}

/// Where the bytes of each output are.
fn bytes_as_json(store: &Store, record: &Record) -> BTreeMap<String, Value> {
    let place = |(port, artifact): (&String, &Artifact)| {
        let place = store.whereabouts(artifact);
        (port.clone(), json!({"place": place.word(), "remote": place.remote()}))
    };
    record.outputs.iter().map(place).collect()
}

/// Prints a record. Answers what the user can do about bytes that are not here.
fn print(store: &Store, record: &Record, out: &mut dyn Write) -> Result<Option<&'static str>, CliError> {
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
        writeln!(out, "    metric {} = {value}", one_line(name))?;
    }
    let mut hint = None;
    for (port, artifact) in &record.outputs {
        let place = store.whereabouts(artifact);
        hint = hint.or(place.hint());
        print_output(store, port, artifact, &place, out)?;
    }
    Ok(hint)
}

fn print_output(
    store: &Store,
    port: &str,
    artifact: &Artifact,
    place: &Whereabouts,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let there = place.words().map_or_else(String::new, |words| format!(", {words}"));
    let (digest, size) = (artifact.digest.short(), bytes(artifact.bytes));
    writeln!(out, "    out {port} {digest}, {size}, {}{there}", counted(artifact.files, "file"))?;
    // The path of a file that is here.
    let path = |digest: &igpt_contract::Digest| {
        Some(store.path_of_file(digest)).filter(|path| *place == Whereabouts::Here || path.exists())
    };
    // A manifest that is gone was reported above.
    for entry in store.entries(artifact).unwrap_or_default() {
        let name = entry.name.display();
        match &entry.content {
            Content::File { digest, .. } if artifact.is_file() => {
                path(digest).map_or(Ok(()), |path| writeln!(out, "        {}", path.display()))?;
            }
            Content::File { digest, size, .. } => {
                let path = path(digest).map_or_else(String::new, |path| format!(" {}", path.display()));
                writeln!(out, "        {name} ({}){path}", bytes(*size))?;
            }
            Content::Link { target } => writeln!(out, "        {name} -> {}", target.display())?,
            Content::EmptyFolder => writeln!(out, "        {name}/ (empty)")?,
        }
    }
    Ok(())
}

//! `explain STEP`: why a step ran, or why it did not, after the fact and field by field.

use std::io::Write;
use std::path::Path;

use igpt_contract::Digest;
use serde_json::json;

use super::error::CliError;
use super::history::{StepArgs, find, record_of, steps_of};
use crate::key::{self, FieldChange};
use crate::store::{Record, RunFolder, StepRecord, Store};

/// Why a step ran or not.
enum Reason {
    /// Its result was there: the run that made it.
    Reused { by: String },
    /// No earlier run of the pipeline had the step.
    First,
    /// Its key changed.
    Changed { before: Digest, run: String, changes: Vec<FieldChange> },
    /// Its key was that of an earlier run, and still it ran.
    Again { run: String },
    /// Nothing is recorded under its key.
    NoRecord,
    /// It never got a key.
    NoKey,
}

/// Explains the steps that `args` means.
pub(super) fn explain(
    store: &Path,
    json: bool,
    args: &StepArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let found = find(&store, args)?;
    let mut all = Vec::new();
    for step in &found.steps {
        let before = last_before(&store, &found.run, &found.pipeline, &step.name)?;
        let reason = reason(&store, &found.run, step, before);
        if json {
            all.push(as_json(&found.run, step, &reason));
        } else {
            tell(&found.run, step, &reason, out)?;
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

fn reason(store: &Store, run: &RunFolder, step: &StepRecord, before: Option<(String, Record)>) -> Reason {
    let Some(key) = step.key else { return Reason::NoKey };
    let Some(record) = record_of(store, step) else { return Reason::NoRecord };
    if record.run != run.id() {
        return Reason::Reused { by: record.run };
    }
    match before {
        None => Reason::First,
        Some((run, old)) if old.key == key => Reason::Again { run },
        Some((run, old)) => {
            let changes = key::diff(&old.material, &record.material);
            Reason::Changed { before: old.key, run, changes }
        }
    }
}

/// The latest run of the pipeline before this one that has a record of the step.
fn last_before(
    store: &Store,
    run: &RunFolder,
    pipeline: &str,
    step: &str,
) -> Result<Option<(String, Record)>, CliError> {
    for earlier in store.runs()?.iter().rev().skip_while(|earlier| earlier.id() >= run.id()) {
        let (name, steps) = steps_of(earlier);
        if name != pipeline {
            continue;
        }
        let record = steps.iter().find(|other| other.name == step).and_then(|step| record_of(store, step));
        if let Some(record) = record {
            return Ok(Some((earlier.id().to_owned(), record)));
        }
    }
    Ok(None)
}

fn tell(run: &RunFolder, step: &StepRecord, reason: &Reason, out: &mut dyn Write) -> std::io::Result<()> {
    let key = step.key.map(|key| format!(" (key {})", key.short())).unwrap_or_default();
    write!(out, "`{}` in run {}{key}: ", step.name, run.id())?;
    match reason {
        Reason::Reused { by } => {
            writeln!(out, "reused; nothing that its key holds has changed since run {by} made it")
        }
        Reason::First => writeln!(out, "ran; no earlier run of this pipeline has a result of it"),
        Reason::Again { run } => writeln!(
            out,
            "ran although its key is that of run {run}: it was forced, or its result was not in the store"
        ),
        Reason::NoRecord => writeln!(out, "{}; nothing is recorded under its key", step.outcome),
        Reason::NoKey => writeln!(out, "{}; what it reads was not there, so it has no key", step.outcome),
        Reason::Changed { before, run, changes } => {
            writeln!(out, "ran; since run {run} (key {}) this has changed", before.short())?;
            changes.iter().try_for_each(|change| writeln!(out, "    {change}"))
        }
    }
}

fn as_json(run: &RunFolder, step: &StepRecord, reason: &Reason) -> serde_json::Value {
    let (why, before, changes): (_, _, &[FieldChange]) = match reason {
        Reason::Reused { by } => ("reused", Some(by), &[]),
        Reason::First => ("first", None, &[]),
        Reason::Changed { run, changes, .. } => ("changed", Some(run), changes),
        Reason::Again { run } => ("again", Some(run), &[]),
        Reason::NoRecord => ("no record", None, &[]),
        Reason::NoKey => ("no key", None, &[]),
    };
    json!({
        "step": step.name, "run": run.id(), "key": step.key, "outcome": step.outcome,
        "why": why, "compared_with": before, "changes": changes,
    })
}

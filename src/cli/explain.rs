//! `explain STEP`: why a step ran, or why it did not, after the fact and field by field.

use std::io::Write;
use std::path::Path;

use igpt_contract::Digest;
use serde_json::json;

use super::error::CliError;
use super::history::{StepArgs, find, record_of, steps_of};
use super::told::{End, Told, told};
use crate::key::{self, FieldChange};
use crate::store::{Record, RunFolder, StepRecord, Store};

/// Why a step ran or not.
enum Why {
    /// Its result was there: the run that had made it, where that is still known.
    Reused { by: Option<String> },
    /// Another run did it while this one waited.
    Adopted,
    /// No earlier run of the pipeline had the step.
    First,
    /// Its key changed.
    Changed { before: Digest, run: String, changes: Vec<FieldChange> },
    /// Its key was that of an earlier run, and still it ran.
    Again { run: String },
    /// It ran and did not end well: no record says what its key was made of, but the run says why
    /// it ran.
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
    let runs = store.runs()?;
    let earlier: Vec<&RunFolder> = runs.iter().rev().filter(|run| run.id() < found.run.id()).collect();
    let mut all = Vec::new();
    for step in &found.steps {
        let said = told(&found.run, &step.name);
        let why = why(&store, &found.run, &found.pipeline, step, &said, &earlier);
        if json {
            all.push(as_json(&found.run, step, &said, &why));
        } else {
            tell(&found.run, step, &said, &why, out)?;
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

fn why(
    store: &Store,
    run: &RunFolder,
    pipeline: &str,
    step: &StepRecord,
    said: &Told,
    earlier: &[&RunFolder],
) -> Why {
    let Some(key) = step.key else { return Why::NoKey };
    let Some(record) = record_of(store, step) else { return Why::NoRecord };
    let reused = match &said.end {
        Some(End::Reused) => true,
        Some(End::Done) => false,
        Some(End::Adopted) => return Why::Adopted,
        // The record, where there is one, is another run's.
        Some(End::Started | End::Failed(_) | End::Skipped(_)) => return Why::NoRecord,
        None => record.run != run.id(),
    };
    if reused {
        return Why::Reused { by: maker(&record, run, key, earlier) };
    }
    match last_before(store, pipeline, &step.name, earlier) {
        None => Why::First,
        Some((run, old)) if old.key == key => Why::Again { run },
        Some((run, old)) => {
            Why::Changed { before: old.key, run, changes: key::diff(&old.material, &record.material) }
        }
    }
}

/// The run that had made the result when `run` reused it: the record names the latest one that made
/// it, which may have been later (`--force`).
fn maker(record: &Record, run: &RunFolder, key: Digest, earlier: &[&RunFolder]) -> Option<String> {
    if *record.run < *run.id() {
        return Some(record.run.clone());
    }
    let made = |run: &&&RunFolder| {
        let with_key = steps_of(run).1.into_iter().filter(|step| step.key == Some(key));
        with_key.into_iter().any(|step| told(run, &step.name).end == Some(End::Done))
    };
    earlier.iter().find(made).map(|run| run.id().to_owned())
}

/// The latest earlier run of the pipeline that has a record of the step.
fn last_before(
    store: &Store,
    pipeline: &str,
    step: &str,
    earlier: &[&RunFolder],
) -> Option<(String, Record)> {
    earlier.iter().find_map(|earlier| {
        let (name, steps) = steps_of(earlier);
        let step = steps.iter().find(|other| other.name == step).filter(|_| name == pipeline)?;
        Some((earlier.id().to_owned(), record_of(store, step)?))
    })
}

fn tell(
    run: &RunFolder,
    step: &StepRecord,
    said: &Told,
    why: &Why,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let key = step.key.map(|key| format!(" (key {})", key.short())).unwrap_or_default();
    write!(out, "`{}` in run {}{key}: ", step.name, run.id())?;
    match why {
        Why::Reused { by } => {
            let by = by.as_ref().map_or("an earlier run".to_owned(), |run| format!("run {run}"));
            writeln!(out, "reused; nothing that its key holds has changed since {by} made it")
        }
        Why::Adopted => writeln!(out, "not run: another run made its result while this one waited"),
        Why::First => writeln!(out, "ran; no earlier run of this pipeline has a result of it"),
        Why::Again { run } => {
            let why = match said.reason.as_deref() {
                Some("forced") => "it was forced",
                Some(_) => "its result was not in the store any more",
                None => "it was forced, or its result was not in the store",
            };
            writeln!(out, "ran although its key is that of run {run}: {why}")
        }
        Why::Changed { before, run, changes } => {
            writeln!(out, "ran; since run {run} (key {}) this has changed", before.short())?;
            changes.iter().try_for_each(|change| writeln!(out, "    {change}"))
        }
        Why::NoRecord | Why::NoKey => {
            match &said.end {
                Some(End::Failed(error)) => writeln!(out, "failed: {}", error.trim_end())?,
                Some(End::Skipped(reason)) => writeln!(out, "skipped: {reason}")?,
                Some(End::Started) => writeln!(out, "started; the run did not see its end")?,
                None if step.outcome == "skipped" => writeln!(out, "skipped: the run was asked for others")?,
                _ => writeln!(out, "{}; nothing is recorded of it", step.outcome)?,
            }
            said.reason.iter().try_for_each(|reason| writeln!(out, "    it ran because: {reason}"))
        }
    }
}

fn as_json(run: &RunFolder, step: &StepRecord, said: &Told, why: &Why) -> serde_json::Value {
    let (word, before, changes): (_, _, &[FieldChange]) = match why {
        Why::Reused { by } => ("reused", by.as_ref(), &[]),
        Why::Adopted => ("adopted", None, &[]),
        Why::First => ("first", None, &[]),
        Why::Changed { run, changes, .. } => ("changed", Some(run), changes),
        Why::Again { run } => ("again", Some(run), &[]),
        Why::NoRecord => ("no record", None, &[]),
        Why::NoKey => ("no key", None, &[]),
    };
    let error = match &said.end {
        Some(End::Failed(error) | End::Skipped(error)) => Some(error),
        _ => None,
    };
    json!({
        "step": step.name, "run": run.id(), "key": step.key, "outcome": step.outcome,
        "why": word, "compared_with": before, "changes": changes, "reason": said.reason, "error": error,
    })
}

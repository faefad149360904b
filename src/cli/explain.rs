//! `explain STEP`: why a step ran or was reused, field by field, back to the change that caused it.

use std::io::Write;
use std::path::Path;

use igpt_contract::Digest;
use serde_json::{Value, json};

use super::cause::{Cause, Comparison, causes};
use super::error::CliError;
use super::history::{StepArgs, find, record_of, steps_of};
use super::step_events::{StepEvents, StepState, step_events};
use crate::key::{self, FieldChange};
use crate::store::{Record, RunFolder, StepRecord, Store};

/// Why a step ran or not.
enum Explanation {
    /// It was cached; the run that created the result, if that is still known.
    Reused { by: Option<String> },
    /// Another run did the work while this one waited.
    Adopted,
    /// No earlier run of the pipeline had the step.
    First,
    /// Its key changed.
    Changed { before: Digest, run: String, changes: Vec<FieldChange>, causes: Vec<Cause> },
    /// Its key was that of an earlier run, and it ran nevertheless.
    Again { run: String },
    /// It failed: no record holds what its key was made of, but the events hold why it ran.
    NoRecord,
    /// It never got a key.
    NoKey,
}

/// Explains the steps that `args` names.
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
        let events = step_events(&found.run, &step.name);
        let explanation = explanation(&store, &found.run, &found.pipeline, step, &events, &earlier);
        if json {
            all.push(as_json(&found.run, step, &events, &explanation));
        } else {
            print(&found.run, step, &events, &explanation, out)?;
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

fn explanation(
    store: &Store,
    run: &RunFolder,
    pipeline: &str,
    step: &StepRecord,
    events: &StepEvents,
    earlier: &[&RunFolder],
) -> Explanation {
    let Some(key) = step.key else { return Explanation::NoKey };
    let Some(record) = record_of(store, step) else { return Explanation::NoRecord };
    let reused = match &events.state {
        Some(StepState::Reused) => true,
        Some(StepState::Succeeded) => false,
        Some(StepState::Adopted) => return Explanation::Adopted,
        // The record, if there is one, is another run's.
        Some(StepState::Started | StepState::Failed(_) | StepState::Skipped(_)) => {
            return Explanation::NoRecord;
        }
        None => record.run != run.id(),
    };
    if reused {
        return Explanation::Reused { by: creator(&record, run, key, earlier) };
    }
    match last_before(store, pipeline, &step.name, earlier) {
        None => Explanation::First,
        Some((before, old)) if old.key == key => Explanation::Again { run: before.id().to_owned() },
        Some((before, old)) => {
            let comparison = Comparison::new(store, before, run);
            Explanation::Changed {
                before: old.key,
                run: before.id().to_owned(),
                changes: key::diff(&old.material, &record.material),
                causes: causes(&comparison, &old, &record),
            }
        }
    }
}

/// The run that had created the result when `run` reused it: the record names the latest one that did,
/// which may be a later one (`--force`).
fn creator(record: &Record, run: &RunFolder, key: Digest, earlier: &[&RunFolder]) -> Option<String> {
    if *record.run < *run.id() {
        return Some(record.run.clone());
    }
    let created = |run: &&&RunFolder| {
        let with_key = steps_of(run).1.into_iter().filter(|step| step.key == Some(key));
        with_key.into_iter().any(|step| step_events(run, &step.name).state == Some(StepState::Succeeded))
    };
    earlier.iter().find(created).map(|run| run.id().to_owned())
}

/// The latest earlier run of the pipeline that has a record of the step.
fn last_before<'r>(
    store: &Store,
    pipeline: &str,
    step: &str,
    earlier: &[&'r RunFolder],
) -> Option<(&'r RunFolder, Record)> {
    earlier.iter().find_map(|earlier| {
        let (name, steps) = steps_of(earlier);
        let step = steps.iter().find(|other| other.name == step).filter(|_| name == pipeline)?;
        Some((*earlier, record_of(store, step)?))
    })
}

fn print(
    run: &RunFolder,
    step: &StepRecord,
    events: &StepEvents,
    explanation: &Explanation,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let key = step.key.map(|key| format!(" (key {})", key.short())).unwrap_or_default();
    write!(out, "`{}` in run {}{key}: ", step.name, run.id())?;
    match explanation {
        Explanation::Reused { by } => {
            let by = by.as_ref().map_or("an earlier run".to_owned(), |run| format!("run {run}"));
            writeln!(out, "reused; nothing in its key has changed since {by} created the result")
        }
        Explanation::Adopted => {
            writeln!(out, "not run: another run created its result while this one waited")
        }
        Explanation::First => writeln!(out, "ran; no earlier run of this pipeline has a result of it"),
        Explanation::Again { run } => {
            let why = match events.reason.as_deref() {
                Some("forced") => "it was forced",
                Some(_) => "its result was no longer in the store",
                None => "it was forced, or its result was no longer in the store",
            };
            writeln!(out, "ran although its key is the same as in run {run}: {why}")
        }
        Explanation::Changed { before, run, changes, causes } => {
            writeln!(out, "ran; changed since run {run} (key {}):", before.short())?;
            changes.iter().try_for_each(|change| writeln!(out, "    {change}"))?;
            causes.iter().try_for_each(|cause| write!(out, "{cause}"))
        }
        Explanation::NoRecord | Explanation::NoKey => {
            match &events.state {
                Some(StepState::Failed(error)) => writeln!(out, "failed: {}", error.trim_end())?,
                Some(StepState::Skipped(reason)) => writeln!(out, "skipped: {reason}")?,
                Some(StepState::Started) => writeln!(out, "started; the run ended before it did")?,
                None if step.outcome == "skipped" => {
                    writeln!(out, "skipped: only other steps were selected")?
                }
                _ => writeln!(out, "{}; no result is recorded", step.outcome)?,
            }
            events.reason.iter().try_for_each(|reason| writeln!(out, "    it ran because: {reason}"))
        }
    }
}

fn as_json(run: &RunFolder, step: &StepRecord, events: &StepEvents, explanation: &Explanation) -> Value {
    let (word, before, changes): (_, _, &[FieldChange]) = match explanation {
        Explanation::Reused { by } => ("reused", by.as_ref(), &[]),
        Explanation::Adopted => ("adopted", None, &[]),
        Explanation::First => ("first", None, &[]),
        Explanation::Changed { run, changes, .. } => ("changed", Some(run), changes),
        Explanation::Again { run } => ("again", Some(run), &[]),
        Explanation::NoRecord => ("no record", None, &[]),
        Explanation::NoKey => ("no key", None, &[]),
    };
    let causes: &[Cause] = match explanation {
        Explanation::Changed { causes, .. } => causes,
        _ => &[],
    };
    let error = match &events.state {
        Some(StepState::Failed(error) | StepState::Skipped(error)) => Some(error),
        _ => None,
    };
    json!({
        "step": step.name, "run": run.id(), "key": step.key, "outcome": step.outcome,
        "why": word, "compared_with": before, "changes": changes, "causes": causes, "reason": events.reason,
        "error": error,
    })
}

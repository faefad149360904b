//! `logs STEP`: what a step wrote, in the run that did its work.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use igpt_contract::counted;

use super::error::CliError;
use super::follow::follow;
use super::history::{Found, StepArgs, find, record_of, steps_of};
use super::log_files::{attempts, put};
use crate::report::clean::one_line;
use crate::store::{RunFolder, StepRecord, Store};

/// Whose logs, and how.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    #[command(flatten)]
    pub(super) step: StepArgs,
    /// Print the log of attempt N, counted from 1 [default: the last].
    #[arg(long, value_name = "N")]
    pub(super) attempt: Option<u32>,
    /// Print the bytes unchanged. By default control characters are removed, and an overwritten line
    /// shows only its last state.
    #[arg(long)]
    pub(super) raw: bool,
    /// Print only the last N lines.
    #[arg(long, value_name = "N")]
    pub(super) tail: Option<usize>,
    /// Print new output as it is written, until the step ends.
    #[arg(long, short, conflicts_with = "attempt")]
    pub(super) follow: bool,
}

/// Prints the logs of the steps that `args` means; of a reused step, the log of the run that made it.
pub(super) fn logs(store: &Path, json: bool, args: &LogArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let found = find(&store, &args.step)?;
    if args.follow {
        return follow_one(&store, json, &found, args, out);
    }
    let mut all = Vec::new();
    for step in &found.steps {
        let logs = logs_of(&store, &found.run, step);
        let log = match args.attempt {
            None => logs.last(),
            Some(attempt) => (attempt as usize).checked_sub(1).and_then(|n| logs.get(n)),
        };
        if json {
            let log = log.map(|path| path.to_string_lossy());
            all.push(json!({"step": step.name, "run": found.run.id(), "log": log, "attempts": logs.len()}));
            continue;
        }
        if found.steps.len() > 1 {
            writeln!(out, "==> {} <==", one_line(&step.name))?;
        }
        match (log, args.attempt) {
            (Some(path), _) => copy(path, args, out)?,
            (None, Some(attempt)) if !logs.is_empty() => {
                let (there, were) =
                    (counted(logs.len(), "attempt"), if logs.len() == 1 { "was" } else { "were" });
                let what =
                    format!("`{}` has no attempt {attempt}: there {were} {there}", one_line(&step.name));
                return Err(CliError::usage(what));
            }
            (None, _) => writeln!(out, "`{}` has no log: {}", step.name, step.outcome)?,
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

/// Follows the log of the one step that is meant.
fn follow_one(
    store: &Store,
    json: bool,
    found: &Found,
    args: &LogArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let usage = |what: &str, hint: String| CliError::Usage { what: what.to_owned(), hint: Some(hint) };
    if json {
        return Err(usage("--follow prints a log, which is not JSON", "use only one of them".to_owned()));
    }
    let [step] = &found.steps[..] else {
        let names: Vec<&str> = found.steps.iter().map(|step| step.name.as_str()).collect();
        return Err(usage("--follow takes one step", format!("name one of {}", names.join(", "))));
    };
    if args.step.run.is_none()
        && let Some(run) = begun_since(store, found)?
    {
        let step = StepRecord { key: None, outcome: "not begun".to_owned(), ..step.clone() };
        return follow(store, &run, &step, None, args.raw, out);
    }
    let logs = logs_of(store, &found.run, step);
    let from = match logs.last() {
        None => None,
        Some(path) => {
            let length = path.metadata().map_err(CliError::file("read", path))?.len();
            Some((path.clone(), copy_until(path, length, args, out)?))
        }
    };
    follow(store, &found.run, step, from, args.raw, out)
}

/// A later run of the same pipeline, which goes on and has not come to the step.
fn begun_since(store: &Store, found: &Found) -> Result<Option<RunFolder>, CliError> {
    let Some(latest) = store.runs()?.pop() else { return Ok(None) };
    let is_later = latest.id() > found.run.id();
    let goes_on = || latest.record().is_none() && store.is_in_use();
    Ok((is_later && goes_on() && steps_of(&latest).0 == found.pipeline).then_some(latest))
}

/// Copies a log, or its last lines.
fn copy(path: &Path, args: &LogArgs, out: &mut dyn Write) -> Result<(), CliError> {
    copy_until(path, u64::MAX, args, out).map(drop)
}

/// The same as far as it is written, without a line that has not ended; answers how far it came.
fn copy_until(path: &Path, length: u64, args: &LogArgs, out: &mut dyn Write) -> Result<u64, CliError> {
    let log = File::open(path).map_err(CliError::file("read", path))?;
    let mut log = BufReader::new(log.take(length));
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    let mut done = 0;
    loop {
        let mut line = Vec::new();
        let read = log.read_until(b'\n', &mut line).map_err(CliError::file("read", path))?;
        let is_whole = length == u64::MAX || line.ends_with(b"\n");
        if read == 0 || !is_whole {
            break;
        }
        done += read as u64;
        match args.tail {
            None => put(&line, args.raw, out)?,
            Some(most) => {
                kept.push_back(line);
                if kept.len() > most {
                    kept.pop_front();
                }
            }
        }
    }
    kept.iter().try_for_each(|line| put(line, args.raw, out))?;
    Ok(done)
}

/// The logs of a step's attempts, the first one's first; none where it was not begun.
fn logs_of(store: &Store, run: &RunFolder, step: &StepRecord) -> Vec<PathBuf> {
    let own = attempts(run, step);
    if !own.is_empty() {
        return own;
    }
    let made = || {
        let record = record_of(store, step)?;
        let maker = store.run(&record.run).ok()?;
        // The step may have had another name in the run that made it.
        let (_, steps) = steps_of(&maker);
        let there = steps.iter().find(|other| other.name == record.step)?;
        Some(attempts(&maker, there))
    };
    made().unwrap_or_default()
}

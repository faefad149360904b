//! `logs STEP`: what a step wrote, in the run that did its work.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::error::CliError;
use super::history::{StepArgs, find, record_of, steps_of};
use crate::engine::logs::of_attempt;
use crate::report::clean::{last_state, one_line};
use crate::store::{RunFolder, StepRecord, Store};

/// Whose logs, and how.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    #[command(flatten)]
    pub(super) step: StepArgs,
    /// The log of this attempt, from 1 [default: the last one's].
    #[arg(long, value_name = "N")]
    pub(super) attempt: Option<u32>,
    /// The bytes as they are: without this, control characters are left out, and of a line that was
    /// written over the last state is shown.
    #[arg(long)]
    pub(super) raw: bool,
}

/// Prints the logs of the steps that `args` means; of a reused step, the log of the run that made it.
pub(super) fn logs(store: &Path, json: bool, args: &LogArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let found = find(&store, &args.step)?;
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
            (Some(path), _) => copy(path, args.raw, out)?,
            (None, Some(attempt)) if !logs.is_empty() => {
                writeln!(out, "`{}` has no attempt {attempt}: there were {}", step.name, logs.len())?;
            }
            (None, _) => writeln!(out, "`{}` has no log: {}", step.name, step.outcome)?,
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

/// Copies a log; whether reading or writing failed is told apart.
fn copy(path: &Path, raw: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let mut log = BufReader::new(File::open(path).map_err(CliError::file("read", path))?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if log.read_until(b'\n', &mut line).map_err(CliError::file("read", path))? == 0 {
            return Ok(());
        }
        if raw {
            out.write_all(&line)?;
        } else {
            writeln!(out, "{}", last_state(&String::from_utf8_lossy(&line)))?;
        }
    }
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

fn attempts(run: &RunFolder, step: &StepRecord) -> Vec<PathBuf> {
    let folder = run.logs_dir();
    let log = |attempt| folder.join(format!("{}.log", of_attempt(&step.log, attempt)));
    (1..).map(log).take_while(|path| path.is_file()).collect()
}

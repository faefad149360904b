//! `logs STEP`: what a step wrote, in the run that did its work.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::CliError;
use super::history::{StepArgs, find, record_of, steps_of};
use crate::store::{RunFolder, StepRecord, Store};

/// Prints the logs of the steps that `args` means; of a reused step, the log of the run that made it.
pub(super) fn logs(store: &Path, json: bool, args: &StepArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let found = find(&store, args)?;
    let mut all = Vec::new();
    for step in &found.steps {
        let log = log_of(&store, &found.run, step);
        if json {
            all.push(json!({"step": step.name, "run": found.run.id(), "log": log}));
            continue;
        }
        if found.steps.len() > 1 {
            writeln!(out, "==> {} <==", step.name)?;
        }
        match log {
            Some(path) => copy(&path, out)?,
            None => writeln!(out, "`{}` has no log: {}", step.name, step.outcome)?,
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

/// Copies a log; whether reading or writing failed is told apart.
fn copy(path: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    let mut log = BufReader::new(File::open(path).map_err(CliError::file("read", path))?);
    loop {
        let block = log.fill_buf().map_err(CliError::file("read", path))?;
        if block.is_empty() {
            return Ok(());
        }
        out.write_all(block)?;
        let written = block.len();
        log.consume(written);
    }
}

fn log_of(store: &Store, run: &RunFolder, step: &StepRecord) -> Option<PathBuf> {
    let own = run.log_path(step);
    if own.is_file() {
        return Some(own);
    }
    let record = record_of(store, step)?;
    let maker = store.run(&record.run).ok()?;
    // The step may have had another name in the run that made it.
    let (_, steps) = steps_of(&maker);
    let there = steps.iter().find(|other| other.name == record.step)?;
    Some(maker.log_path(there)).filter(|path| path.is_file())
}

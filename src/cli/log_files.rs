//! The log files of a step's attempts, and how their lines are printed.

use std::io::Write;
use std::path::PathBuf;

use super::error::CliError;
use crate::report::clean::last_state;
use crate::store::{RunFolder, StepRecord};

/// Prints a line of a log: as it is, or as a terminal would leave it.
pub(super) fn put(line: &[u8], raw: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if raw {
        out.write_all(line)?;
    } else {
        writeln!(out, "{}", last_state(&String::from_utf8_lossy(line)))?;
    }
    Ok(())
}

/// The logs of a step's attempts in a run, the first one's first.
pub(super) fn attempts(run: &RunFolder, step: &StepRecord) -> Vec<PathBuf> {
    crate::history::attempts(run, &step.log)
}

//! `worker JOB`: the worker's side of a stage step.

use std::path::Path;

use super::error::CliError;
use crate::{execute, registry};

/// Does one job and reports on standard output.
pub(super) fn worker(job: &Path) -> Result<(), CliError> {
    // Ctrl-C is for the orchestrator, which tells its workers by closing their input.
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    Ok(execute::process::worker(job, registry::find, std::io::stdout())?)
}

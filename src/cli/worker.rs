//! `worker JOB`: the worker's side of a stage step.

use std::path::Path;

use super::error::CliError;
use crate::{execute, machine, registry};

/// Does one job and reports on standard output.
pub(super) fn worker(job: &Path) -> Result<(), CliError> {
    // Signals to the whole group (Ctrl-C, a cluster's end of a job) are for the orchestrator, which
    // tells its workers by closing their input: then they write a checkpoint.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    machine::raise_file_limit();
    Ok(execute::process::worker(job, registry::find, std::io::stdout())?)
}

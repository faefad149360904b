//! `worker`: the worker's side of a stage step.

use super::error::CliError;
use crate::{execute, machine, registry};

/// Does the job that standard input describes, and reports on standard output.
pub(super) fn worker() -> Result<(), CliError> {
    // Signals to the whole group (Ctrl-C, a cluster's end of a job) are for the orchestrator, which
    // tells its workers by closing their input: then they write a checkpoint.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    machine::adjust_limits();
    Ok(execute::worker::worker(registry::find, std::io::stdout())?)
}

//! `worker`: the worker's side of a stage step. `rank`: one of the processes that share such a step with it.

use std::process::ExitCode;

use super::error::CliError;
use crate::{execute, machine, registry};

/// Does the job that standard input describes, and reports on standard output.
pub(super) fn worker() -> Result<(), CliError> {
    prepare();
    Ok(execute::worker::worker(registry::find, std::io::stdout())?)
}

/// Does the share of a step that standard input describes.
pub(super) fn rank() -> Result<ExitCode, CliError> {
    prepare();
    let done = registry::serve_rank(std::io::stdin(), &mut std::io::stdout())?;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn prepare() {
    // Signals to the whole group (Ctrl-C, a cluster's end of a job) are for the orchestrator, which
    // tells its workers by closing their input: then they write a checkpoint.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    machine::adjust_limits();
}

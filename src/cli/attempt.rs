//! `attempt`: the node's side of steps that run on a cluster.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::CliError;
use super::run::begin_guards;
use crate::execute::slurm::task::Task;
use crate::registry;

/// Set by the cluster's TERM.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Does the jobs of one task of the cluster. It fails where the cluster or the store does; that a step has
/// failed is said in the store, and is no reason for the cluster to start it once more.
pub(super) fn attempt(batch: &Path) -> Result<(), CliError> {
    end_when_told();
    let number = std::env::var("SLURM_ARRAY_TASK_ID").ok().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| CliError::Usage {
        what: "`attempt` is started by Slurm, as a task of an array".to_owned(),
        hint: Some("`igpt-flow run FILE --executor slurm` submits it".to_owned()),
    })?;
    // Before the guards: they work in the folder that we are in.
    let Some(task) = Task::enter(batch, number) else { return Ok(()) };
    let guards = begin_guards()?;
    Ok(task.run(guards, &TOLD, registry::numerics)?)
}

/// However often it is told: the cluster has a KILL for those that do not listen.
fn end_when_told() {
    extern "C" fn told(_: libc::c_int) {
        TOLD.store(true, Ordering::Relaxed);
    }
    // SAFETY: the handler only stores a value.
    unsafe {
        let handler = told as extern "C" fn(libc::c_int) as libc::sighandler_t;
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::signal(signal, handler);
        }
    }
}

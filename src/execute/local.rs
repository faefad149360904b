//! The executor of a single machine: commands at once, stages in worker processes.

use super::Executor;
use super::command::run_command;
use super::guard::Guards;
use super::job::{Job, JobOutcome, JobWork, SignalSink};
use super::process::run_in_process;
use super::supervision::Supervision;

/// Runs everything on this machine.
#[derive(Debug)]
pub struct Local {
    guards: Guards,
}

impl Local {
    /// Runs everything under these guards.
    pub fn new(guards: Guards) -> Self {
        Self { guards }
    }
}

impl Executor for Local {
    fn execute(&self, job: &Job, watch: &Supervision<'_>, sink: SignalSink<'_>) -> JobOutcome {
        match job.work {
            JobWork::Stage { .. } => run_in_process(job, watch, sink, &self.guards),
            JobWork::Command { .. } => run_command(job, watch, sink, &self.guards),
        }
    }
}

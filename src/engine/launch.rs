//! One attempt at a step, on a thread of its own: its signals become events.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use igpt_contract::Signal;

use crate::event::{Event, Events};
use crate::execute::process::Watch;
use crate::execute::{Job, JobOutcome, Outlet};

/// Runs one job somewhere.
pub trait Executor: Sync {
    /// Runs the job to its end; signals go to `outlet` on the way.
    fn execute(&self, job: &Job, watch: &Watch<'_>, outlet: Outlet<'_>) -> JobOutcome;
}

/// One attempt, ready for a thread of its own.
pub(super) struct Launch {
    pub(super) job: Job,
    pub(super) log: PathBuf,
    pub(super) timeout: Option<Duration>,
}

impl Launch {
    pub(super) fn run(&self, executor: &dyn Executor, events: &Events, cancelled: &AtomicBool) -> JobOutcome {
        let step = &self.job.step;
        let outlet = |signal| {
            events.send(match signal {
                Signal::Progress { done, total, unit } => {
                    Event::StepProgressed { step: step.clone(), done, total, unit: unit.to_owned() }
                }
                Signal::Metric { name, x, value } => {
                    Event::MetricLogged { step: step.clone(), name, x, value }
                }
                Signal::Note(text) => Event::StepNoted { step: step.clone(), text },
            });
        };
        executor.execute(&self.job, &Watch { log: &self.log, timeout: self.timeout, cancelled }, &outlet)
    }
}

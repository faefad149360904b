//! One attempt at a step, on a thread of its own: its signals become events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use igpt_contract::Signal;

use crate::event::{Event, Events};
use crate::execute::process::Watch;
use crate::execute::{Executor, Failure, Job, JobOutcome};

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
                // Facts are for the record.
                Signal::Fact { .. } => return,
            });
        };
        let watch = Watch { log: &self.log, timeout: self.timeout, cancelled };
        // A bug of ours must fail its step: a thread that said nothing would be waited for for ever.
        catch_unwind(AssertUnwindSafe(|| executor.execute(&self.job, &watch, &outlet))).unwrap_or_else(|_| {
            JobOutcome::Failed(Failure {
                error: "the executor panicked; its message is on standard error".to_owned(),
                hint: Some("this is a bug of igpt-flow".to_owned()),
            })
        })
    }
}

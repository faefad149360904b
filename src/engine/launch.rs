//! One attempt at a step, on a thread of its own: its signals become events. And the steps that wait
//! for their next attempt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use igpt_contract::Signal;

use crate::event::{Event, Events};
use crate::execute::process::Watch;
use crate::execute::{Executor, Failure, Job, JobOutcome};
use crate::plan::StepId;

/// One attempt, ready for a thread of its own.
pub(super) struct Launch {
    pub(super) job: Job,
    pub(super) log: PathBuf,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
}

/// Steps that wait for their next attempt.
#[derive(Debug, Default)]
pub(super) struct Resting {
    until: Vec<(Instant, StepId)>,
    /// Whether the machine had no room for the last start. Until a running step has ended none is
    /// started.
    pub(super) full: bool,
}

impl Resting {
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Lets a step wait so long.
    pub(super) fn put(&mut self, step: StepId, pause: Duration) {
        self.until.push((Instant::now() + pause, step));
    }

    /// The steps that have waited long enough.
    pub(super) fn rested(&mut self) -> Vec<StepId> {
        let now = Instant::now();
        let rested = self.until.extract_if(.., |(until, _)| *until <= now);
        rested.map(|(_, step)| step).collect()
    }

    /// How long to wait for the next, `limit` at most.
    pub(super) fn next(&self, limit: Duration) -> Duration {
        let now = Instant::now();
        let waits = self.until.iter().map(|(until, _)| until.saturating_duration_since(now));
        waits.fold(limit, Duration::min)
    }
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
        let watch = Watch { log: &self.log, timeout: self.timeout, grace: self.grace, cancelled };
        // A bug of ours must fail its step: a thread that said nothing would be waited for for ever.
        catch_unwind(AssertUnwindSafe(|| executor.execute(&self.job, &watch, &outlet))).unwrap_or_else(|_| {
            JobOutcome::Failed(Failure {
                error: "the executor panicked; its message is on standard error".to_owned(),
                hint: Some("this is a bug of igpt-flow".to_owned()),
            })
        })
    }
}

/// The failure of an attempt that got no thread.
pub(super) fn no_thread(error: &std::io::Error) -> Failure {
    Failure {
        error: format!("cannot start a thread: {error}"),
        hint: Some("raise `ulimit -u` and `ulimit -v`, or run fewer steps at once (`--jobs`)".to_owned()),
    }
}

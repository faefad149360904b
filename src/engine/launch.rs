//! One attempt at a step, on a thread of its own: its signals become events. And the steps that wait
//! for their next attempt.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

use igpt_contract::Signal;

use super::sharing::Bring;
use crate::event::{Event, Events};
use crate::execute::{Executor, Failure, Job, JobOutcome, Supervision};
use crate::machine::has_address_space;
use crate::plan::StepId;

/// One attempt, ready for a thread of its own.
pub(super) struct Launch {
    pub(super) job: Job,
    /// Inputs that must come from the remote first.
    pub(super) bring: Option<Bring>,
    pub(super) log: PathBuf,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
}

/// Steps that wait for their next attempt.
#[derive(Debug, Default)]
pub(super) struct RetryQueue {
    until: Vec<(Instant, StepId)>,
    /// How many steps run at once at most, since the machine had no room for more.
    most: Option<usize>,
    /// How often there was no room for a step that ran alone.
    alone: u32,
    /// When the next step may start.
    from: Option<Instant>,
}

/// How often a step that runs alone is tried again where there is no room for it, and after which
/// time: what ended before it may take a moment to be gone.
const ALONE: u32 = 10;
const MOMENT: Duration = Duration::from_millis(200);

impl RetryQueue {
    /// Whether another step may start beside so many.
    pub(super) fn has_room(&self, running: usize) -> bool {
        self.most.is_none_or(|most| running < most) && self.from.is_none_or(|from| from <= Instant::now())
    }

    /// A step had no room beside `others`. Whether it is to be tried again: from now on no more than
    /// those run at once.
    pub(super) fn no_room(&mut self, step: StepId, others: usize) -> bool {
        self.alone = if others == 0 { self.alone + 1 } else { 0 };
        self.most = Some(self.most.map_or(others, |most| most.min(others)).max(1));
        let again = self.alone <= ALONE;
        if again {
            let from = Instant::now() + MOMENT;
            self.until.push((from, step));
            self.from = Some(from);
        }
        again
    }

    /// A step had room.
    pub(super) fn had_room(&mut self) {
        self.alone = 0;
    }

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
        let untils = self.until.iter().map(|(until, _)| *until);
        let waits = untils.chain(self.from.filter(|from| *from > now));
        waits.map(|until| until.saturating_duration_since(now)).fold(limit, Duration::min)
    }
}

impl Launch {
    pub(super) fn run(&self, executor: &dyn Executor, events: &Events, cancelled: &AtomicBool) -> JobOutcome {
        let step = &self.job.step;
        let sink = |signal| {
            events.send(match signal {
                Signal::Progress { done, total, unit } => {
                    Event::StepProgressed { step: step.clone(), done, total, unit: unit.to_owned() }
                }
                Signal::Metric { name, x, value } => {
                    Event::MetricLogged { step: step.clone(), name, x, value }
                }
                Signal::Note(text) => Event::StepNoted { step: step.clone(), text },
                // Facts are for the record, and the log is written where the work is done.
                Signal::Fact { .. } | Signal::Log(_) => return,
            });
        };
        if let Some(outcome) = self.bring.as_ref().and_then(Bring::run) {
            return outcome;
        }
        let state = |standing| events.send(Event::StepMoved { step: step.clone(), standing });
        let watch = Supervision {
            log: &self.log,
            timeout: self.timeout,
            grace: self.grace,
            cancelled,
            state: &state,
        };
        // A bug of ours must fail its step: a thread that said nothing would be waited for for ever.
        catch_unwind(AssertUnwindSafe(|| executor.execute(&self.job, &watch, &sink))).unwrap_or_else(|_| {
            JobOutcome::Failed(Failure {
                error: "the executor panicked; its message is on standard error".to_owned(),
                hint: Some("this is a bug of igpt-flow".to_owned()),
            })
        })
    }
}

/// Starts the thread of an attempt.
///
/// # Errors
/// Where the system has no room for one, or not enough for what it does at its start, where a thread
/// panics instead.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    attempt: impl FnOnce() + Send + 'scope,
) -> io::Result<()> {
    /// Its stack, the stack for its signals, and what it allocates first.
    const THREAD: usize = 16 << 20;
    if !has_address_space(THREAD) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    Builder::new().spawn_scoped(scope, attempt).map(drop)
}

/// The failure of an attempt that got no thread.
pub(super) fn no_thread(error: &io::Error) -> Failure {
    Failure {
        error: format!("cannot start a thread: {error}"),
        hint: Some("raise `ulimit -u` and `ulimit -v`, or run fewer steps at once (`--jobs`)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;
    use crate::engine::run;
    use crate::engine::testing::{self, AtOnce};
    use crate::event::{Dispatcher, RunStatus};
    use crate::execute::SignalSink;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;
    use crate::store::{Caches, Store};

    #[test]
    fn want_of_room_slows_a_run_and_ends_it_only_at_last() {
        let mut resting = RetryQueue::default();
        let room = |resting: &mut RetryQueue, running| {
            assert!(!resting.has_room(0), "not at once");
            resting.from = None;
            resting.has_room(running)
        };
        assert!(resting.has_room(1000));
        assert!(resting.no_room(7, 3) && !resting.is_empty());
        assert!(room(&mut resting, 2) && !resting.has_room(3));
        assert!(resting.no_room(7, 0));
        assert!(room(&mut resting, 0) && !resting.has_room(1));
        assert!((1..ALONE).all(|_| resting.no_room(7, 0)));
        assert!(!resting.no_room(7, 0), "it never has room");
    }

    #[test]
    fn a_step_that_has_rested_may_start() {
        let mut resting = RetryQueue::default();
        assert!(resting.no_room(7, 0));
        while resting.rested().is_empty() {}
        assert!(resting.has_room(0));
    }

    /// Has no room for a step the first time.
    #[derive(Default)]
    struct Crowded(Mutex<BTreeSet<String>>);

    impl Executor for Crowded {
        fn execute(&self, job: &Job, watch: &Supervision<'_>, sink: SignalSink<'_>) -> JobOutcome {
            if self.0.lock().unwrap().insert(job.step.clone()) {
                return JobOutcome::Exhausted(no_thread(&io::Error::from_raw_os_error(libc::EAGAIN)));
            }
            AtOnce.execute(job, watch, sink)
        }
    }

    #[test]
    fn a_run_on_a_crowded_machine_leaves_no_step_out() {
        let dir = tempfile::tempdir().unwrap();
        let yaml = "stages:\n  a: {uses: command, with: {run: x}}\n  b: {uses: command, in: {x: a.out}, with: {run: x}}\n  c: {uses: command, with: {run: y}}\n";
        let plan = planned(yaml, &Overrides::default()).unwrap();
        let store = Store::open(&dir.path().join("artifacts")).unwrap();
        let caches = RefCell::new(Caches::open(&store));
        let dispatcher = Dispatcher::start(Vec::new(), Default::default()).unwrap();
        let (options, crowded) = (testing::options(dir.path()), Crowded::default());
        let cancelled = AtomicBool::new(false);
        let done = run(&plan, &store, &caches, &options, &crowded, &dispatcher.events(), &cancelled).unwrap();
        dispatcher.finish();
        assert_eq!((done.executed, done.status), (3, RunStatus::Succeeded));
    }
}

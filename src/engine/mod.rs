//! The run: the one place that sees whether, when, how and what is kept.
//!
//! A loop: settle every step that the schedule offers (reuse it or queue it), start what fits,
//! wait for the next result.

mod attempt_end;
pub mod audit;
mod compare;
pub mod estimate;
pub mod export;
pub mod forecast;
pub mod glob;
mod launch;
pub mod logs;
mod material;
mod offer;
mod options;
pub mod preflight;
mod rebuild_reason;
pub mod resolve;
mod restore;
mod same_work;
mod scheduling;
pub mod search;
mod sharing;
#[cfg(test)]
mod testing;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use igpt_contract::Digest;

use crate::event::{Event, Events, RunStatus};
use crate::execute::{Executor, Job, JobOutcome};
use crate::plan::{Plan, PlannedStep, StepId};
use crate::schedule::{Outcome, Schedule};
use crate::store::{Artifact, Caches, Store, StoreError};
use audit::Audit;
use launch::RetryQueue;
pub use options::{Node, Nodes, Options, Summary};
use resolve::{Resolver, Results};
use same_work::SameWork;

/// A message from an attempt's thread.
struct AttemptEnded {
    step: StepId,
    outcome: JobOutcome,
}

struct Run<'a> {
    resolver: Resolver<'a>,
    options: &'a Options,
    events: &'a Events,
    schedule: Schedule,
    results: Results,
    /// Steps whose outputs somebody needs, and how often that made them run again.
    restored: BTreeMap<StepId, u32>,
    /// Steps whose inputs had to be brought from the remote again, and how often.
    brought: BTreeMap<StepId, u32>,
    /// Export -> where it is and what, once it is settled; none where it failed.
    exported: BTreeMap<usize, Option<(PathBuf, Artifact)>>,
    /// Running steps one of whose inputs was made anew meanwhile, with other bytes.
    outdated: BTreeSet<StepId>,
    jobs: BTreeMap<StepId, (Job, String)>,
    attempts: BTreeMap<StepId, u32>,
    retries: RetryQueue,
    /// Candidate -> its search.
    searches: BTreeMap<StepId, usize>,
    counts: Counts,
    same_work: SameWork,
    /// Whether steps were left out because the run was stopped.
    stopped_early: bool,
    /// What is audited, where this run is an audit.
    audit: Option<Audit>,
}

#[derive(Debug, Default)]
struct Counts {
    executed: BTreeSet<StepId>,
    /// Some of them may have run after all, when their outputs were needed and gone.
    reused: BTreeSet<StepId>,
    failed: usize,
    skipped: usize,
}

impl Counts {
    /// How many steps did work, and how many were there already.
    fn done(&self) -> (usize, usize) {
        (self.executed.len(), self.reused.difference(&self.executed).count())
    }
}

/// Runs a plan to its end.
///
/// # Errors
/// Only if the store is unusable; a failing step is in the summary.
pub fn run(
    plan: &Plan,
    store: &Store,
    caches: &RefCell<Caches>,
    options: &Options,
    executor: &dyn Executor,
    events: &Events,
    cancelled: &AtomicBool,
) -> Result<Summary, StoreError> {
    let started = Instant::now();
    store.sweep_work()?;
    let mut run = prepare(plan, store, caches, options, events);
    loop {
        run.execute(executor, cancelled)?;
        let gone = run.export();
        if gone.is_empty() || cancelled.load(Ordering::Relaxed) {
            break;
        }
        for step in gone {
            run.restore(step);
        }
    }
    run.note_quarantined();
    run.finish_sharing();
    let status = match (cancelled.load(Ordering::Relaxed), run.counts.failed) {
        (true, _) => RunStatus::Interrupted,
        // Whatever stopped it: a run that left steps out has not succeeded.
        (false, 0) if !run.stopped_early => RunStatus::Succeeded,
        (false, _) => RunStatus::Failed,
    };
    let (executed, reused) = run.counts.done();
    let Counts { failed, skipped, .. } = run.counts;
    let wall_s = started.elapsed().as_secs_f64();
    events.send(Event::RunFinished { status, executed, reused, failed, skipped, wall_s });
    let steps = plan.steps.iter().enumerate().map(|(id, step)| {
        let outcome = run.schedule.outcome(id).unwrap_or(Outcome::Skipped);
        (step.name.clone(), outcome, run.results.keys.get(&id).copied())
    });
    let exports = run.exported.into_values().flatten().collect();
    Ok(Summary { status, steps: steps.collect(), executed, reused, exports, outputs: run.results.steps })
}

/// A run that has begun: nothing is looked up yet.
fn prepare<'a>(
    plan: &'a Plan,
    store: &'a Store,
    caches: &'a RefCell<Caches>,
    options: &'a Options,
    events: &'a Events,
) -> Run<'a> {
    let wanted = scheduling::wanted(plan, &options.targets);
    let run = Run {
        schedule: scheduling::schedule(plan, &wanted, options),
        resolver: Resolver::new(plan, store, caches, &options.folder, &options.numerics)
            .off_disk(options.off_disk)
            .on(options.nodes.as_deref())
            .with_remote(options.remote.as_deref()),
        options,
        events,
        results: Results::default(),
        restored: BTreeMap::new(),
        brought: BTreeMap::new(),
        exported: BTreeMap::new(),
        outdated: BTreeSet::new(),
        jobs: BTreeMap::new(),
        attempts: BTreeMap::new(),
        retries: RetryQueue::default(),
        searches: scheduling::candidates(plan),
        counts: Counts::default(),
        same_work: SameWork::default(),
        stopped_early: false,
        audit: None,
    };
    events.send(Event::RunStarted {
        run: options.run.clone(),
        pipeline: plan.name.clone(),
        store: store.root().to_path_buf(),
        steps: wanted.iter().filter(|wanted| **wanted).count(),
    });
    run.note_shortages(&wanted);
    run
}

impl<'a> Run<'a> {
    fn execute(&mut self, executor: &dyn Executor, cancelled: &AtomicBool) -> Result<(), StoreError> {
        let (sender, ended): (Sender<AttemptEnded>, Receiver<AttemptEnded>) = channel();
        let mut is_told = false;
        std::thread::scope(|scope| {
            loop {
                while let Some(step) = self.schedule.next_offer() {
                    self.offer(step)?;
                }
                if cancelled.load(Ordering::Relaxed) {
                    self.schedule.stop();
                } else if self.schedule.is_stopped() && !std::mem::replace(&mut is_told, true) {
                    executor.drop_waiting();
                }
                for step in self.retries.rested() {
                    self.schedule.queue(step);
                }
                while self.retries.has_room(self.schedule.running())
                    && let Some(step) = self.schedule.next_start()
                {
                    let Some(launch) = self.launch(step) else { continue };
                    let (sender, events) = (sender.clone(), self.events.clone());
                    let attempt = move || {
                        let outcome = launch.run(executor, &events, cancelled);
                        // The loop below outlives every attempt.
                        let _ = sender.send(AttemptEnded { step, outcome });
                    };
                    if let Err(error) = launch::start(scope, attempt) {
                        self.on_attempt_end(step, JobOutcome::Exhausted(launch::no_thread(&error)))?;
                    }
                }
                // Whether a queued step may start is a matter of time: that it has not does not end the run.
                let is_done = self.retries.is_empty() && !self.schedule.has_queued();
                if self.schedule.running() == 0 && (is_done || self.schedule.is_stopped()) {
                    break;
                }
                // Woken now and then, so that an interrupt is seen while steps run.
                match ended.recv_timeout(self.retries.next(Duration::from_millis(100))) {
                    Ok(AttemptEnded { step, outcome }) => self.on_attempt_end(step, outcome)?,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                }
                self.note_quarantined();
                self.note_remote();
            }
            let rest = self.schedule.skip_rest();
            debug_assert!(rest.is_empty() || self.schedule.is_stopped(), "steps were forgotten: {rest:?}");
            for step in rest {
                self.send_skipped(step, "the run was stopped");
                self.stopped_early = true;
            }
            Ok(())
        })
    }

    fn plan(&self) -> &'a Plan {
        self.resolver.plan
    }

    fn step(&self, step: StepId) -> &'a PlannedStep {
        &self.plan().steps[step]
    }

    /// Says which steps ask for more than there is: they run all the same.
    fn note_shortages(&self, wanted: &[bool]) {
        if self.options.nodes.is_some() {
            // The cluster says itself what it has not.
            return;
        }
        for (step, _) in self.plan().steps.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            for text in scheduling::shortages(step.resources, self.options.budget) {
                self.events.send(Event::StepNoted { step: step.name.clone(), text });
            }
        }
    }

    /// Keeps the step's key for `explain`, which compares it with the one before.
    fn remember(&self, id: StepId, key: Digest) {
        if self.audit.is_some() {
            return;
        }
        self.resolver.caches.borrow_mut().remember(&self.plan().name, &self.step(id).name, key);
    }

    fn log(&self, id: StepId) -> PathBuf {
        let attempt = self.attempts.get(&id).copied().unwrap_or(1);
        let name = logs::of_attempt(&logs::file_name(&self.step(id).name), attempt);
        self.options.logs.join(format!("{name}.log"))
    }
}

/// The folder of a pipeline file, for the paths in it.
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

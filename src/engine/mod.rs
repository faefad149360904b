//! The run: the one place that sees whether, when, how and what is kept.
//!
//! A loop: settle every step that the schedule offers (reuse it or queue it), start what fits,
//! wait for the next result.

pub mod audit;
mod compare;
mod ended;
pub mod estimate;
pub mod export;
pub mod forecast;
pub mod glob;
mod launch;
pub mod logs;
mod order;
pub mod preflight;
mod remake;
pub mod resolve;
pub mod search;
#[cfg(test)]
mod testing;
mod why;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use igpt_contract::Digest;

use crate::event::{Event, Events, RunStatus};
use crate::execute::{Executor, Failure, Job, JobOutcome};
use crate::plan::{Plan, PlannedStep, StepId};
use crate::rebuild::{Reason, Rebuild, decide};
use crate::schedule::{Budget, OnFailure, Outcome, Schedule};
use crate::store::{Artifact, Files, Store, StoreError};
use audit::{Audit, Verdict};
use launch::{Launch, Resting};
use resolve::{Made, Resolver, job_work};

/// How a run is to go.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run's id.
    pub run: String,
    /// The folder that paths in the pipeline are relative to.
    pub folder: PathBuf,
    /// Where the logs of steps go.
    pub logs: PathBuf,
    /// What may be used at once.
    pub budget: Budget,
    /// What a failure stops.
    pub on_failure: OnFailure,
    /// Steps (names in the YAML, or of single instances) that run although there is a record.
    pub force: BTreeSet<String>,
    /// Steps that are wanted, with all above them; empty: every step.
    pub targets: BTreeSet<String>,
    /// The device for stages that ask for one.
    pub device: String,
    /// The numerics class of that device.
    pub numerics: String,
    /// Whether the network is forbidden.
    pub offline: bool,
    /// Whether exports replace what is the user's, keeping it beside.
    pub overwrite: bool,
    /// Whether scratch folders of failed attempts are kept.
    pub keep_failed: bool,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How it ended.
    pub status: RunStatus,
    /// Step name -> what became of it, and its key where it is known.
    pub steps: Vec<(String, Outcome, Option<Digest>)>,
    /// How many steps did work.
    pub executed: usize,
    /// How many were there already.
    pub reused: usize,
    /// What was made, by step.
    pub made: BTreeMap<StepId, BTreeMap<String, Artifact>>,
    /// The exports that are in place: where, and what.
    pub exports: Vec<(PathBuf, Artifact)>,
}

/// A message from an attempt's thread.
struct Ended {
    step: StepId,
    outcome: JobOutcome,
}

struct Run<'a> {
    resolver: Resolver<'a>,
    options: &'a Options,
    events: &'a Events,
    schedule: Schedule,
    made: Made,
    /// Steps whose outputs somebody needs, and how often that made them run again.
    needed: BTreeMap<StepId, u32>,
    /// Export -> where it is and what, once it is settled; none where it failed.
    exported: BTreeMap<usize, Option<(PathBuf, Artifact)>>,
    /// Running steps one of whose inputs was made anew meanwhile, with other bytes.
    outdated: BTreeSet<StepId>,
    jobs: BTreeMap<StepId, (Job, String)>,
    attempts: BTreeMap<StepId, u32>,
    resting: Resting,
    /// Candidate -> its search.
    searches: BTreeMap<StepId, usize>,
    counts: Counts,
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
    files: &RefCell<Files>,
    options: &Options,
    executor: &dyn Executor,
    events: &Events,
    cancelled: &AtomicBool,
) -> Result<Summary, StoreError> {
    let started = Instant::now();
    store.sweep_work()?;
    let mut run = prepare(plan, store, files, options, events);
    loop {
        run.finish(executor, cancelled)?;
        let gone = run.export();
        if gone.is_empty() || cancelled.load(Ordering::Relaxed) {
            break;
        }
        for step in gone {
            run.need(step);
        }
    }
    run.say_what_was_set_aside();
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
        (step.name.clone(), outcome, run.made.keys.get(&id).copied())
    });
    let exports = run.exported.into_values().flatten().collect();
    Ok(Summary { status, steps: steps.collect(), executed, reused, exports, made: run.made.steps })
}

/// A run that has begun: nothing is looked up yet.
fn prepare<'a>(
    plan: &'a Plan,
    store: &'a Store,
    files: &'a RefCell<Files>,
    options: &'a Options,
    events: &'a Events,
) -> Run<'a> {
    let wanted = order::wanted(plan, &options.targets);
    let run = Run {
        schedule: order::schedule(plan, &wanted, options),
        resolver: Resolver::new(plan, store, files, &options.folder, &options.numerics),
        options,
        events,
        made: Made::default(),
        needed: BTreeMap::new(),
        exported: BTreeMap::new(),
        outdated: BTreeSet::new(),
        jobs: BTreeMap::new(),
        attempts: BTreeMap::new(),
        resting: Resting::default(),
        searches: order::candidates(plan),
        counts: Counts::default(),
        stopped_early: false,
        audit: None,
    };
    events.send(Event::RunStarted {
        run: options.run.clone(),
        pipeline: plan.name.clone(),
        store: store.root().to_path_buf(),
        steps: wanted.iter().filter(|wanted| **wanted).count(),
    });
    run.say_what_lacks(&wanted);
    run
}

impl<'a> Run<'a> {
    fn finish(&mut self, executor: &dyn Executor, cancelled: &AtomicBool) -> Result<(), StoreError> {
        let (sender, ended): (Sender<Ended>, Receiver<Ended>) = channel();
        std::thread::scope(|scope| {
            loop {
                while let Some(step) = self.schedule.next_offer() {
                    self.offer(step)?;
                }
                if cancelled.load(Ordering::Relaxed) {
                    self.schedule.stop();
                }
                for step in self.resting.rested() {
                    self.schedule.queue(step);
                }
                while self.resting.has_room(self.schedule.running())
                    && let Some(step) = self.schedule.next_start()
                {
                    let Some(launch) = self.launch(step) else { continue };
                    let (sender, events) = (sender.clone(), self.events.clone());
                    let attempt = move || {
                        let outcome = launch.run(executor, &events, cancelled);
                        // The loop below outlives every attempt.
                        let _ = sender.send(Ended { step, outcome });
                    };
                    if let Err(error) = launch::start(scope, attempt) {
                        self.ended(step, JobOutcome::NoRoom(launch::no_thread(&error)))?;
                    }
                }
                // Whether a queued step may start is a matter of time: that it has not does not end the run.
                let is_done = self.resting.is_empty() && !self.schedule.has_queued();
                if self.schedule.running() == 0 && (is_done || self.schedule.is_stopped()) {
                    break;
                }
                // Woken now and then, so that an interrupt is seen while steps run.
                match ended.recv_timeout(self.resting.next(Duration::from_millis(100))) {
                    Ok(Ended { step, outcome }) => self.ended(step, outcome)?,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                }
                self.say_what_was_set_aside();
            }
            let rest = self.schedule.skip_rest();
            debug_assert!(rest.is_empty() || self.schedule.is_stopped(), "steps were forgotten: {rest:?}");
            for step in rest {
                self.say_skipped(step, "the run was stopped");
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

    /// Everything that the step reads is settled: reuse it, or queue it.
    fn offer(&mut self, id: StepId) -> Result<(), StoreError> {
        let step = self.step(id);
        let (material, inputs) = match self.resolver.resolve(step, &self.made) {
            Ok(resolved) => resolved,
            Err(error) => return self.cannot_resolve(id, error),
        };
        let key = material.key();
        self.made.keys.insert(id, key);
        let forced = [&step.name, &step.base].iter().any(|name| self.options.force.contains(*name));
        let rebuild = match (self.is_audited(id), forced, self.needed.contains_key(&id)) {
            (true, ..) => Rebuild::Verify,
            (_, true, _) => Rebuild::Always,
            (_, _, true) => Rebuild::Restore,
            _ => Rebuild::Memoize,
        };
        let store = self.resolver.store;
        let is_there =
            |outputs: &BTreeMap<String, Artifact>| outputs.values().all(|artifact| store.contains(artifact));
        let recorded = self.recorded(step, &key);
        if let Some(outputs) = recorded.as_ref().filter(|_| rebuild == Rebuild::Verify) {
            // What is below it gets what is recorded, whatever comes of the audit.
            self.made.steps.insert(id, outputs.clone());
        }
        match decide(rebuild, || recorded, is_there) {
            ControlFlow::Continue(Reason::NoRecord) if self.audit.is_some() => {
                self.note_verdict(id, Verdict::NotAudited { why: "it has no result".to_owned() });
                self.settle(id, Outcome::Skipped)
            }
            ControlFlow::Break(outputs) => {
                self.counts.reused.insert(id);
                self.events.send(Event::StepReused { step: step.name.clone(), key });
                self.remember(id, key);
                self.done(id, outputs)
            }
            ControlFlow::Continue(reason) => {
                match self.gone_inputs(id) {
                    Err(error) => return self.fail(id, &error.into()),
                    Ok(gone) if self.audit.is_some() && !gone.is_empty() => {
                        let why = "what it reads is not in the store any more".to_owned();
                        self.note_verdict(id, Verdict::NotAudited { why });
                        return self.settle(id, Outcome::Done);
                    }
                    // It waits until they are there again.
                    Ok(gone) if self.need_all(&gone) => return Ok(()),
                    Ok(gone) if !gone.is_empty() => return self.fail(id, &lost(self.step(id))),
                    Ok(_) => {}
                }
                let reason = match reason {
                    Reason::Forced => "forced".to_owned(),
                    Reason::Verified => "to compare it with its record".to_owned(),
                    Reason::NotThere => "its outputs are needed and not in the store any more".to_owned(),
                    Reason::NoRecord => why::why(why::last_record(&self.resolver, step).as_ref(), &material),
                };
                let job = Job {
                    store: self.audit.as_ref().map_or(store, |audit| &audit.scratch).root().to_path_buf(),
                    inputs_in: self.audit.as_ref().map(|_| store.root().to_path_buf()),
                    key,
                    material,
                    pipeline: self.plan().name.clone(),
                    step: step.name.clone(),
                    run: self.options.run.clone(),
                    work: job_work(&step.work),
                    inputs,
                    outputs: step.work.output_kinds().into_keys().collect(),
                    threads: self.schedule.cpus_of(id) as usize,
                    gpus: Vec::new(),
                    device: self.options.device.clone(),
                    offline: self.options.offline,
                    force: forced,
                    keep_failed: self.options.keep_failed,
                };
                self.jobs.insert(id, (job, reason));
                self.schedule.queue(id);
                Ok(())
            }
        }
    }

    /// An input cannot be looked up: it is made again where it is only gone.
    fn cannot_resolve(&mut self, id: StepId, error: StoreError) -> Result<(), StoreError> {
        let gone = match &error {
            StoreError::Missing { .. } => self.gone_inputs(id).unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        if self.need_all(&gone) { Ok(()) } else { self.fail(id, &error.into()) }
    }

    fn launch(&mut self, id: StepId) -> Option<Launch> {
        let (job, reason) = self.jobs.get(&id)?;
        let step = self.step(id);
        let attempt = *self.attempts.entry(id).and_modify(|n| *n += 1).or_insert(1);
        self.events.send(Event::StepStarted {
            step: step.name.clone(),
            key: job.key,
            reason: reason.clone(),
            attempt,
        });
        let job = Job { gpus: self.schedule.gpus_of(id).to_vec(), ..job.clone() };
        Some(Launch { job, log: self.log(id), timeout: step.timeout, grace: step.grace })
    }

    /// Says which steps ask for more than there is: they run all the same.
    fn say_what_lacks(&self, wanted: &[bool]) {
        for (step, _) in self.plan().steps.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            for text in order::lacks(step.resources, self.options.budget) {
                self.events.send(Event::StepNoted { step: step.name.clone(), text });
            }
        }
    }

    /// Keeps the step's key for `explain`, which compares it with the one before.
    fn remember(&self, id: StepId, key: Digest) {
        if self.audit.is_some() {
            return;
        }
        self.resolver.files.borrow_mut().remember(&self.plan().name, &self.step(id).name, key);
    }

    fn log(&self, id: StepId) -> PathBuf {
        let attempt = self.attempts.get(&id).copied().unwrap_or(1);
        let name = logs::of_attempt(&logs::file_name(&self.step(id).name), attempt);
        self.options.logs.join(format!("{name}.log"))
    }
}

/// What to say of a step whose inputs are lost again and again.
fn lost(step: &PlannedStep) -> Failure {
    Failure {
        error: format!("inputs of `{}` are not in the store, and making them again did not help", step.name),
        hint: Some("`igpt-flow verify` looks for damage; is the disk well?".to_owned()),
    }
}

/// The folder of a pipeline file, for the paths in it.
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

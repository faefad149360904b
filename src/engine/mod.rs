//! The run: the one place that sees whether, when, how and what is kept.
//!
//! A loop: settle every step that the schedule offers (reuse it or queue it), start what fits,
//! wait for the next result.

mod export;
pub mod forecast;
pub mod glob;
mod launch;
pub mod logs;
mod order;
pub mod preflight;
pub mod resolve;
pub mod search;
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
use crate::plan::{Plan, PlannedInput, PlannedStep, StepId};
use crate::rebuild::{Reason, Rebuild, decide};
use crate::schedule::{Budget, OnFailure, Outcome, Schedule};
use crate::store::{Artifact, Files, Store, StoreError};
use launch::Launch;
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
    keys: BTreeMap<StepId, Digest>,
    jobs: BTreeMap<StepId, (Job, String)>,
    attempts: BTreeMap<StepId, u32>,
    /// Candidate -> its search.
    searches: BTreeMap<StepId, usize>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    executed: usize,
    reused: usize,
    failed: usize,
    skipped: usize,
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
    let resolver = Resolver { plan, store, files, folder: &options.folder, numerics: &options.numerics };
    let wanted = order::wanted(plan, &options.targets);
    let mut run = Run {
        schedule: order::schedule(plan, &wanted, options),
        resolver,
        options,
        events,
        made: Made::default(),
        keys: BTreeMap::new(),
        jobs: BTreeMap::new(),
        attempts: BTreeMap::new(),
        searches: order::candidates(plan),
        counts: Counts::default(),
    };
    events.send(Event::RunStarted {
        run: options.run.clone(),
        pipeline: plan.name.clone(),
        store: store.root().to_path_buf(),
        steps: wanted.iter().filter(|wanted| **wanted).count(),
    });
    run.say_what_lacks(&wanted);
    run.finish(executor, cancelled)?;
    let exports = run.export();
    let status = match (cancelled.load(Ordering::Relaxed), run.counts.failed) {
        (true, _) => RunStatus::Interrupted,
        (false, 0) => RunStatus::Succeeded,
        (false, _) => RunStatus::Failed,
    };
    let Counts { executed, reused, failed, skipped } = run.counts;
    let wall_s = started.elapsed().as_secs_f64();
    events.send(Event::RunFinished { status, executed, reused, failed, skipped, wall_s });
    let steps = plan.steps.iter().enumerate().map(|(id, step)| {
        let outcome = run.schedule.outcome(id).unwrap_or(Outcome::Skipped);
        (step.name.clone(), outcome, run.keys.get(&id).copied())
    });
    Ok(Summary { status, steps: steps.collect(), executed, reused, exports, made: run.made.steps })
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
                while let Some(step) = self.schedule.next_start() {
                    let Some(launch) = self.launch(step) else { continue };
                    let (sender, events) = (sender.clone(), self.events.clone());
                    scope.spawn(move || {
                        let outcome = launch.run(executor, &events, cancelled);
                        // The loop below outlives every attempt.
                        let _ = sender.send(Ended { step, outcome });
                    });
                }
                if self.schedule.running() == 0 {
                    break;
                }
                // Woken now and then, so that an interrupt is seen while steps run.
                match ended.recv_timeout(Duration::from_millis(100)) {
                    Ok(Ended { step, outcome }) => self.ended(step, outcome)?,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                }
            }
            for step in self.schedule.skip_rest() {
                self.say_skipped(step, "the run was stopped");
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
            Err(error) => return self.fail(id, &error.into()),
        };
        let key = material.key();
        self.keys.insert(id, key);
        let forced = [&step.name, &step.base].iter().any(|name| self.options.force.contains(*name));
        let rebuild = if forced { Rebuild::Always } else { Rebuild::Memoize };
        match decide(rebuild, || self.resolver.files.borrow().outputs(self.resolver.store, &key)) {
            ControlFlow::Break(outputs) => {
                self.counts.reused += 1;
                self.events.send(Event::StepReused { step: step.name.clone(), key });
                self.remember(id, key);
                self.made.steps.insert(id, outputs);
                self.settle(id, Outcome::Done)
            }
            ControlFlow::Continue(reason) => {
                let keep = |input: &PlannedInput| self.resolver.keep_part(&input.source, &self.made);
                if let Err(error) = step.inputs.iter().try_for_each(keep) {
                    return self.fail(id, &error.into());
                }
                let reason = match reason {
                    Reason::Forced => "forced".to_owned(),
                    Reason::NoRecord => why::why(why::last_record(&self.resolver, step).as_ref(), &material),
                };
                let job = Job {
                    store: self.resolver.store.root().to_path_buf(),
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
                };
                self.jobs.insert(id, (job, reason));
                self.schedule.queue(id);
                Ok(())
            }
        }
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
        Some(Launch { job, log: self.log(id), timeout: step.timeout })
    }

    fn ended(&mut self, id: StepId, outcome: JobOutcome) -> Result<(), StoreError> {
        let step = self.step(id);
        match outcome {
            JobOutcome::Committed(result) => {
                if result.adopted {
                    self.counts.reused += 1
                } else {
                    self.counts.executed += 1
                }
                self.events.send(Event::StepSucceeded {
                    step: step.name.clone(),
                    key: self.keys[&id],
                    outputs: result.outputs.clone(),
                    cost: result.cost,
                    adopted: result.adopted,
                });
                self.remember(id, self.keys[&id]);
                self.made.steps.insert(id, result.outputs);
                self.settle(id, Outcome::Done)
            }
            JobOutcome::Cancelled => {
                self.say_skipped(id, "interrupted; its checkpoints are kept");
                self.schedule.stop();
                self.settle(id, Outcome::Skipped)
            }
            JobOutcome::Failed(failure) if self.attempts[&id] <= step.retries => {
                self.say_failed(id, &failure, true);
                self.schedule.retry(id);
                Ok(())
            }
            JobOutcome::Failed(failure) => self.fail(id, &failure),
        }
    }

    fn fail(&mut self, id: StepId, failure: &Failure) -> Result<(), StoreError> {
        self.say_failed(id, failure, false);
        // A search goes on without a candidate that failed (a diverged learning rate, say).
        if self.searches.contains_key(&id) {
            self.counts.skipped += 1;
            return self.settle(id, Outcome::LeftOut);
        }
        self.counts.failed += 1;
        self.settle(id, Outcome::Failed)
    }

    /// Tells the schedule, and decides the step's search where it has one.
    fn settle(&mut self, id: StepId, outcome: Outcome) -> Result<(), StoreError> {
        let outcome = match self.searches.get(&id) {
            Some(&search) => self.advance(search, id, outcome)?,
            None => outcome,
        };
        for skipped in self.schedule.settle(id, outcome) {
            self.say_skipped(skipped, &format!("`{}` did not end well", self.step(id).name));
        }
        Ok(())
    }

    /// Says which steps ask for GPUs that are not there: they run all the same.
    fn say_what_lacks(&self, wanted: &[bool]) {
        let there = self.options.budget.gpus;
        for (step, _) in self.plan().steps.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            if step.resources.gpus > there {
                let text =
                    format!("asks for {} GPUs, this run has {there}: it goes without", step.resources.gpus);
                self.events.send(Event::StepNoted { step: step.name.clone(), text });
            }
        }
    }

    /// Keeps the step's key for `explain`, which compares it with the one before.
    fn remember(&self, id: StepId, key: Digest) {
        self.resolver.files.borrow_mut().remember(&self.plan().name, &self.step(id).name, key);
    }

    fn log(&self, id: StepId) -> PathBuf {
        self.options.logs.join(format!("{}.log", logs::file_name(&self.step(id).name)))
    }

    fn say_failed(&self, id: StepId, failure: &Failure, retried: bool) {
        self.events.send(Event::StepFailed {
            step: self.step(id).name.clone(),
            error: failure.error.clone(),
            hint: failure.hint.clone(),
            tail: logs::last_lines(&self.log(id)),
            log: self.log(id),
            attempt: self.attempts.get(&id).copied().unwrap_or(1),
            retried,
        });
    }

    fn say_skipped(&mut self, id: StepId, reason: &str) {
        self.counts.skipped += 1;
        self.events.send(Event::StepSkipped { step: self.step(id).name.clone(), reason: reason.to_owned() });
    }
}

/// The folder of a pipeline file, for the paths in it.
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

//! A step whose inputs are settled: reused, queued, or waiting until what it reads is made again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::Run;
use super::audit::Verdict;
use super::launch::Launch;
use super::material::job_work;
use super::rebuild_reason::{last_record, rebuild_reason};
use super::scheduling::memory_shortage;
use crate::event::Event;
use crate::execute::{Failure, Job};
use crate::plan::{PlannedStep, StepId};
use crate::rebuild::{Reason, Rebuild, decide};
use crate::remote::Place;
use crate::schedule::Outcome;
use crate::store::{Artifact, StoreError};

impl Run<'_> {
    /// Everything that the step reads is settled: reuse it, or queue it.
    pub(super) fn offer(&mut self, id: StepId) -> Result<(), StoreError> {
        let step = self.step(id);
        let (material, inputs) = match self.resolver.resolve(step, &self.results) {
            Ok(resolved) => resolved,
            Err(_) if self.audit.is_some() && self.stands_on_record(id)? => return Ok(()),
            Err(error) => return self.cannot_resolve(id, error),
        };
        let key = material.key();
        self.results.keys.insert(id, key);
        self.note_same_work(id, key);
        let forced = self.options.force.contains(&step.name);
        let rebuild = match (self.is_audited(id), forced, self.restored.contains_key(&id)) {
            (true, ..) => Rebuild::Verify,
            (_, true, _) => Rebuild::Always,
            (_, _, true) => Rebuild::Restore,
            _ => Rebuild::Memoize,
        };
        let store = self.resolver.store;
        let is_there = |outputs: &BTreeMap<String, Artifact>| {
            let place = |artifact| self.resolver.place(artifact, None).unwrap_or(Place::Missing);
            outputs.values().all(|artifact| place(artifact) != Place::Missing)
        };
        let recorded = self.recorded(step, &key).or_else(|| self.taken(step, &key, rebuild));
        if let Some(outputs) = recorded.as_ref().filter(|_| rebuild == Rebuild::Verify) {
            // What is below it gets what is recorded, whatever comes of the audit.
            self.results.steps.insert(id, outputs.clone());
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
                self.share(&key, false);
                self.finish_step(id, outputs)
            }
            ControlFlow::Continue(reason) => {
                match self.missing_inputs(id) {
                    Err(error) => return self.fail(id, &error.into()),
                    Ok(gone) if self.audit.is_some() && !gone.is_empty() => {
                        let why = match self.options.remote {
                            Some(_) => "its inputs are neither in the store nor in the remote".to_owned(),
                            None => "its inputs are not in the store".to_owned(),
                        };
                        self.note_verdict(id, Verdict::NotAudited { why });
                        return self.settle(id, Outcome::Done);
                    }
                    // It waits until they are there again.
                    Ok(gone) if self.restore_all(&gone) => return Ok(()),
                    Ok(gone) if !gone.is_empty() => return self.fail(id, &lost(self.step(id))),
                    Ok(_) => {}
                }
                let reason = match reason {
                    Reason::Forced => "forced".to_owned(),
                    Reason::Verified => "to compare it with its record".to_owned(),
                    Reason::OutputsMissing => "its outputs are needed and no longer in the store".to_owned(),
                    Reason::NoRecord => rebuild_reason(last_record(&self.resolver, step).as_ref(), &material),
                };
                let node = self.options.nodes.as_ref().and_then(|nodes| nodes.0.get(&step.name));
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
                    threads: node.map_or(self.schedule.cpus_of(id), |node| node.cpus) as usize,
                    gpus: Vec::new(),
                    device: node.map_or(&self.options.device, |node| &node.device).clone(),
                    offline: self.options.offline,
                    force: forced,
                    keep_failed: self.options.keep_failed,
                    attempt: None,
                };
                if let Some(text) = memory_shortage(step, self.options) {
                    self.events.send(Event::StepNoted { step: step.name.clone(), text });
                }
                self.jobs.insert(id, (job, reason));
                self.schedule.queue(id);
                Ok(())
            }
        }
    }

    /// In an audit of a store without the original data: takes what is recorded of a step, by the digests that
    /// its last record has of inputs that are not on disk. Returns whether there is such a record.
    fn stands_on_record(&mut self, id: StepId) -> Result<bool, StoreError> {
        let step = self.step(id);
        let last = last_record(&self.resolver, step);
        let Ok(recorded) = self.resolver.resolve_recorded(step, &self.results, last.as_ref()) else {
            return Ok(false);
        };
        let key = recorded.material.key();
        let Some(outputs) = self.recorded(step, &key) else { return Ok(false) };
        self.results.keys.insert(id, key);
        let why = format!("{} is not on disk", recorded.absent.join(", "));
        self.note_verdict(id, Verdict::NotAudited { why });
        self.counts.reused.insert(id);
        self.events.send(Event::StepReused { step: step.name.clone(), key });
        self.finish_step(id, outputs)?;
        Ok(true)
    }

    /// An input cannot be looked up: it is made again where it is only gone.
    fn cannot_resolve(&mut self, id: StepId, error: StoreError) -> Result<(), StoreError> {
        let gone = match &error {
            StoreError::Missing { .. } => self.missing_inputs(id).unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        if self.restore_all(&gone) {
            return Ok(());
        }
        // The manifest came from the remote meanwhile.
        let came = gone.is_empty() && matches!(error, StoreError::Missing { .. }) && self.may_bring(id);
        if came { self.offer(id) } else { self.fail(id, &error.into()) }
    }

    pub(super) fn launch(&mut self, id: StepId) -> Option<Launch> {
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
        let bring = self.inputs_elsewhere(id);
        Some(Launch { job, bring, log: self.log(id), timeout: step.timeout, grace: step.grace })
    }
}

/// What to say of a step whose inputs are lost again and again.
fn lost(step: &PlannedStep) -> Failure {
    Failure {
        error: format!("inputs of `{}` are not in the store, and rebuilding them did not help", step.name),
        hint: Some("`igpt-flow verify` looks for damage; the disk may be failing".to_owned()),
    }
}

//! Outputs that are recorded and no longer in the store: collected, damaged or deleted. A record
//! stands without them; when somebody needs them, their step runs again.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::Digest;

use super::Run;
use crate::event::Event;
use crate::plan::{PlannedStep, StepId};
use crate::schedule::Outcome;
use crate::store::{Artifact, StoreError};

/// How often a step may be made again in one run: damage is found one object at a time.
const MOST: u32 = 8;

impl Run<'_> {
    /// What a step's key led to. A record whose ports are not the step's is no record of it.
    pub(super) fn recorded(&self, step: &PlannedStep, key: &Digest) -> Option<BTreeMap<String, Artifact>> {
        let store = self.resolver.store;
        let outputs = self.resolver.caches.borrow().outputs(store, key)?;
        if outputs.keys().eq(step.work.output_kinds().keys()) {
            return Some(outputs);
        }
        store.reject_record(key);
        None
    }

    /// Notes what a step results. Where it made something else before in this run, what read that is
    /// looked at again.
    pub(super) fn finish_step(
        &mut self,
        id: StepId,
        outputs: BTreeMap<String, Artifact>,
    ) -> Result<(), StoreError> {
        let before = self.results.steps.insert(id, outputs);
        let differs = before.is_some_and(|before| before != self.results.steps[&id]);
        self.settle(id, Outcome::Done)?;
        if differs {
            for later in self.schedule.dependents(id).to_vec() {
                match self.schedule.outcome(later) {
                    Some(Outcome::Done) => self.schedule.reopen(later),
                    Some(_) => {}
                    None => drop(self.outdated.insert(later)),
                }
            }
        }
        if self.outdated.remove(&id) {
            self.schedule.reopen(id);
        }
        Ok(())
    }

    /// The steps that must make inputs of a step again before it can run. Where there are none, the
    /// parts that it reads are artifacts of their own afterwards.
    ///
    /// # Errors
    /// If there is no such part, or the store cannot be written.
    pub(super) fn missing_inputs(&self, id: StepId) -> Result<BTreeSet<StepId>, StoreError> {
        let mut gone = BTreeSet::new();
        for input in &self.step(id).inputs {
            gone.extend(self.resolver.missing(&input.source, &self.results)?);
        }
        if gone.is_empty() {
            for input in &self.step(id).inputs {
                self.resolver.store_part(&input.source, &self.results)?;
            }
        }
        Ok(gone)
    }

    /// Has steps made again that a waiting step reads. Returns whether they may be.
    pub(super) fn restore_all(&mut self, steps: &BTreeSet<StepId>) -> bool {
        // One that is not settled is being made again already.
        let is_open = |step: &StepId| self.schedule.outcome(*step).is_none() || self.may_restore(*step);
        if steps.is_empty() || !steps.iter().all(is_open) {
            return false;
        }
        for step in steps {
            if self.schedule.outcome(*step).is_some() {
                self.restore(*step);
            }
        }
        true
    }

    /// Whether a step that is done may be made again once more.
    pub(super) fn may_restore(&self, id: StepId) -> bool {
        self.restored.get(&id).is_none_or(|times| *times < MOST)
            && self.schedule.outcome(id) == Some(Outcome::Done)
    }

    /// Has a step made again, because its outputs are needed.
    pub(super) fn restore(&mut self, id: StepId) {
        *self.restored.entry(id).or_default() += 1;
        self.schedule.reopen(id);
    }

    /// Says what was found damaged since the last call.
    pub(super) fn note_quarantined(&self) {
        for path in self.resolver.store.take_quarantined() {
            let text = format!("damaged and moved to quarantine: {}", path.display());
            self.events.send(Event::RunNoted { text });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use igpt_contract::MetricValues;

    use super::super::resolve::{Resolver, Results};
    use super::super::run;
    use super::super::testing::{self, AtOnce};
    use crate::event::Dispatcher;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;
    use crate::store::{Caches, Cost, Program, Record, Store};

    #[test]
    fn a_record_of_other_ports_is_none() {
        let text = "stages: {images: {uses: images, with: {source: shapes}}}";
        let plan = planned(text, &Overrides::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let caches = RefCell::new(Caches::open(&store));
        let resolver = Resolver::new(&plan, &store, &caches, dir.path(), "none");
        let (material, _) = resolver.resolve(&plan.steps[0], &Results::default()).unwrap();
        let key = material.key();
        let wrong = store.insert_files(&[("x", b"of another port")]).unwrap();
        let record = Record {
            key,
            outputs: BTreeMap::from([("pictures".to_owned(), wrong)]),
            material,
            sources: BTreeMap::new(),
            facts: BTreeMap::new(),
            metrics: MetricValues::default(),
            cost: Cost::default(),
            host: "here".into(),
            instruction_set: "test".into(),
            program: Program::this(),
            finished: jiff::Timestamp::now(),
            pipeline: "p".into(),
            step: "images".into(),
            run: "r".into(),
        };
        store.try_lock(&key).unwrap().unwrap().commit(&record).unwrap();
        let options = testing::options(dir.path());
        let dispatcher = Dispatcher::start(Vec::new(), Default::default()).unwrap();
        let summary =
            run(&plan, &store, &caches, &options, &AtOnce, &dispatcher.events(), &false.into()).unwrap();
        dispatcher.finish();
        assert_eq!((summary.executed, summary.reused), (1, 0));
        assert!(summary.outputs[&0].contains_key("images"));
        assert_eq!(store.outputs(&key), None, "what is no record of the step is set aside");
    }
}

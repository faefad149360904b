//! A run and its remote: records that are taken from there, bytes that come when somebody reads them, results that
//! go there. Without a remote none of this does anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use igpt_contract::{Digest, METRICS_FILE};

use super::Run;
use crate::event::Event;
use crate::execute::JobOutcome;
use crate::plan::{Export, PlannedStep, StepId};
use crate::rebuild::Rebuild;
use crate::remote::{Place, Remote};
use crate::store::{Artifact, Store, StoreError};

/// Keys that are asked for together: an answer takes as long for many as for one.
const TOGETHER: usize = 256;

/// How often the inputs of one step may come again in one run.
const MOST: u32 = 8;

/// What an attempt needs from the remote before it begins.
pub(super) struct Bring {
    remote: Arc<Remote>,
    store: Store,
    inputs: Vec<(Artifact, Option<String>)>,
}

impl Bring {
    /// Brings it. Answers what becomes of the attempt where it cannot be had.
    pub(super) fn run(&self) -> Option<JobOutcome> {
        for (artifact, part) in &self.inputs {
            match self.remote.fetch(&self.store, artifact, part.as_deref()) {
                Ok(()) => {}
                Err(error @ StoreError::Missing { .. }) => {
                    return Some(JobOutcome::MissingInput(error.into()));
                }
                Err(error) => return Some(JobOutcome::Failed(error.into())),
            }
        }
        None
    }
}

impl Run<'_> {
    /// What a key led to by a record on the remote, which is taken over. The steps that are offered next are asked
    /// for along with it.
    pub(super) fn taken(
        &self,
        step: &PlannedStep,
        key: &Digest,
        rebuild: Rebuild,
    ) -> Option<BTreeMap<String, Artifact>> {
        let remote = self.options.remote.as_ref()?;
        if !matches!(rebuild, Rebuild::Memoize | Rebuild::Restore) || remote.was_asked(key) {
            return None;
        }
        let store = self.resolver.store;
        let next = self.schedule.offered().take(TOGETHER).filter_map(|id| {
            let (material, _) = self.resolver.resolve(self.step(id), &self.results).ok()?;
            let key = material.key();
            (!store.path_of_record(&key).exists()).then_some(key)
        });
        let keys: Vec<Digest> = std::iter::once(*key).chain(next).collect();
        remote.look_up(store, &keys);
        self.recorded(step, key)
    }

    /// The inputs of a step that are on the remote.
    pub(super) fn inputs_elsewhere(&self, id: StepId) -> Option<Bring> {
        let remote = self.options.remote.as_ref()?;
        let sources = self.step(id).inputs.iter().map(|input| &input.source);
        // What cannot be found now, the attempt finds missing.
        let inputs: Vec<_> =
            sources.filter_map(|source| self.resolver.elsewhere(source, &self.results).ok()?).collect();
        let store = self.resolver.store.clone();
        (!inputs.is_empty()).then(|| Bring { remote: Arc::clone(remote), store, inputs })
    }

    /// Whether what a step reads may come from the remote once more.
    pub(super) fn may_bring(&mut self, id: StepId) -> bool {
        if self.options.remote.is_none() {
            return false;
        }
        let times = self.brought.entry(id).or_default();
        *times += 1;
        *times <= MOST
    }

    /// Brings an artifact, or a part of it, where the remote has it. Returns whether it is here.
    pub(super) fn bring(&self, artifact: &Artifact, part: Option<&str>) -> bool {
        let Some(remote) = &self.options.remote else { return false };
        match self.resolver.place(artifact, part) {
            Ok(Place::Here) => true,
            Ok(Place::Elsewhere) => remote.fetch(self.resolver.store, artifact, part).is_ok(),
            Ok(Place::Missing) | Err(_) => false,
        }
    }

    /// Brings what an export is to hold, and no more. Returns whether it is here.
    pub(super) fn brings(&self, export: &Export) -> bool {
        if self.options.remote.is_none() {
            return false;
        }
        // Its manifest first, without which nobody knows a part of it.
        let _ = self.resolver.missing(&export.source, &self.results);
        let artifact = self.resolver.artifact(&export.source, &self.results).ok().flatten();
        let path = self.resolver.path(&export.path);
        let fitting = artifact.and_then(|artifact| self.resolver.store.fitting(&artifact, &path).ok());
        fitting.is_some_and(|artifact| self.bring(&artifact, None))
    }

    /// Brings the numbers by which a search decides.
    pub(super) fn bring_metrics(&self, id: StepId, port: &str) {
        let artifact = self.results.steps.get(&id).and_then(|outputs| outputs.get(port));
        if let Some(artifact) = artifact.filter(|_| self.options.remote.is_some()) {
            self.bring(artifact, Some(METRICS_FILE));
        }
    }

    /// Shares a result that was `made` in this run, or in an earlier one, beside the run. What is reused because the
    /// remote had it is there.
    pub(super) fn share(&self, key: &Digest, made: bool) {
        if let Some(remote) = &self.options.remote
            && (made || !remote.was_asked(key))
        {
            remote.upload(self.resolver.store, *key, made);
        }
    }

    /// Says what there is to say of the remote.
    pub(super) fn note_remote(&self) {
        for text in self.options.remote.iter().flat_map(|remote| remote.take_notes()) {
            self.events.send(Event::RunNoted { text });
        }
    }

    /// Waits for the uploads, within reason, and says what was moved.
    pub(super) fn finish_sharing(&self) {
        let Some(remote) = &self.options.remote else { return };
        remote.finish();
        self.note_remote();
        if let Some(text) = remote.summary() {
            self.events.send(Event::RunNoted { text });
        }
    }
}

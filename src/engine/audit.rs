//! Auditing: recorded steps run once more in a store of their own, and what they make is compared with
//! what is recorded. The records decide what flows into each step, so every step is judged alone.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;

use super::compare::{Difference, compare};
use super::{Options, Run, prepare};
use crate::event::{Event, Events, RunStatus};
use crate::execute::{Executor, Failure};
use crate::plan::{Plan, StepId};
use crate::store::{Artifact, Caches, Store, StoreError};

/// What is audited, and what came of it.
pub(super) struct Audit {
    /// Where the work is done.
    pub(super) scratch: Store,
    /// The steps to run again.
    pub(super) selected: BTreeSet<StepId>,
    /// The largest relative difference of two numbers that counts as none.
    pub(super) tolerance: f64,
    pub(super) verdicts: BTreeMap<StepId, Verdict>,
}

/// What an audit says of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The same bytes.
    Same,
    /// Other bytes, but numbers that differ by no more than the tolerance.
    Close {
        /// The largest relative difference.
        largest: f64,
    },
    /// Something else.
    Different {
        /// The output port.
        port: String,
        /// The first difference.
        first: String,
    },
    /// It failed, where it did not before.
    Failed {
        /// The error.
        error: String,
    },
    /// It could not be run again.
    NotAudited {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// Whether the record holds.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Same | Self::Close { .. })
    }
}

/// Which steps to audit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The share of the recorded steps, from 0 to 1; at least one step.
    pub share: f64,
    /// What tells one sample from another.
    pub seed: u64,
}

/// Runs recorded steps again in `scratch` and compares. Returns what became of each that was selected.
///
/// # Errors
/// If a store is unusable.
#[expect(clippy::too_many_arguments, reason = "a run has that many surroundings")]
pub fn audit(
    plan: &Plan,
    store: &Store,
    scratch: Store,
    caches: &RefCell<Caches>,
    options: &Options,
    sample: Sample,
    tolerance: f64,
    executor: &dyn Executor,
    events: &Events,
    cancelled: &AtomicBool,
) -> Result<Vec<(StepId, Verdict)>, StoreError> {
    let started = Instant::now();
    let mut run = prepare(plan, store, caches, options, events);
    let selected = select(plan, options, sample);
    run.audit = Some(Audit { scratch, selected, tolerance, verdicts: BTreeMap::new() });
    run.execute(executor, cancelled)?;
    let verdicts = run.audit.take().map(|audit| audit.verdicts).unwrap_or_default();
    let failed = verdicts.values().filter(|verdict| !verdict.holds()).count();
    let status = match (cancelled.load(std::sync::atomic::Ordering::Relaxed), failed) {
        (true, _) => RunStatus::Interrupted,
        (false, 0) => RunStatus::Succeeded,
        (false, _) => RunStatus::Failed,
    };
    let (executed, reused) = run.counts.done();
    let (skipped, wall_s) = (run.counts.skipped, started.elapsed().as_secs_f64());
    events.send(Event::RunFinished { status, executed, reused, failed, skipped, wall_s });
    Ok(verdicts.into_iter().collect())
}

/// The steps of a sample: those whose names hash lowest, so that another seed takes others.
fn select(plan: &Plan, options: &Options, sample: Sample) -> BTreeSet<StepId> {
    let targets = &options.targets;
    let is_meant = |id: &StepId| targets.is_empty() || targets.contains(&plan.steps[*id].name);
    let mut steps: Vec<StepId> = (0..plan.steps.len()).filter(is_meant).collect();
    let many = ((steps.len() as f64 * sample.share).ceil() as usize).clamp(1, steps.len().max(1));
    if many < steps.len() {
        let order = |id: &StepId| {
            let text = format!("{}\0{}", sample.seed, plan.steps[*id].name);
            igpt_contract::Digest::of(text.as_bytes())
        };
        steps.sort_by_cached_key(order);
        steps.truncate(many);
    }
    steps.into_iter().collect()
}

impl Run<'_> {
    /// Whether a step is to be run again for an audit.
    pub(super) fn is_audited(&self, id: StepId) -> bool {
        self.audit.as_ref().is_some_and(|audit| audit.selected.contains(&id))
    }

    /// Judges what a step made again; its record is what the steps below it get.
    pub(super) fn compare_with_record(
        &mut self,
        id: StepId,
        remade: Result<BTreeMap<String, Artifact>, Failure>,
    ) {
        let Some(audit) = &self.audit else { return };
        let verdict = match remade {
            Err(failure) => Verdict::Failed { error: failure.error },
            Ok(remade) => {
                let recorded = self.results.steps.get(&id).cloned().unwrap_or_default();
                for (port, artifact) in &recorded {
                    if remade.get(port).is_some_and(|new| new != artifact) {
                        // To say where they differ.
                        self.bring(artifact, None);
                    }
                }
                verdict(self.resolver.store, &audit.scratch, &recorded, &remade, audit.tolerance)
            }
        };
        self.note_verdict(id, verdict);
    }

    /// Keeps what an audit says of a step, where it was asked for.
    pub(super) fn note_verdict(&mut self, id: StepId, verdict: Verdict) {
        if let Some(audit) = &mut self.audit
            && audit.selected.contains(&id)
        {
            audit.verdicts.insert(id, verdict);
        }
    }
}

fn verdict(
    store: &Store,
    scratch: &Store,
    recorded: &BTreeMap<String, Artifact>,
    remade: &BTreeMap<String, Artifact>,
    tolerance: f64,
) -> Verdict {
    let mut largest = 0.0_f64;
    for (port, old) in recorded {
        let Some(new) = remade.get(port) else {
            return Verdict::Different { port: port.clone(), first: "it is missing".to_owned() };
        };
        match compare((store, old), (scratch, new)) {
            Difference::None => {}
            Difference::Numbers { relative, .. } if relative <= tolerance => largest = largest.max(relative),
            Difference::Numbers { first, .. } | Difference::Content { first } => {
                return Verdict::Different { port: port.clone(), first };
            }
        }
    }
    if largest > 0.0 { Verdict::Close { largest } } else { Verdict::Same }
}

//! What becomes of a step when an attempt at it has ended: it is done, tried again, waits for room, or
//! has failed; and what is said of that.

use super::{Run, logs};
use crate::event::Event;
use crate::execute::{Failure, JobOutcome};
use crate::plan::{StepId, Work};
use crate::schedule::Outcome;
use crate::store::StoreError;

impl Run<'_> {
    pub(super) fn on_attempt_end(&mut self, id: StepId, outcome: JobOutcome) -> Result<(), StoreError> {
        let step = self.step(id);
        if !matches!(outcome, JobOutcome::Exhausted(_)) {
            self.retries.had_room();
        }
        match outcome {
            JobOutcome::Committed(result) => {
                let counted =
                    if result.adopted { &mut self.counts.reused } else { &mut self.counts.executed };
                counted.insert(id);
                self.events.send(Event::StepSucceeded {
                    step: step.name.clone(),
                    key: self.results.keys[&id],
                    outputs: result.outputs.clone(),
                    cost: result.cost,
                    adopted: result.adopted,
                });
                if self.audit.is_some() {
                    self.compare_with_record(id, Ok(result.outputs));
                    return self.settle(id, Outcome::Done);
                }
                let key = self.results.keys[&id];
                self.remember(id, key);
                self.share(&key, true);
                self.finish_step(id, result.outputs)
            }
            JobOutcome::MissingInput(failure) => {
                let gone = self.missing_inputs(id).unwrap_or_default();
                // What is on the remote comes once more.
                let comes = gone.is_empty() && self.may_bring(id);
                if gone.is_empty() && !comes {
                    return self.fail(id, &failure);
                }
                // What was missing is no fault of the step's: this was no attempt of it.
                self.attempts.entry(id).and_modify(|attempt| *attempt -= 1);
                self.schedule.wait_again(id);
                if comes {
                    return Ok(());
                }
                if self.restore_all(&gone) { Ok(()) } else { self.fail(id, &failure) }
            }
            // On a cluster, what waited when a step failed was dropped.
            JobOutcome::Cancelled if self.options.nodes.is_some() && self.counts.failed > 0 => {
                self.send_skipped(id, "the run was stopped");
                self.settle(id, Outcome::Skipped)
            }
            JobOutcome::Cancelled => {
                let checkpoints = matches!(step.work, Work::Stage { .. });
                let kept = if checkpoints { "; its checkpoints are kept" } else { "" };
                self.send_skipped(id, &format!("interrupted{kept}"));
                self.schedule.stop();
                self.settle(id, Outcome::Skipped)
            }
            JobOutcome::Failed(failure) if self.attempts[&id] <= step.retry.times => {
                self.send_failed(id, &failure, true);
                self.schedule.suspend(id);
                self.retries.put(id, step.retry.pause(self.attempts[&id]));
                Ok(())
            }
            // What runs gives some room back when it ends.
            JobOutcome::Exhausted(failure) if self.retries.no_room(id, self.schedule.running() - 1) => {
                let text = format!("waiting for resources: {}", failure.error);
                self.events.send(Event::StepNoted { step: step.name.clone(), text });
                self.attempts.entry(id).and_modify(|attempt| *attempt -= 1);
                self.schedule.suspend(id);
                Ok(())
            }
            JobOutcome::Exhausted(failure) => self.fail(id, &failure),
            JobOutcome::Failed(failure) => self.fail(id, &failure),
        }
    }

    pub(super) fn fail(&mut self, id: StepId, failure: &Failure) -> Result<(), StoreError> {
        self.send_failed(id, failure, false);
        if self.audit.is_some() {
            self.compare_with_record(id, Err(failure.clone()));
            return self.settle(id, Outcome::Done);
        }
        // A search goes on without a candidate that failed (a diverged learning rate, say).
        if self.searches.contains_key(&id) {
            self.counts.skipped += 1;
            return self.settle(id, Outcome::LeftOut);
        }
        self.counts.failed += 1;
        self.settle(id, Outcome::Failed)
    }

    /// Tells the schedule, and decides the step's search where it has one.
    pub(super) fn settle(&mut self, id: StepId, outcome: Outcome) -> Result<(), StoreError> {
        let outcome = match self.searches.get(&id) {
            Some(&search) => self.advance(search, id, outcome)?,
            None => outcome,
        };
        let what = if outcome == Outcome::Failed { "failed" } else { "was skipped" };
        for skipped in self.schedule.settle(id, outcome) {
            self.send_skipped(skipped, &format!("`{}` {what}", self.step(id).name));
        }
        Ok(())
    }

    pub(super) fn send_failed(&self, id: StepId, failure: &Failure, retried: bool) {
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

    pub(super) fn send_skipped(&mut self, id: StepId, reason: &str) {
        self.counts.skipped += 1;
        self.events.send(Event::StepSkipped { step: self.step(id).name.clone(), reason: reason.to_owned() });
    }
}

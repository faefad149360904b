//! What is to be believed of a step on the cluster.
//!
//! The truth is the record, then the outcome that the node wrote, then the cluster's word, in this order:
//! a job that was told to end in time is called `TIMEOUT` although all went well, and a controller that
//! was killed has never heard of jobs that run. Nothing is taken for dead before it was absent from, or
//! over in, several good answers.

use std::time::{Duration, Instant};

use super::client::Row;
use super::flight::Flight;
use super::order::Ended;
use super::states::{Blocked, End, Phase, blocked, phase};
use crate::execute::job::{Failure, JobOutcome, JobResult};
use crate::store::{JobNews, Store};

/// In how many good answers one after another something must be so before it is believed.
const SURE: u32 = 3;

/// How often a step is given to the cluster once more without having come further.
const LOSSES: u32 = 10;

/// How often a step is submitted once more that was killed with what guards it, perhaps for memory.
const KILLS: u32 = 2;

/// By how much the cluster may be early: it counts in minutes.
const EARLY: Duration = Duration::from_secs(90);

/// What follows from what was learnt.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Wait,
    Settled(JobOutcome),
    /// It is to be submitted once more, because of this.
    Again(String),
    /// It never starts: it is to be taken out of the queue, and has failed.
    Never(Failure),
    /// It is held after a failure of the cluster's: out of the queue, and submitted once more.
    Relaunch(String),
}

impl Flight {
    /// The node says that there is an outcome.
    pub(super) fn hear(&mut self) -> Verdict {
        // In this order: an attempt that ends meanwhile makes news again.
        self.folder.take_note(JobNews::Ended);
        self.outcome().map_or(Verdict::Wait, |ended| self.ended(ended))
    }

    fn outcome(&self) -> Option<Ended> {
        self.folder.outcome::<Ended>().filter(|ended| self.stale.as_ref() != Some(&ended.attempt))
    }

    fn ended(&mut self, ended: Ended) -> Verdict {
        match ended.outcome {
            JobOutcome::Exhausted(failure) => self.lost(&format!("node {}: {}", ended.node, failure.error)),
            JobOutcome::Cancelled if !ended.begun => {
                Verdict::Again("its job ended before its turn came".to_owned())
            }
            JobOutcome::Cancelled if self.put_back => {
                // The queue was faster than its word.
                self.stale = Some(ended.attempt);
                Verdict::Wait
            }
            JobOutcome::Cancelled => {
                self.told = Some(ended);
                self.running = 0;
                Verdict::Wait
            }
            outcome => Verdict::Settled(outcome),
        }
    }

    /// A good answer of the cluster's: the task in its queue, or that it is not there.
    pub(super) fn look(&mut self, row: Option<&Row>, store: &Store) -> Verdict {
        let Some(row) = row else { return self.look_absent(store) };
        self.absent = 0;
        self.id = Some(row.id.clone());
        self.job.clone_from(&self.id);
        match phase(&row.state) {
            Phase::Pending => {
                // The cluster itself has put it back.
                self.stale = self.told.take().map(|told| told.attempt).or(self.stale.take());
                self.put_back |= self.begun;
                (self.over, self.begun) = (0, false);
                let reason = if matches!(&*row.reason, "" | "None") { "waiting" } else { &row.reason };
                self.say(&format!("queued ({reason})"));
                self.look_blocked(row)
            }
            Phase::Running => {
                (self.over, self.stuck) = (0, 0);
                self.say_on("running", &row.node);
                self.running += 1;
                if self.told.is_some() && self.running > SURE {
                    // It is another attempt that runs.
                    self.told = None;
                }
                Verdict::Wait
            }
            Phase::Over(end) => {
                self.stuck = 0;
                self.over += 1;
                self.look_over(end, row, store)
            }
        }
    }

    fn look_absent(&mut self, store: &Store) -> Verdict {
        self.absent += 1;
        if self.absent < SURE {
            return Verdict::Wait;
        }
        if let Some(ended) = self.folder.outcome::<Ended>().filter(Ended::is_final) {
            return Verdict::Settled(ended.outcome);
        }
        if let Some(record) = store.record(&self.key)
            && (!self.order.job.force || record.run == self.order.job.run)
        {
            let result = JobResult { outputs: record.outputs, cost: record.cost, adopted: false };
            return Verdict::Settled(JobOutcome::Committed(result));
        }
        match self.told.take() {
            Some(_) => self.time_was_up(store),
            None => self.lost("Slurm no longer knows of its job"),
        }
    }

    fn look_blocked(&mut self, row: &Row) -> Verdict {
        let Some(why) = blocked(&row.reason) else {
            self.stuck = 0;
            return Verdict::Wait;
        };
        self.stuck += 1;
        let (id, reason) = (&row.id, &row.reason);
        match why {
            Blocked::NotLaunched => {
                self.lost_verdict(&format!("Slurm could not start its job ({reason})"), Verdict::Relaunch)
            }
            Blocked::Held if self.stuck == 1 => {
                self.note(format!(
                    "job {id} is held in Slurm ({reason}): `scontrol release {id}` lets it go"
                ));
                Verdict::Wait
            }
            Blocked::Held => Verdict::Wait,
            Blocked::Never(hint) if self.stuck == 1 => {
                self.note(format!("job {id} cannot start ({reason}): {hint}"));
                Verdict::Wait
            }
            Blocked::Never(hint) => Verdict::Never(Failure {
                error: format!("its Slurm job can never start: {reason}"),
                hint: Some(hint.to_owned()),
            }),
        }
    }

    fn look_over(&mut self, end: End, row: &Row, store: &Store) -> Verdict {
        if let Some(ended) = self.outcome()
            && (ended.is_final() || self.told.is_none())
        {
            match self.ended(ended) {
                Verdict::Wait => {}
                verdict => return verdict,
            }
        }
        if self.over < SURE {
            // The node's word may be on its way; and a job that goes back into the queue is over for a moment.
            return Verdict::Wait;
        }
        let (id, printed) = (&row.id, self.output(store));
        match (end, self.told.is_some()) {
            // Slurm does that, too, where its controller has forgotten what it gave out.
            (End::Cancelled, false) if !self.begun && self.killed == 0 => {
                self.killed += 1;
                Verdict::Again(format!("its Slurm job {id} was cancelled before it began"))
            }
            (End::Cancelled, _) => Verdict::Settled(JobOutcome::Failed(Failure {
                error: format!("its Slurm job {id} was cancelled by somebody"),
                hint: Some("checkpoints are kept; run again to go on".to_owned()),
            })),
            // It has heard that it is to end, and then something else was wrong.
            (End::Failed, true) => self.lost(&format!("job {id} was put back, and could not be started")),
            (End::Lost, _) => self.lost(&format!("Slurm took job {id} away ({})", row.state)),
            (End::Ended, true) if self.was_told_early(row) => self.told_early(id, store),
            (End::TimedOut, _) | (End::Ended, true) => self.time_was_up(store),
            (End::OutOfMemory, _) => Verdict::Settled(JobOutcome::Failed(Failure {
                error: format!("its Slurm job {id} took more memory than it had asked for"),
                hint: Some(
                    "raise `memory` in the cluster's settings, or in the step's `resources`".to_owned(),
                ),
            })),
            // What guards the step was killed, or Slurm did not start it at all.
            (End::Ended | End::Failed, false)
                if (self.begun || printed.is_empty()) && self.killed < KILLS =>
            {
                self.killed += 1;
                let what = if self.begun { "was killed" } else { "could not be started" };
                Verdict::Again(format!("its Slurm job {id} {what} on {}", row.node))
            }
            (End::Ended | End::Failed, false) => Verdict::Settled(JobOutcome::Failed(Failure {
                error: format!("its Slurm job {id} ended without an outcome ({}){printed}", row.state),
                hint: Some("`igpt-flow cluster check` looks for what is wrong with the nodes".to_owned()),
            })),
        }
    }

    /// The last lines of what its job printed outside of the step.
    fn output(&self, store: &Store) -> String {
        let Some(place) = &self.place else { return String::new() };
        let text = std::fs::read(store.task_output(place)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        // Slurm says there, too, that it ended an earlier attempt.
        let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with("slurmstepd");
        let lines: Vec<&str> = text.lines().filter(is_said).collect();
        let last = &lines[lines.len().saturating_sub(4)..];
        if last.is_empty() { String::new() } else { format!(": {}", last.join("; ")) }
    }

    /// Whether its job had time left when it was told to end: more than the notice that it was to have.
    fn was_told_early(&self, row: &Row) -> bool {
        let Some((used, limit)) = row.used.zip(row.limit) else { return false };
        let ahead = self.allocation.told_ahead(Some(limit), self.notice).unwrap_or_default();
        limit.saturating_sub(used) > ahead + EARLY
    }

    /// Somebody else was more important, and it had a grace period: Slurm does not put it back where it ends in
    /// that.
    fn told_early(&mut self, id: &str, store: &Store) -> Verdict {
        let why = format!("job {id} was told to end before its time was up (preempted, most likely)");
        if self.has_come_further(store) {
            self.losses = 0;
            return Verdict::Again(format!("{why}; it goes on from its checkpoint"));
        }
        self.lost(&why)
    }

    fn has_come_further(&self, store: &Store) -> bool {
        let now = store.checkpoint_state(&self.key);
        !now.is_empty() && now != self.checkpoints
    }

    /// It was told to end, or ended, because its time was up. Worth another job only where it has come
    /// further.
    fn time_was_up(&mut self, store: &Store) -> Verdict {
        if self.has_come_further(store) {
            self.losses = 0;
            return Verdict::Again("its job's time was up; it goes on from its checkpoint".to_owned());
        }
        Verdict::Settled(JobOutcome::Failed(Failure {
            error: format!(
                "Slurm ended its job without a new checkpoint; most likely its time limit was too short ({})",
                self.allocation.limit()
            ),
            hint: Some("raise `time` in the cluster's settings".to_owned()),
        }))
    }

    fn lost(&mut self, why: &str) -> Verdict {
        self.lost_verdict(why, Verdict::Again)
    }

    /// The cluster has lost it: that is no failure of the step's.
    fn lost_verdict(&mut self, why: &str, again: impl FnOnce(String) -> Verdict) -> Verdict {
        self.losses += 1;
        if self.losses <= LOSSES {
            let pause = Duration::from_secs(u64::from(self.losses - 1).min(6) * 10);
            self.from = Instant::now() + pause;
            return again(why.to_owned());
        }
        Verdict::Settled(JobOutcome::Failed(Failure {
            error: format!("the cluster has lost the step {} times; the last time: {why}", self.losses),
            hint: Some("see `sinfo -R` and the logs of the nodes; the same command goes on".to_owned()),
        }))
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

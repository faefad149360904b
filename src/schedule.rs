//! *When* steps run: a pure state machine over the graph and the machine's budgets.
//!
//! It must not know keys, records or processes: the engine tells it what became of each step.

mod resources;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use resources::{Budget, Need};

use crate::plan::StepId;
use resources::Pool;

/// How many smaller steps may pass one that waits for room.
const PATIENCE: u32 = 16;

/// One edge of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The step that must be settled before.
    pub from: StepId,
    /// Whether the later step may run although the earlier one failed or was skipped.
    pub tolerant: bool,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its outputs are there, made or reused.
    Done,
    /// Every attempt failed.
    Failed,
    /// It did not run because something above it failed, or the run was stopped.
    Skipped,
    /// A search did not need it.
    LeftOut,
}

/// What a failure stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Running steps finish, none start.
    StopAll,
    /// All that is not below the failure goes on.
    StopDependents,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Offered,
    Queued,
    Running,
    Settled(Outcome),
}

/// The scheduler.
///
/// A step is *offered* once all before it is settled; the engine then either settles it at once
/// (reused) or queues it; queued steps start in order as soon as they fit the budget.
#[derive(Debug)]
pub struct Schedule {
    state: Vec<State>,
    needs: Vec<Need>,
    blocked_by: Vec<usize>,
    edges_in: Vec<Vec<Edge>>,
    dependents: Vec<Vec<StepId>>,
    offers: VecDeque<StepId>,
    queue: BTreeSet<StepId>,
    /// How often a queued step was passed by a later one that fitted.
    passed: BTreeMap<StepId, u32>,
    resources: Pool,
    on_failure: OnFailure,
    stopped: bool,
}

impl Schedule {
    /// A schedule of steps with these edges into them and these needs. A need larger than the
    /// budget is cut to it: such a step runs alone. Steps not `wanted` are left out.
    pub fn new(
        edges_in: Vec<Vec<Edge>>,
        mut needs: Vec<Need>,
        wanted: &[bool],
        budget: Budget,
        on_failure: OnFailure,
    ) -> Self {
        let n = edges_in.len();
        let mut dependents = vec![Vec::new(); n];
        for (step, edges) in edges_in.iter().enumerate() {
            for edge in edges {
                dependents[edge.from].push(step);
            }
        }
        for need in &mut needs {
            *need = need.cut_to(budget);
        }
        let blocked_by = edges_in.iter().map(Vec::len).collect();
        let mut schedule = Self {
            state: vec![State::Waiting; n],
            needs,
            blocked_by,
            edges_in,
            dependents,
            offers: VecDeque::new(),
            queue: BTreeSet::new(),
            passed: BTreeMap::new(),
            resources: Pool::new(budget),
            on_failure,
            stopped: false,
        };
        for step in (0..n).filter(|step| !wanted[*step]) {
            schedule.settle(step, Outcome::LeftOut);
        }
        for step in 0..n {
            schedule.offer_if_free(step);
        }
        schedule
    }

    /// The next step whose inputs are all settled; the engine must [`Self::queue`] or
    /// [`Self::settle`] it.
    pub fn next_offer(&mut self) -> Option<StepId> {
        while let Some(step) = self.offers.pop_front() {
            if self.state[step] == State::Offered {
                return Some(step);
            }
        }
        None
    }

    /// The steps that [`Self::next_offer`] will answer next, as things stand.
    pub fn offered(&self) -> impl Iterator<Item = StepId> {
        self.offers.iter().copied().filter(|step| self.state[*step] == State::Offered)
    }

    /// Queues an offered step for a start (or a repeated one).
    pub fn queue(&mut self, step: StepId) {
        self.state[step] = State::Queued;
        self.queue.insert(step);
    }

    /// The first queued step that fits what is free, now counted as running. A step that needs much
    /// is passed by smaller ones for a while; then they wait for it.
    pub fn next_start(&mut self) -> Option<StepId> {
        if self.stopped || self.resources.is_used_up() {
            return None;
        }
        let mut waiting = Vec::new();
        let mut found = None;
        for &step in &self.queue {
            if self.resources.fits(self.needs[step]) {
                found = Some(step);
                break;
            }
            if self.passed.get(&step).is_some_and(|times| *times >= PATIENCE) {
                return None;
            }
            waiting.push(step);
        }
        let step = found?;
        for passed in waiting {
            *self.passed.entry(passed).or_default() += 1;
        }
        self.queue.remove(&step);
        self.passed.remove(&step);
        self.state[step] = State::Running;
        self.resources.take(step, self.needs[step]);
        Some(step)
    }

    /// The GPUs that a running step was given, counted from 0: no other running step has them.
    pub fn gpus_of(&self, step: StepId) -> &[u32] {
        self.resources.gpus_of(step)
    }

    /// Processor slots that a running step was given.
    pub fn cpus_of(&self, step: StepId) -> u32 {
        self.needs[step].cpus
    }

    /// Takes back that a step is done: its outputs are needed and not there. It is offered once more,
    /// and what has not begun and reads it waits for it again.
    pub fn reopen(&mut self, step: StepId) {
        debug_assert_eq!(self.state[step], State::Settled(Outcome::Done));
        self.state[step] = State::Waiting;
        for later in self.dependents[step].clone() {
            self.blocked_by[later] += 1;
            if matches!(self.state[later], State::Offered | State::Queued) {
                self.queue.remove(&later);
                self.state[later] = State::Waiting;
            }
        }
        self.offer_if_free(step);
    }

    /// Lets a running step wait again, for steps that were reopened; with none, it is offered.
    pub fn wait_again(&mut self, step: StepId) {
        self.resources.give_back(step, self.needs[step]);
        self.state[step] = State::Waiting;
        self.offer_if_free(step);
    }

    /// Gives back what a running step held. It does not run until it is [`Self::queue`]d again.
    pub fn suspend(&mut self, step: StepId) {
        self.resources.give_back(step, self.needs[step]);
        self.state[step] = State::Offered;
    }

    /// Whether a step is ready to start.
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether nothing more is started.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Says what became of a step; releases or skips what waited for it. Returns the steps that
    /// were skipped because of it.
    pub fn settle(&mut self, step: StepId, outcome: Outcome) -> Vec<StepId> {
        if self.state[step] == State::Running {
            self.resources.give_back(step, self.needs[step]);
        }
        if outcome == Outcome::Failed && self.on_failure == OnFailure::StopAll {
            self.stopped = true;
        }
        self.queue.remove(&step);
        self.state[step] = State::Settled(outcome);
        let mut skipped = self.pass_on(step, outcome);
        // A list and no recursion: a chain of steps may be longer than the stack is deep.
        let mut next = 0;
        while let Some(&step) = skipped.get(next) {
            skipped.extend(self.pass_on(step, Outcome::Skipped));
            next += 1;
        }
        skipped
    }

    /// Offers what waited for a settled step alone; what the step spoils is skipped, and returned.
    fn pass_on(&mut self, step: StepId, outcome: Outcome) -> Vec<StepId> {
        let mut skipped = Vec::new();
        for later in self.dependents[step].clone() {
            self.blocked_by[later] -= 1;
            if self.state[later] != State::Waiting {
                continue;
            }
            let spoils = matches!(outcome, Outcome::Failed | Outcome::Skipped)
                && self.edges_in[later].iter().any(|edge| edge.from == step && !edge.tolerant);
            if spoils {
                self.state[later] = State::Settled(Outcome::Skipped);
                skipped.push(later);
            } else {
                self.offer_if_free(later);
            }
        }
        skipped
    }

    /// The steps that read a step's outputs.
    pub fn dependents(&self, step: StepId) -> &[StepId] {
        &self.dependents[step]
    }

    /// Lets running steps finish and starts no more.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How many steps run.
    pub fn running(&self) -> usize {
        self.resources.taken()
    }

    /// Skips what never started, once nothing runs any more; returns those steps.
    pub fn skip_rest(&mut self) -> Vec<StepId> {
        let rest: Vec<StepId> =
            (0..self.state.len()).filter(|step| !matches!(self.state[*step], State::Settled(_))).collect();
        for step in &rest {
            self.state[*step] = State::Settled(Outcome::Skipped);
        }
        self.queue.clear();
        rest
    }

    /// Whether a settled step's outputs are there.
    pub fn outcome(&self, step: StepId) -> Option<Outcome> {
        match self.state[step] {
            State::Settled(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn offer_if_free(&mut self, step: StepId) {
        if self.blocked_by[step] == 0 && self.state[step] == State::Waiting {
            self.state[step] = State::Offered;
            self.offers.push_back(step);
        }
    }
}

#[cfg(test)]
mod tests;

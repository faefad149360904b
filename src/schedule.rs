//! *When* steps run: a pure state machine over the graph and the machine's budgets.
//!
//! It must not know keys, records or processes: the engine tells it what became of each step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::plan::StepId;

/// How many smaller steps may pass one that waits for room.
const PATIENCE: u32 = 16;

/// What a run may use at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Processor slots, at least 1.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPU slots.
    pub gpus: u32,
}

/// What a step takes while it runs.
pub type Need = Budget;

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
    free: Budget,
    /// The GPUs that nobody has, and those of each running step.
    free_gpus: BTreeSet<u32>,
    gpus: BTreeMap<StepId, Vec<u32>>,
    budget: Budget,
    running: usize,
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
            need.cpus = need.cpus.clamp(1, budget.cpus);
            need.memory_mib = need.memory_mib.min(budget.memory_mib);
            need.gpus = need.gpus.min(budget.gpus);
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
            free: budget,
            free_gpus: (0..budget.gpus).collect(),
            gpus: BTreeMap::new(),
            budget,
            running: 0,
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

    /// Queues an offered step for a start (or a repeated one).
    pub fn queue(&mut self, step: StepId) {
        self.state[step] = State::Queued;
        self.queue.insert(step);
    }

    /// The first queued step that fits what is free, now counted as running. A step that needs much
    /// is passed by smaller ones for a while; then they wait for it.
    pub fn next_start(&mut self) -> Option<StepId> {
        if self.stopped || self.free.cpus == 0 {
            return None;
        }
        let mut waiting = Vec::new();
        let mut found = None;
        for &step in &self.queue {
            if self.fits(step) {
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
        self.running += 1;
        let need = self.needs[step];
        self.free.cpus -= need.cpus;
        self.free.memory_mib -= need.memory_mib;
        self.free.gpus -= need.gpus;
        let gpus: Vec<u32> = self.free_gpus.iter().copied().take(need.gpus as usize).collect();
        self.free_gpus.retain(|gpu| !gpus.contains(gpu));
        self.gpus.insert(step, gpus);
        Some(step)
    }

    /// The GPUs that a running step was given, counted from 0: no other running step has them.
    pub fn gpus_of(&self, step: StepId) -> &[u32] {
        self.gpus.get(&step).map_or(&[], Vec::as_slice)
    }

    /// Processor slots that a running step was given.
    pub fn cpus_of(&self, step: StepId) -> u32 {
        self.needs[step].cpus
    }

    /// Gives back what a running step held and queues it once more.
    pub fn retry(&mut self, step: StepId) {
        self.suspend(step);
        self.queue(step);
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
        self.release(step);
        self.state[step] = State::Waiting;
        self.offer_if_free(step);
    }

    /// Gives back what a running step held. It does not run until it is [`Self::queue`]d again.
    pub fn suspend(&mut self, step: StepId) {
        self.release(step);
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
            self.release(step);
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
        self.running
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

    fn fits(&self, step: StepId) -> bool {
        let (need, free) = (self.needs[step], self.free);
        need.cpus <= free.cpus && need.memory_mib <= free.memory_mib && need.gpus <= free.gpus
    }

    fn release(&mut self, step: StepId) {
        let need = self.needs[step];
        self.running -= 1;
        self.free.cpus += need.cpus;
        self.free.memory_mib += need.memory_mib;
        self.free.gpus += need.gpus;
        self.free_gpus.extend(self.gpus.remove(&step).unwrap_or_default());
        debug_assert!(self.free.cpus <= self.budget.cpus && self.free.memory_mib <= self.budget.memory_mib);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { cpus: 2, memory_mib: 1000, gpus: 1 };

    fn need(cpus: u32, memory_mib: u64, gpus: u32) -> Need {
        Need { cpus, memory_mib, gpus }
    }

    fn schedule(edges: &[&[StepId]], needs: Vec<Need>, on_failure: OnFailure) -> Schedule {
        let edges: Vec<Vec<Edge>> = edges
            .iter()
            .map(|from| from.iter().map(|&from| Edge { from, tolerant: false }).collect())
            .collect();
        let wanted = vec![true; edges.len()];
        Schedule::new(edges, needs, &wanted, BUDGET, on_failure)
    }

    fn queue_all(schedule: &mut Schedule) {
        while let Some(step) = schedule.next_offer() {
            schedule.queue(step);
        }
    }

    #[test]
    fn a_step_waits_for_all_that_it_reads() {
        let mut s = schedule(&[&[], &[], &[0, 1]], vec![need(1, 0, 0); 3], OnFailure::StopAll);
        queue_all(&mut s);
        assert_eq!((s.next_start(), s.next_start(), s.next_start()), (Some(0), Some(1), None));
        s.settle(0, Outcome::Done);
        assert_eq!(s.next_offer(), None);
        s.settle(1, Outcome::Done);
        assert_eq!(s.next_offer(), Some(2));
    }

    #[test]
    fn two_steps_of_six_tenths_of_the_memory_never_overlap() {
        let mut s = schedule(&[&[], &[]], vec![need(1, 600, 0); 2], OnFailure::StopAll);
        queue_all(&mut s);
        assert_eq!((s.next_start(), s.next_start()), (Some(0), None));
        s.settle(0, Outcome::Done);
        assert_eq!(s.next_start(), Some(1));
    }

    #[test]
    fn a_small_step_passes_one_that_does_not_fit() {
        let mut s =
            schedule(&[&[], &[], &[]], vec![need(1, 0, 1), need(1, 0, 1), need(1, 0, 0)], OnFailure::StopAll);
        queue_all(&mut s);
        assert_eq!((s.next_start(), s.next_start()), (Some(0), Some(2)));
    }

    #[test]
    fn a_large_step_is_not_passed_for_ever() {
        let n = 100;
        let mut needs = vec![need(1, 0, 0); n];
        needs[0] = need(2, 0, 0);
        // One small step runs when the large one comes, and another is always there to pass it.
        let edges = (0..n).map(|step| if step == 0 { &[1][..] } else { &[] }).collect::<Vec<_>>();
        let mut s = schedule(&edges, needs, OnFailure::StopAll);
        queue_all(&mut s);
        let mut running = VecDeque::from([s.next_start().unwrap(), s.next_start().unwrap()]);
        for started in 2.. {
            s.settle(running.pop_front().unwrap(), Outcome::Done);
            queue_all(&mut s);
            while let Some(step) = s.next_start() {
                running.push_back(step);
            }
            if running.contains(&0) {
                assert!(started < 30, "after {started}");
                return;
            }
        }
    }

    #[test]
    fn no_two_running_steps_have_the_same_gpu() {
        let budget = Budget { gpus: 2, cpus: 4, ..BUDGET };
        let mut s =
            Schedule::new(vec![vec![]; 3], vec![need(1, 0, 1); 3], &[true; 3], budget, OnFailure::StopAll);
        queue_all(&mut s);
        assert_eq!((s.next_start(), s.next_start(), s.next_start()), (Some(0), Some(1), None));
        assert_eq!((s.gpus_of(0), s.gpus_of(1)), (&[0][..], &[1][..]));
        s.settle(0, Outcome::Done);
        assert_eq!(s.next_start(), Some(2));
        assert_eq!(s.gpus_of(2), [0]);
    }

    #[test]
    fn a_need_above_the_budget_runs_alone() {
        let mut s = schedule(&[&[], &[]], vec![need(64, 9999, 0), need(1, 0, 0)], OnFailure::StopAll);
        queue_all(&mut s);
        assert_eq!((s.next_start(), s.next_start()), (Some(0), None));
        assert_eq!(s.cpus_of(0), 2);
    }

    #[test]
    fn a_failure_stops_all_or_only_what_is_below() {
        for (on_failure, next) in [(OnFailure::StopAll, None), (OnFailure::StopDependents, Some(2))] {
            let mut s = schedule(&[&[], &[0], &[]], vec![need(2, 0, 0); 3], on_failure);
            queue_all(&mut s);
            assert_eq!(s.next_start(), Some(0));
            assert_eq!(s.settle(0, Outcome::Failed), [1]);
            assert_eq!(s.next_start(), next);
        }
    }

    #[test]
    fn a_chain_longer_than_the_stack_is_skipped_to_its_end() {
        let n = 1_000_000;
        let edge = |step: StepId| (step > 0).then(|| Edge { from: step - 1, tolerant: false });
        let edges = (0..n).map(|step| edge(step).into_iter().collect()).collect();
        let needs = vec![need(1, 0, 0); n];
        let mut s = Schedule::new(edges, needs, &vec![true; n], BUDGET, OnFailure::StopDependents);
        queue_all(&mut s);
        assert_eq!(s.next_start(), Some(0));
        assert!(s.settle(0, Outcome::Failed).into_iter().eq(1..n));
    }

    #[test]
    fn a_tolerant_edge_lets_a_hole_pass() {
        let edges = vec![vec![], vec![Edge { from: 0, tolerant: true }]];
        let mut s =
            Schedule::new(edges, vec![need(1, 0, 0); 2], &[true; 2], BUDGET, OnFailure::StopDependents);
        queue_all(&mut s);
        s.next_start();
        assert!(s.settle(0, Outcome::Failed).is_empty());
        assert_eq!(s.next_offer(), Some(1));
    }

    #[test]
    fn a_reopened_step_is_made_again_before_what_reads_it() {
        let mut s = schedule(&[&[], &[0], &[0]], vec![need(1, 0, 0); 3], OnFailure::StopAll);
        assert_eq!(s.next_offer(), Some(0));
        s.settle(0, Outcome::Done);
        assert_eq!((s.next_offer(), s.next_offer()), (Some(1), Some(2)));
        // Step 1 was done before; step 2 must run, and needs what step 0 made.
        s.settle(1, Outcome::Done);
        s.reopen(0);
        assert_eq!((s.next_offer(), s.next_offer()), (Some(0), None));
        s.queue(0);
        assert_eq!(s.next_start(), Some(0));
        s.settle(0, Outcome::Done);
        assert_eq!((s.next_offer(), s.next_offer()), (Some(2), None));
        s.queue(2);
        assert_eq!(s.next_start(), Some(2));
        // While it runs, what it reads is lost once more.
        s.wait_again(2);
        s.reopen(0);
        assert_eq!(s.next_offer(), Some(0));
        assert_eq!(s.next_offer(), None);
    }

    #[test]
    fn a_suspended_step_holds_nothing() {
        let mut s = schedule(&[&[], &[]], vec![need(2, 0, 0); 2], OnFailure::StopAll);
        queue_all(&mut s);
        assert_eq!(s.next_start(), Some(0));
        s.suspend(0);
        assert_eq!((s.running(), s.next_start()), (0, Some(1)));
        s.settle(1, Outcome::Done);
        assert_eq!((s.next_offer(), s.next_start()), (None, None));
        s.queue(0);
        assert_eq!(s.next_start(), Some(0));
    }

    #[test]
    fn steps_that_nobody_wants_are_left_out() {
        let edges = vec![vec![], vec![]];
        let mut s = Schedule::new(edges, vec![need(1, 0, 0); 2], &[false, true], BUDGET, OnFailure::StopAll);
        assert_eq!((s.next_offer(), s.next_offer()), (Some(1), None));
        assert_eq!(s.outcome(0), Some(Outcome::LeftOut));
    }
}

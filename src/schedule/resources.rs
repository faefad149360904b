//! The resources of a run, and what of them is taken.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::StepId;

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

impl Budget {
    /// A need, no larger than a budget.
    pub(super) fn cut_to(self, budget: Self) -> Self {
        Self {
            cpus: self.cpus.clamp(1, budget.cpus),
            memory_mib: self.memory_mib.min(budget.memory_mib),
            gpus: self.gpus.min(budget.gpus),
        }
    }
}

/// What running steps leave of a budget.
#[derive(Debug)]
pub(super) struct Pool {
    budget: Budget,
    free: Budget,
    /// The GPUs that nobody has, and those of each running step.
    free_gpus: BTreeSet<u32>,
    gpus: BTreeMap<StepId, Vec<u32>>,
}

impl Pool {
    /// All of a budget.
    pub(super) fn new(budget: Budget) -> Self {
        let free_gpus = (0..budget.gpus).collect();
        Self { budget, free: budget, free_gpus, gpus: BTreeMap::new() }
    }

    /// Whether no step fits any more, whatever it needs.
    pub(super) fn is_used_up(&self) -> bool {
        self.free.cpus == 0
    }

    /// Whether a need can be met now.
    pub(super) fn fits(&self, need: Need) -> bool {
        let free = self.free;
        need.cpus <= free.cpus && need.memory_mib <= free.memory_mib && need.gpus <= free.gpus
    }

    /// Takes what a step needs, which fits.
    pub(super) fn take(&mut self, step: StepId, need: Need) {
        self.free.cpus -= need.cpus;
        self.free.memory_mib -= need.memory_mib;
        self.free.gpus -= need.gpus;
        let gpus: Vec<u32> = self.free_gpus.iter().copied().take(need.gpus as usize).collect();
        self.free_gpus.retain(|gpu| !gpus.contains(gpu));
        self.gpus.insert(step, gpus);
    }

    /// Gives back what a step took.
    pub(super) fn give_back(&mut self, step: StepId, need: Need) {
        self.free.cpus += need.cpus;
        self.free.memory_mib += need.memory_mib;
        self.free.gpus += need.gpus;
        self.free_gpus.extend(self.gpus.remove(&step).unwrap_or_default());
        debug_assert!(self.free.cpus <= self.budget.cpus && self.free.memory_mib <= self.budget.memory_mib);
    }

    /// The GPUs of a step, counted from 0.
    pub(super) fn gpus_of(&self, step: StepId) -> &[u32] {
        self.gpus.get(&step).map_or(&[], Vec::as_slice)
    }

    /// How many steps have taken something.
    pub(super) fn taken(&self) -> usize {
        self.gpus.len()
    }
}

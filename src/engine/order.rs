//! From the plan to the schedule: which steps are wanted, what waits for what, what each needs.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use crate::plan::{Plan, StepId};
use crate::schedule::{Edge, Need, Schedule};

/// Which steps the targets want: themselves and all above them.
pub(crate) fn wanted(plan: &Plan, targets: &BTreeSet<String>) -> Vec<bool> {
    let mut wanted: Vec<bool> = plan
        .steps
        .iter()
        .map(|step| targets.is_empty() || targets.contains(&step.name) || targets.contains(&step.base))
        .collect();
    // Every step comes after all that it reads, so one pass from the end is enough.
    for id in (0..plan.steps.len()).rev().filter(|_| !targets.is_empty()) {
        if wanted[id] {
            for read in plan.steps[id].reads(&plan.searches) {
                wanted[read] = true;
            }
        }
    }
    wanted
}

/// The schedule of the wanted steps.
pub(super) fn schedule(plan: &Plan, wanted: &[bool], options: &Options) -> Schedule {
    let mut edges: Vec<Vec<Edge>> = plan
        .steps
        .iter()
        .map(|step| {
            let edges = step.inputs.iter().flat_map(|input| {
                let tolerant = input.may_miss;
                let from = input.source.steps(&plan.searches).into_iter();
                from.map(move |from| Edge { from, tolerant })
            });
            edges.collect()
        })
        .collect();
    // Candidates are released one after the other; a failed one does not hold up the next.
    for search in &plan.searches {
        for pair in search.candidates.windows(2) {
            edges[pair[1]].push(Edge { from: pair[0], tolerant: true });
        }
    }
    let needs = plan.steps.iter().map(|step| {
        let resources = step.resources;
        let cpus = if resources.cpus == 0 { options.budget.cpus } else { resources.cpus };
        // A stage that computes on the device takes a slot of it, whoever wrote the pipeline.
        let on_gpu = options.device.starts_with("cuda") && step.work.is_device_dependent();
        Need { cpus, memory_mib: resources.memory_mib, gpus: resources.gpus.max(on_gpu.into()) }
    });
    Schedule::new(edges, needs.collect(), wanted, options.budget, options.on_failure)
}

/// The search of each step that is a candidate of one.
pub(super) fn candidates(plan: &Plan) -> BTreeMap<StepId, usize> {
    let candidates = plan.searches.iter().enumerate();
    candidates.flat_map(|(n, search)| search.candidates.iter().map(move |step| (*step, n))).collect()
}

//! From the plan to the schedule: which steps are wanted, what waits for what, what each needs.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::Resources;

use super::Options;
use crate::plan::{Plan, PlannedStep, StepId};
use crate::schedule::{Budget, Edge, Need, Schedule};

/// Which steps the targets want: themselves and all above them.
pub(crate) fn wanted(plan: &Plan, targets: &BTreeSet<String>) -> Vec<bool> {
    let mut wanted: Vec<bool> =
        plan.steps.iter().map(|step| targets.is_empty() || targets.contains(&step.name)).collect();
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
        if options.nodes.is_some() {
            // What it needs is a matter between the cluster and the step.
            return Need { cpus: 1, memory_mib: 0, gpus: 0 };
        }
        let cpus = if resources.cpus == 0 { options.budget.cpus } else { resources.cpus };
        let on_gpu = step.is_on_gpu(&options.device);
        Need { cpus, memory_mib: step.memory_mib(&options.device), gpus: resources.gpus.max(on_gpu.into()) }
    });
    Schedule::new(edges, needs.collect(), wanted, options.budget, options.on_failure)
}

/// What to say of a step that should need more memory than this run has.
pub(super) fn memory_shortage(step: &PlannedStep, options: &Options) -> Option<String> {
    if options.nodes.is_some() {
        // The cluster says itself what it has not.
        return None;
    }
    let needed = step.memory?.of_machine(step.is_on_gpu(&options.device));
    let there = options.budget.memory_mib;
    (needed > there).then(|| {
        let (needed, there) = (gib(needed), gib(there));
        format!(
            "needs about {needed} of memory by what it computes, this run has {there}: it may run out of memory \
             (`igpt-flow stages {}` says which parameters spare it)",
            step.work.kind()
        )
    })
}

fn gib(mib: u64) -> String {
    format!("{:.1} GiB", mib as f64 / 1024.0)
}

/// What a step asks for and this run has not, and what comes of it, in words.
pub(super) fn shortages(asked: Resources, there: Budget) -> Vec<String> {
    let mut shortages = Vec::new();
    if asked.gpus > there.gpus {
        let gpus = if asked.gpus == 1 { "1 GPU".to_owned() } else { format!("{} GPUs", asked.gpus) };
        shortages.push(format!("asks for {gpus}, this run has {}: it runs without", there.gpus));
    }
    if asked.memory_mib > there.memory_mib {
        let (asked, there) = (gib(asked.memory_mib), gib(there.memory_mib));
        shortages.push(format!("asks for {asked} of memory, this run has {there}: it may run out of memory"));
    }
    if asked.cpus > there.cpus {
        shortages.push(format!("asks for {} CPUs, this run has {}: it gets those", asked.cpus, there.cpus));
    }
    shortages
}

/// The search of each step that is a candidate of one.
pub(super) fn candidates(plan: &Plan) -> BTreeMap<StepId, usize> {
    let candidates = plan.searches.iter().enumerate();
    candidates.flat_map(|(n, search)| search.candidates.iter().map(move |step| (*step, n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_told() {
        let there = Budget { cpus: 2, memory_mib: 4096, gpus: 0 };
        let fits = Resources { cpus: 2, memory_mib: 4096, gpus: 0 };
        assert!(shortages(fits, there).is_empty());
        let shortages = shortages(Resources { cpus: 512, memory_mib: 921_600, gpus: 1 }, there);
        assert_eq!(shortages.len(), 3);
        assert!(shortages[1].contains("900.0 GiB") && shortages[1].contains("4.0 GiB"), "{shortages:?}");
        assert!(shortages[2].contains("512"), "{shortages:?}");
    }
}

//! The steps of a run as tasks with the times that they should take: for the live view and for `plan`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Options;
use crate::engine::estimate::{Machine, estimate};
use crate::engine::forecast::wanted;
use crate::plan::{Plan, StepId};
use crate::report::eta::Task;
use crate::report::{Expected, Lookup};
use crate::store::Store;

/// The tasks of these steps, in the plan's order, each with its seconds where they are known.
pub(super) fn tasks(plan: &Plan, steps: &[(StepId, Option<f64>)]) -> Vec<Task> {
    let mut place = vec![None; plan.steps.len()];
    for (n, (step, _)) in steps.iter().enumerate() {
        place[*step] = Some(n);
    }
    // Candidates are tried one after the other.
    let mut before = vec![None; plan.steps.len()];
    for pair in plan.searches.iter().flat_map(|search| search.candidates.windows(2)) {
        before[pair[1]] = Some(pair[0]);
    }
    let task = |(step, seconds): &(StepId, Option<f64>)| {
        let reads = plan.steps[*step].reads(&plan.searches).chain(before[*step]);
        let after: BTreeSet<usize> = reads.filter_map(|read| place[read]).collect();
        let cpus = plan.steps[*step].resources.cpus;
        Task { seconds: *seconds, after: after.into_iter().collect(), cpus }
    };
    steps.iter().map(task).collect()
}

/// What the live view asks once something runs: the steps that are wanted, with their times.
pub(super) fn lookup(plan: &Arc<Plan>, store: &Store, options: &Options) -> Lookup {
    let (plan, store, options) = (Arc::clone(plan), store.clone(), options.clone());
    Box::new(move || {
        let machine = Machine { cpus: options.budget.cpus, numerics: &options.numerics };
        let estimates = estimate(&plan, &store, machine);
        let wanted = wanted(&plan, &options.targets);
        let seconds = |step: StepId| estimates[step].map(|estimate| estimate.wall_s);
        let steps = (0..plan.steps.len()).filter(|step| wanted[*step]);
        let steps: Vec<_> = steps.map(|step| (step, seconds(step))).collect();
        let searches = plan.searches.iter();
        let mut search = vec![None; plan.steps.len()];
        for one in searches {
            one.candidates.iter().for_each(|step| search[*step] = Some(one.name.clone()));
        }
        let expected = |((step, _), task): (&(StepId, _), Task)| Expected {
            name: plan.steps[*step].name.clone(),
            search: search[*step].clone(),
            task,
        };
        steps.iter().zip(tasks(&plan, &steps)).map(expected).collect()
    })
}

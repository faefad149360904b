//! How long steps should take: by what is recorded, else by how much they compute.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::plan::{Plan, PlannedStep, Work};
use crate::store::{Caches, Cost, Record, Store};

/// What an estimate is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What the step's last result took.
    Last,
    /// The same, by the amount of work that the parameters ask for now and did then.
    Scaled,
    /// What other instances of the step took.
    Instances,
    /// How much it computes, and what an ordinary machine does in a second: right to a factor of three.
    Shapes,
}

/// What a processor with AVX2 computes in a second in our operations: docs/performance.md has 70 to 95
/// with AVX-512, in billions.
const FLOPS_OF_PROCESSOR: f64 = 50e9;

/// What a data centre's GPU computes in a second in a training: docs/performance.md has 350 thousand
/// billions of the largest.
const FLOPS_OF_GPU: f64 = 150e12;

/// What steps compute with.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The processors of a step that takes all.
    pub cpus: u32,
    /// The numerics class of the run.
    pub numerics: &'a str,
}

impl Machine<'_> {
    /// The estimate of a step that never ran here.
    fn estimate(self, step: &PlannedStep) -> Option<Estimate> {
        let Work::Stage { stage, .. } = &step.work else { return None };
        let on_gpu = stage.spec().device_dependent && self.numerics.contains("cuda");
        let cpus = if step.resources.cpus == 0 { self.cpus } else { step.resources.cpus.min(self.cpus) };
        let speed = if on_gpu { FLOPS_OF_GPU } else { FLOPS_OF_PROCESSOR * f64::from(cpus.max(1)) };
        Some(Estimate { wall_s: step.flops? / speed, basis: Basis::Shapes })
    }
}

/// How long a step should take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Elapsed seconds.
    pub wall_s: f64,
    /// By what.
    pub basis: Basis,
}

/// What a step's last result took, and how much work that was, where its kind says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    cost: Cost,
    /// The work then and now.
    work: Option<(f64, f64)>,
}

impl Measured {
    pub(super) fn new(step: &PlannedStep, last: &Record) -> Self {
        let then = match &step.work {
            Work::Stage { stage, .. } if last.material.stage == stage.spec().name => {
                let params = last.material.params.iter();
                let params =
                    Value::Object(params.map(|(name, value)| (name.clone(), value.clone())).collect());
                stage.complete(&params).ok().and_then(|params| stage.work(&params))
            }
            _ => None,
        };
        let work = then.zip(work(step)).filter(|(then, now)| *then > 0.0 && *now > 0.0);
        Self { cost: last.cost, work }
    }

    fn estimate(self) -> Estimate {
        let wall_s = self.cost.wall_s;
        match self.work {
            Some((then, now)) if then != now => {
                Estimate { wall_s: wall_s * now / then, basis: Basis::Scaled }
            }
            _ => Estimate { wall_s, basis: Basis::Last },
        }
    }
}

/// How much work a step is, where its kind says so.
fn work(step: &PlannedStep) -> Option<f64> {
    match &step.work {
        Work::Stage { stage, params, .. } => stage.work(params),
        Work::Command(_) => None,
    }
}

/// The estimates of all steps, by what is known of the last result of each: of a step that has none,
/// by the mean of the other instances of its use in the pipeline, else by what it computes.
pub(super) fn estimates(
    plan: &Plan,
    measured: &[Option<Measured>],
    machine: Machine<'_>,
) -> Vec<Option<Estimate>> {
    // By the name in the YAML, and by whether the amount of work is known.
    let mut instances: HashMap<(&str, bool), (f64, f64)> = HashMap::new();
    for (step, measured) in plan.steps.iter().zip(measured) {
        if let Some(Measured { cost, work }) = measured {
            let (count, sum) = instances.entry((&step.base, work.is_some())).or_default();
            *count += 1.0;
            *sum += cost.wall_s / work.map_or(1.0, |(then, _)| then);
        }
    }
    let by_instances = |step: &PlannedStep| {
        let work = work(step).filter(|work| *work > 0.0);
        let (count, sum) = instances.get(&(step.base.as_str(), work.is_some()))?;
        Some(Estimate { wall_s: sum / count * work.unwrap_or(1.0), basis: Basis::Instances })
    };
    let estimate = |(step, measured): (&PlannedStep, &Option<Measured>)| match measured {
        Some(measured) => Some(measured.estimate()),
        None => by_instances(step).or_else(|| machine.estimate(step)),
    };
    plan.steps.iter().zip(measured).map(estimate).collect()
}

/// The estimates of all steps of a plan, whatever of it is in the store.
pub fn estimate(plan: &Plan, store: &Store, machine: Machine<'_>) -> Vec<Option<Estimate>> {
    let files = Caches::open(store);
    let measured = plan.steps.iter().map(|step| {
        let key = *files.last_keys(&plan.name, &step.name).first()?;
        Some(Measured::new(step, &store.record(&key)?))
    });
    estimates(plan, &measured.collect::<Vec<_>>(), machine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;

    const PIPELINE: &str = "stages:\n  images: {uses: images, with: {source: shapes}}\n  pre:\n    uses: train\n    \
                            in: {images: images.images}\n    matrix: {n: [1, 2]}\n    with: {steps: 300}\n";

    fn measured(wall_s: f64, work: Option<(f64, f64)>) -> Option<Measured> {
        Some(Measured { cost: Cost { wall_s, ..Cost::default() }, work })
    }

    const MACHINE: Machine<'_> = Machine { cpus: 4, numerics: "flex-f32" };

    #[test]
    fn estimates_follow_the_work_and_the_other_instances() {
        let plan = planned(PIPELINE, &Overrides::default()).unwrap();
        let estimate = |wall_s, basis| Some(Estimate { wall_s, basis });
        let of = |first, second| estimates(&plan, &[None, first, second], MACHINE);
        assert_eq!(of(None, None), [None, None, None]);
        let all = of(measured(10.0, Some((100.0, 300.0))), None);
        assert_eq!(all, [None, estimate(30.0, Basis::Scaled), estimate(30.0, Basis::Instances)]);
        assert_eq!(of(measured(10.0, None), None)[2], None, "nobody knows how much work that was");
        let all = of(measured(10.0, None), measured(20.0, Some((300.0, 300.0))));
        assert_eq!(all[1..], [estimate(10.0, Basis::Last), estimate(20.0, Basis::Last)]);
    }

    #[test]
    fn a_first_run_is_estimated_by_what_it_computes() {
        let mut plan = planned(PIPELINE, &Overrides::default()).unwrap();
        plan.steps[1].flops = Some(1e12);
        plan.steps[2].flops = Some(2e12);
        plan.steps[1].resources.cpus = 0;
        plan.steps[2].resources.cpus = 1;
        let seconds = |machine| {
            let all = estimates(&plan, &[None, None, None], machine);
            all.into_iter().map(|estimate| estimate.map(|one| (one.wall_s, one.basis))).collect::<Vec<_>>()
        };
        assert_eq!(seconds(MACHINE), [None, Some((5.0, Basis::Shapes)), Some((40.0, Basis::Shapes))]);
        let known = estimates(&plan, &[None, measured(7.0, None), None], MACHINE);
        assert_eq!(known[1].map(|one| one.basis), Some(Basis::Last), "what it took says more");
    }
}

//! What stages say of their outputs before they run is true afterwards.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;

use igpt_contract::{Known, KnownInput, KnownInputs, Labels, MetricValues, Sought};
use igpt_flow::pipeline::{Overrides, Pipeline};
use igpt_flow::plan::{Catalog, Source, Work, plan};
use igpt_flow::registry;

use crate::support::Project;

/// Compares every export of a pipeline that has run with what its stage foresees, for networks of
/// `n_layer` blocks; answers how many exports it spoke of.
pub(super) fn check(project: &Project, n_layer: usize) -> usize {
    let pipeline = Pipeline::read(&project.path("pipeline.yaml")).unwrap();
    let plan = plan(&pipeline, &Catalog::new(registry::stages()), &Overrides::default()).ok().unwrap();
    let labels = Labels::new();
    let mut inputs = KnownInputs::default();
    let network = Cow::Owned(Known::network(Some(n_layer)));
    inputs.push("model", KnownInput { labels: &labels, known: network });
    let mut spoken = 0;
    for export in &plan.exports {
        let (step, port) = match &export.source {
            Source::Step { step, port, .. } => (*step, port),
            Source::Winner { search, port, .. } => (plan.searches[*search].candidates[0], port),
            Source::Path(_) | Source::Glob { .. } => continue,
        };
        let step = &plan.steps[step];
        let Work::Stage { stage, params, .. } = &step.work else { continue };
        let foreseen = stage.foresee(params, &inputs).outputs;
        let Some(known) = foreseen.get(port.as_str()) else { continue };
        let (name, folder) = (&step.name, project.path(&export.path.display().to_string()));
        spoken += 1;
        if let Some(names) = &known.metrics {
            let made = MetricValues::read(&folder).unwrap();
            for number in made.values.keys() {
                assert!(names.may_have(number, Sought::Number), "{name}: the number {number}");
            }
            for fact in made.facts.keys() {
                assert!(names.facts.contains(fact), "{name}: the fact {fact}");
            }
        }
        if let Some(parts) = &known.parts {
            let made = fs::read_dir(&folder).unwrap();
            let made: BTreeSet<String> = made
                .map(|part| part.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "provenance.json")
                .collect();
            assert_eq!(made, parts.iter().cloned().collect(), "{name}: its parts");
        }
    }
    spoken
}

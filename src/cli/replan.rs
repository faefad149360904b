//! A past run's plan, made again from the texts that the run kept: its graph, its parameters and where they
//! came from.

use std::path::{Path, PathBuf};

use super::plan::params;
use crate::history::MadeOf;
use crate::pipeline::{Overrides, Pipeline};
use crate::plan::schema::plain;
use crate::plan::{Catalog, Plan, Source, plan};
use crate::registry;
use crate::report::clean::at_most;
use crate::store::{RunFolder, Store};
use crate::view::{Param, PlannedRun, PlannedStep};

/// How much of a value is shown.
const LONGEST: usize = 400;

/// The plan of a run; none where it kept no text, or where this version reads it differently.
pub(super) fn replan(store: &Store, run: &RunFolder) -> Option<PlannedRun> {
    let made_of = MadeOf::read(store, run)?;
    let names: Vec<PathBuf> = made_of.files.iter().map(|file| PathBuf::from(&file.name)).collect();
    let texts = names.iter().map(PathBuf::as_path).zip(made_of.files.iter().map(|file| &*file.text));
    let pipeline = Pipeline::of_texts(texts.map(|(name, text): (&Path, &str)| (name, text))).ok()?;
    let overrides = Overrides { profiles: made_of.profiles.clone(), sets: made_of.sets.clone() };
    let plan = plan(&pipeline, &Catalog::new(registry::stages()), &overrides).ok()?;
    Some(planned(&plan))
}

fn planned(plan: &Plan) -> PlannedRun {
    let steps = plan.steps.iter().map(|step| {
        let mut reads = Vec::new();
        let mut outside = Vec::new();
        for input in &step.inputs {
            let output = match &input.source {
                Source::Step { port, part, .. } | Source::Winner { port, part, .. } => {
                    part.as_ref().map_or_else(|| port.clone(), |part| format!("{port}.{part}"))
                }
                Source::Path(_) | Source::Glob { .. } => {
                    outside.push((input.port.clone(), input.source.on_disk().unwrap_or_default()));
                    continue;
                }
            };
            let producers = input.source.steps(&plan.searches).into_iter();
            reads.extend(producers.map(|producer| (producer, input.port.clone(), output.clone())));
        }
        let param = |(name, value, from): (&str, Option<serde_json::Value>, &str)| Param {
            name: name.to_owned(),
            value: at_most(value.as_ref().map(plain).unwrap_or_default(), LONGEST),
            from: from.to_owned(),
        };
        PlannedStep {
            name: step.name.clone(),
            base: step.base.clone(),
            kind: step.work.kind().to_owned(),
            params: params(step).into_iter().map(param).collect(),
            reads,
            outside,
        }
    });
    PlannedRun { description: plan.description.clone(), steps: steps.collect() }
}

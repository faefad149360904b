//! Steps with their records: of a run, or of a pipeline as it stands.

use std::path::{Path, PathBuf};

use igpt_contract::{Labels, MetricRow};
use serde_json::Value;

use super::backing::{Of, backed};
use super::error::CliError;
use super::history::{record_of, steps_of};
use super::load::load_with;
use super::options::{On, PipelineArgs};
use super::outlooks::{ExportsNow, look_ahead_to_exports};
use super::step_hint::named;
use crate::engine::forecast::{Forecast, wanted};
use crate::step_name::{axes, base};
use crate::store::{Record, RunFolder, Store};

/// A step that has a record.
pub(super) struct Recorded {
    /// Its name with its labels.
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) record: Record,
}

impl Recorded {
    /// Its numbers and curves as rows.
    pub(super) fn rows(&self) -> Vec<MetricRow> {
        MetricRow::of_step(base(&self.name), &self.labels, &self.record.metrics)
    }
}

/// The steps of a pipeline as it stands that have a result in the store, and the names of those that do not.
pub(super) struct OfPipeline {
    pub(super) steps: Vec<Recorded>,
    pub(super) missing: Vec<String>,
    pub(super) exports: ExportsNow,
    /// The store with the pipeline's remote behind it; none where there is no store yet.
    pub(super) store: Option<Store>,
}

/// The recorded steps of a pipeline, all or those that are named.
pub(super) fn of_pipeline(
    store: &Path,
    pipeline: &PipelineArgs,
    on: On<'_>,
    steps: &[String],
) -> Result<OfPipeline, CliError> {
    let plan = load_with(pipeline, steps)?;
    let (outlooks, exports) = look_ahead_to_exports(store, &plan, &pipeline.file, on)?;
    let named = plan.named(steps);
    let needed = wanted(&plan, &named);
    let opened = Store::open_existing(store).ok();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (id, step) in plan.steps.iter().enumerate() {
        let is_named = steps.is_empty() || named.contains(&step.name);
        if !needed[id] || !is_named {
            continue;
        }
        let record = match (&outlooks[id].forecast, &opened) {
            (Forecast::Reused(key), Some(store)) => store.record(key),
            // A candidate of a search that nobody needs is no loss.
            (Forecast::Undecided, _) => continue,
            _ => None,
        };
        match record {
            Some(record) => {
                found.push(Recorded { name: step.name.clone(), labels: step.labels.clone(), record });
            }
            None => missing.push(step.name.clone()),
        }
    }
    let store = opened.map(|store| backed(&store, None, Of::Plan(&plan))).transpose()?;
    Ok(OfPipeline { steps: found, missing, exports, store })
}

/// The recorded steps of a run, all or those that are named.
pub(super) fn of_run(store: &Store, run: &RunFolder, steps: &[String]) -> Result<Vec<Recorded>, CliError> {
    let (_, all) = steps_of(run);
    let names = all.iter().map(|step| step.name.as_str());
    let named = named(steps, &format!("run {}", run.id()), names)?;
    let named = all.iter().filter(|step| steps.is_empty() || named.contains(step.name.as_str()));
    let recorded = named.filter_map(|step| {
        let labels = axes(&step.name).into_iter().map(|(axis, value)| (axis, label(&value))).collect();
        Some(Recorded { name: step.name.clone(), labels, record: record_of(store, step)? })
    });
    Ok(recorded.collect())
}

/// The value of an axis, as the step's name has it: a number where it reads as one.
fn label(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Whether an argument means a pipeline's file, not a run.
pub(super) fn names_a_file(what: &str) -> Option<PathBuf> {
    let path = Path::new(what);
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    (is_yaml || path.is_file()).then(|| path.to_owned())
}

//! What the verbs that look back share: which run and which steps the user means.

use std::collections::BTreeSet;

use clap::Args;

use super::error::CliError;
use super::step_hint::step_hint;
pub(super) use crate::history::{record_of, steps_of};
use crate::step_name::{self, meant};
use crate::store::{RunFolder, StepRecord, Store};

/// A step of a run.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// The step: `probe` selects all of its instances, `probe:layer=3` those with layer 3.
    #[arg(value_parser = step_name::parse)]
    pub step: String,
    /// The run: an id or the start of one, or `last` [default: the latest run with the step].
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
}

/// Two runs.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The older run: an id or the start of one, or `last`.
    pub old: String,
    /// The newer run.
    #[arg(default_value = "last")]
    pub new: String,
}

/// The steps that were asked for, in the run that they were found in.
pub(super) struct Found {
    pub(super) run: RunFolder,
    pub(super) pipeline: String,
    pub(super) steps: Vec<StepRecord>,
}

/// Finds the steps in the named run, or in the latest that has them.
pub(super) fn find(store: &Store, args: &StepArgs) -> Result<Found, CliError> {
    let runs = match &args.run {
        Some(run) => vec![store.run(run)?],
        None => store.runs()?,
    };
    for run in runs.iter().rev() {
        let (pipeline, all) = steps_of(run);
        let names = all.iter().map(|step| step.name.as_str());
        let meant: BTreeSet<&str> = meant(&args.step, names).into_iter().collect();
        let steps: Vec<StepRecord> =
            all.iter().filter(|step| meant.contains(step.name.as_str())).cloned().collect();
        if !steps.is_empty() {
            return Ok(Found { run: run.clone(), pipeline, steps });
        }
    }
    Err(no_step(args, runs.last()))
}

/// No step of that name: in the run that was named, or in any.
fn no_step(args: &StepArgs, latest: Option<&RunFolder>) -> CliError {
    let what = match (latest, &args.run) {
        (Some(run), Some(_)) => format!("run {} has no step `{}`", run.id(), args.step),
        _ => format!("no run has a step `{}`", args.step),
    };
    let known = latest.map(|run| steps_of(run).1).unwrap_or_default();
    let names: Vec<&str> = known.iter().map(|step| step.name.as_str()).collect();
    let hint = match latest {
        Some(run) if !names.is_empty() => {
            step_hint(&args.step, &format!("the steps of {}", run.id()), &names)
        }
        _ => "`igpt-flow runs` lists the runs".to_owned(),
    };
    CliError::Usage { what, hint: Some(hint) }
}

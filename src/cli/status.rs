//! `status FILE`: what of a pipeline is in the store, in a line.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::error::CliError;
use super::options::PipelineArgs;
use super::plan::forecasts;
use crate::engine::forecast::Forecast;

/// Counts the steps that are there and those that are not.
pub(super) fn status(
    store: &Path,
    json: bool,
    args: &PipelineArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (plan, forecasts) = forecasts(store, args)?;
    let there = forecasts.iter().filter(|(forecast, _)| matches!(forecast, Forecast::Reused(_))).count();
    let missing: Vec<&str> = plan
        .steps
        .iter()
        .zip(&forecasts)
        .filter(|(_, (forecast, _))| !matches!(forecast, Forecast::Reused(_) | Forecast::Undecided))
        .map(|(step, _)| step.name.as_str())
        .collect();
    if json {
        let status =
            json!({"pipeline": plan.name, "steps": plan.steps.len(), "done": there, "missing": missing});
        writeln!(out, "{status:#}")?;
        return Ok(());
    }
    writeln!(out, "`{}`: {there} of {} steps are in {}", plan.name, plan.steps.len(), store.display())?;
    for name in missing {
        writeln!(out, "  missing {name}")?;
    }
    Ok(())
}

//! `status FILE`: what of a pipeline is in the store, in a line.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::error::CliError;
use super::options::SelectArgs;
use super::plan::{Outlooks, outlooks};
use crate::engine::forecast::Forecast;

/// Counts the steps that are there and those that are not.
pub(super) fn status(
    store: &Path,
    json: bool,
    args: &SelectArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let Outlooks { plan, wanted } = outlooks(store, args)?;
    let steps = wanted.len();
    let there = wanted.iter().filter(|(_, outlook)| matches!(outlook.forecast, Forecast::Reused(_))).count();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(_, outlook)| !matches!(outlook.forecast, Forecast::Reused(_) | Forecast::Undecided))
        .map(|(id, _)| plan.steps[*id].name.as_str())
        .collect();
    if json {
        let status = json!({"pipeline": plan.name, "steps": steps, "done": there, "missing": missing});
        writeln!(out, "{status:#}")?;
        return Ok(());
    }
    writeln!(out, "`{}`: {there} of {steps} steps are in {}", plan.name, store.display())?;
    for name in missing {
        writeln!(out, "  missing {name}")?;
    }
    Ok(())
}

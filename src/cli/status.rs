//! `status FILE`: how many steps of a pipeline are cached, and which are not.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use igpt_contract::counted;

use super::error::CliError;
use super::options::SelectArgs;
use super::outlooks::{Outlooks, outlooks};
use crate::engine::forecast::Forecast;

/// Counts the cached steps and lists the others.
pub(super) fn status(
    store: &Path,
    json: bool,
    args: &SelectArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let Outlooks { plan, wanted } = outlooks(store, args)?;
    let steps = wanted.len();
    let cached = wanted.iter().filter(|(_, outlook)| matches!(outlook.forecast, Forecast::Reused(_))).count();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(_, outlook)| !matches!(outlook.forecast, Forecast::Reused(_) | Forecast::Undecided))
        .map(|(id, _)| plan.steps[*id].name.as_str())
        .collect();
    let mut absent: Vec<&String> = wanted.iter().flat_map(|(_, outlook)| &outlook.absent).collect();
    absent.sort();
    absent.dedup();
    if json {
        let status = json!({
            "pipeline": plan.name, "steps": steps, "done": cached, "missing": missing,
            "absent_inputs": absent,
        });
        writeln!(out, "{status:#}")?;
        return Ok(());
    }
    let steps = counted(steps, "step");
    let cached = if missing.is_empty() { format!("all {steps}") } else { format!("{cached} of {steps}") };
    writeln!(out, "`{}`: {cached} cached in {}", plan.name, store.display())?;
    for name in missing {
        writeln!(out, "  not cached: {name}")?;
    }
    for path in absent {
        writeln!(out, "  not on disk: {path}; its recorded content is assumed")?;
    }
    Ok(())
}

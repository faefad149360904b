//! `check FILE`: whether a pipeline is valid and its input files exist, without running anything.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use igpt_contract::counted;

use super::error::CliError;
use super::load::{load, look_ahead};
use super::options::PipelineArgs;
use crate::plan::Plan;

/// Plans the pipeline and summarises it, or lists all of its errors (exit code 2).
pub(super) fn check(
    store: &Path,
    json: bool,
    args: &PipelineArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let plan = load(args)?;
    look_ahead(args, &plan, store, &BTreeSet::new())?;
    if json {
        writeln!(out, "{:#}", as_json(&plan))?;
    } else {
        writeln!(out, "{} is valid: {}", args.file.display(), contents(&plan))?;
    }
    Ok(())
}

fn as_json(plan: &Plan) -> serde_json::Value {
    let steps: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    json!({"ok": true, "name": plan.name, "steps": steps, "exports": plan.exports.len(), "errors": []})
}

/// A plan in numbers: `9 steps (12 instances, 1 search), 2 exports`.
fn contents(plan: &Plan) -> String {
    let bases: BTreeSet<&str> = plan.steps.iter().map(|step| step.base.as_str()).collect();
    let mut extra = Vec::new();
    if bases.len() < plan.steps.len() {
        extra.push(counted(plan.steps.len(), "instance"));
    }
    if !plan.searches.is_empty() {
        extra.push(counted(plan.searches.len(), "search"));
    }
    let extra = if extra.is_empty() { String::new() } else { format!(" ({})", extra.join(", ")) };
    format!("{}{extra}, {}", counted(bases.len(), "step"), counted(plan.exports.len(), "export"))
}

//! `check FILE`: whether a pipeline is right, without running or looking up anything.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::error::CliError;
use super::options::PipelineArgs;
use crate::pipeline::{Diagnostic, Overrides, Pipeline};
use crate::plan::{Catalog, Plan, plan};
use crate::registry;

/// Plans the pipeline and tells what it holds, or all of its errors (exit code 2).
pub(super) fn check(json: bool, args: &PipelineArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    if !json {
        let plan = super::load::load(args)?;
        writeln!(out, "{} is right: {}", args.file.display(), contents(&plan))?;
        return Ok(ExitCode::SUCCESS);
    }
    let overrides = Overrides { sets: args.sets.clone(), profiles: args.profiles.clone() };
    let catalog = Catalog::new(registry::stages());
    let planned = Pipeline::read(&args.file).and_then(|pipeline| plan(&pipeline, &catalog, &overrides));
    let (answer, code) = match &planned {
        Ok(plan) => (right(plan), ExitCode::SUCCESS),
        Err(errors) => (wrong(errors), ExitCode::from(2)),
    };
    writeln!(out, "{answer:#}")?;
    Ok(code)
}

fn right(plan: &Plan) -> serde_json::Value {
    let steps: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    json!({"ok": true, "name": plan.name, "steps": steps, "exports": plan.exports.len(), "errors": []})
}

fn wrong(errors: &[Diagnostic]) -> serde_json::Value {
    json!({"ok": false, "errors": errors})
}

/// What a plan holds: `9 steps (12 instances, 1 search), 2 exports`.
fn contents(plan: &Plan) -> String {
    let bases: BTreeSet<&str> = plan.steps.iter().map(|step| step.base.as_str()).collect();
    let mut extra = Vec::new();
    if bases.len() < plan.steps.len() {
        extra.push(count(plan.steps.len(), "instance"));
    }
    if !plan.searches.is_empty() {
        let word = if plan.searches.len() == 1 { "search" } else { "searches" };
        extra.push(format!("{} {word}", plan.searches.len()));
    }
    let extra = if extra.is_empty() { String::new() } else { format!(" ({})", extra.join(", ")) };
    format!("{}{extra}, {}", count(bases.len(), "step"), count(plan.exports.len(), "export"))
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

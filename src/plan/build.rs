//! Pipeline + catalog -> plan, or all of its errors. No input, no output, no clock.
//!
//! The phases: overrides and declarations; the kind, matrix and edges of each step; the order of
//! the steps; then, in that order, parameters, limits and inputs of each instance; exports. A step
//! with an error is marked as broken, and what reads it says nothing more about that.

use std::borrow::Cow;
use std::collections::HashSet;

use super::catalog::Catalog;
use super::instances::{MAX_STEPS, too_many};
use super::known_outputs::KnownByStep;
use super::planner::Planner;
use super::{Plan, exports, limits, remote};
use crate::pipeline::secrets::Secrets;
use crate::pipeline::{Diagnostic, Faults, Mark, Node, Overrides, Pipeline, Scope, Vars, apply, declare};

/// Plans a pipeline.
///
/// # Errors
/// Every error of the pipeline and the overrides, in the order of the file.
pub fn plan(pipeline: &Pipeline, catalog: &Catalog, overrides: &Overrides) -> Result<Plan, Vec<Diagnostic>> {
    // Where something is wrong, once more, for the places of all values.
    plan_tree(pipeline, pipeline.root(), catalog, overrides, &mut Secrets::default())
        .or_else(|_| plan_placed(pipeline, catalog, overrides))
}

/// The same with the places of all values: for what is wrong only outside of the pipeline.
///
/// # Errors
/// See [`plan`].
pub fn plan_placed(
    pipeline: &Pipeline,
    catalog: &Catalog,
    overrides: &Overrides,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut secrets = Secrets::default();
    plan_tree(pipeline, &pipeline.placed_root(), catalog, overrides, &mut secrets).map_err(|faults| {
        let found = pipeline.diagnostics(faults, overrides).into_iter();
        found.map(|one| one.masked(&secrets)).collect()
    })
}

fn plan_tree(
    pipeline: &Pipeline,
    root: &Node,
    catalog: &Catalog,
    overrides: &Overrides,
    secrets: &mut Secrets,
) -> Result<Plan, Faults> {
    let mut faults = Faults::default();
    let applied = apply(root, overrides, &mut faults);
    let decl = declare(&applied.root, &mut faults);
    let vars = Vars::evaluate(decl.vars, &decl.secrets, &mut faults);
    let redacted = Vars::redacted(decl.vars, &decl.secrets);
    let global = Scope { vars: &vars, matrix: None, seed: None };
    let seed =
        decl.seed.and_then(|node| limits::whole(node, "seed", u64::MAX, &global, &mut faults)).unwrap_or(0);
    let mut text = |text: Option<(Cow<'_, str>, Mark)>| {
        text.and_then(|(text, mark)| global.resolve_text(&text, mark, &mut faults)).unwrap_or_default()
    };
    let (mut name, description) = (text(decl.name), text(decl.description));
    if name.is_empty() {
        name = pipeline.file().file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    *secrets = vars.secrets(&decl.secrets);
    let remote = decl.remote.and_then(|node| remote::read(node, &global, secrets, &mut faults));
    let plan = Plan {
        name,
        description,
        seed,
        steps: Vec::new(),
        searches: Vec::new(),
        exports: Vec::new(),
        vars: vars.values().clone(),
        secrets: secrets.clone(),
        remote,
    };
    let index = decl.steps.iter().enumerate().map(|(i, step)| (step.name, i)).collect();
    let mut planner = Planner {
        declared_steps: Vec::with_capacity(decl.steps.len()),
        index,
        vars: &vars,
        redacted: redacted.as_ref(),
        applied: &applied,
        pipeline,
        plan,
        names: HashSet::new(),
        values: HashSet::new(),
        known_outputs: KnownByStep::default(),
        inputs: 0,
    };
    let mut instances = 0;
    for step in decl.steps {
        let mark = step.mark;
        let declared = planner.declare_step(step, catalog, seed, &mut faults);
        instances += declared.instances.as_ref().map_or(0, Vec::len);
        planner.declared_steps.push(declared);
        if instances > MAX_STEPS {
            too_many("instances of steps", MAX_STEPS, mark, &mut faults);
            return Err(faults);
        }
    }
    planner.check_references(&mut faults);
    let needed = planner.needed(decl.exports);
    for b in planner.order(&mut faults) {
        if needed[b] {
            planner.build(b, &mut faults);
        }
    }
    planner.plan.exports = exports::read(&planner, decl.exports, &mut faults);
    planner.check_feedback(&needed, &mut faults);
    if faults.is_empty() {
        planner.prune();
    }
    let plan = planner.plan;
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

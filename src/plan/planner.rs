//! The state of the planner: the steps as declared, and the plan as far as it has come.

use std::collections::{HashMap, HashSet};

use super::Plan;
use super::declared::DeclaredStep;
use super::known_outputs::KnownByStep;
use crate::pipeline::{Applied, Faults, Location, Mark, Pipeline, Vars};

/// The steps under construction.
pub(super) struct Planner<'a> {
    pub(super) declared_steps: Vec<DeclaredStep<'a>>,
    pub(super) index: HashMap<&'a str, usize>,
    pub(super) vars: &'a Vars,
    /// The variables with their secrets hidden, where there are any.
    pub(super) redacted: Option<&'a Vars>,
    pub(super) applied: &'a Applied<'a>,
    pub(super) pipeline: &'a Pipeline,
    pub(super) plan: Plan,
    /// The names of the plan's steps.
    pub(super) names: HashSet<String>,
    /// Instances by the values of their axes.
    pub(super) values: HashSet<String>,
    /// What is known of the outputs of the plan's steps.
    pub(super) known_outputs: KnownByStep,
    /// How many inputs the plan's steps have.
    pub(super) inputs: usize,
}

impl Planner<'_> {
    /// The place of a mark.
    pub(super) fn location(&self, mark: Mark) -> Location {
        self.pipeline.location(mark)
    }

    /// Reports that there is no step of that name.
    pub(super) fn unknown_step(&self, name: &str, mark: Mark, faults: &mut Faults) {
        let names = self.declared_steps.iter().map(|declared| declared.decl.name);
        let fault = faults.push(mark, format!("unknown step `{name}`"));
        fault.suggest(name, "steps", names);
        if fault.hint.is_none() {
            fault.hint("a path on disk starts with `./`");
        }
    }
}

//! The steps under construction: what the parts of the planner hand to each other.

use std::collections::{HashMap, HashSet};

use igpt_contract::{KindInfo, Labels, kind_info};

use serde_json::Value;

use super::catalog::CatalogEntry;
use super::edges::EdgeDecl;
use super::known_outputs::KnownByStep;
use super::{Plan, StepId};
use crate::pipeline::{Applied, AxisValues, Faults, Location, Mark, Pipeline, Spellings, StepDecl, Vars};

/// A step as declared, with all of its instances.
pub(super) struct DeclaredStep<'a> {
    pub(super) decl: StepDecl<'a>,
    /// What it uses; `None` if that is unknown.
    pub(super) kind: Option<StepKind<'a>>,
    pub(super) axes: Vec<String>,
    /// How the axes' values are spelled.
    pub(super) spellings: Spellings,
    /// `None` if the matrix is wrong.
    pub(super) instances: Option<Vec<Instance>>,
}

/// What a step uses.
#[derive(Clone, Copy)]
pub(super) enum StepKind<'a> {
    Stage(&'a CatalogEntry),
    Command,
}

/// One instance of a step: one combination of axis values.
pub(super) struct Instance {
    pub(super) labels: Labels,
    pub(super) seed: u64,
    pub(super) edges: Vec<EdgeDecl>,
    pub(super) planned: Planned,
    /// Whether something is wrong with its edges as they are written.
    pub(super) broken: bool,
}

/// What an instance became in the plan.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Planned {
    /// Nothing, because something is wrong with it (or it is not its turn yet).
    Nothing,
    Step(StepId),
    Search(usize),
}

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

    /// Tells that there is no step of that name.
    pub(super) fn unknown_step(&self, name: &str, mark: Mark, faults: &mut Faults) {
        let names = self.declared_steps.iter().map(|declared| declared.decl.name);
        let fault = faults.push(mark, format!("there is no step `{name}`"));
        fault.suggest(name, "steps", names);
        if fault.hint.is_none() {
            fault.hint("a path on disk starts with `./`");
        }
    }
}

impl DeclaredStep<'_> {
    /// The axis values that an instance's texts may name; `None` for a step without a matrix.
    pub(super) fn axes_of<'s>(&'s self, instance: &'s Instance) -> Option<AxisValues<'s>> {
        (!self.axes.is_empty()).then_some(AxisValues { labels: &instance.labels, spellings: &self.spellings })
    }

    /// The edges of all instances.
    pub(super) fn edges(&self) -> impl Iterator<Item = &EdgeDecl> {
        self.instances.iter().flatten().flat_map(|instance| &instance.edges)
    }
}

/// The kind of what commands make and of paths on disk.
pub(super) fn file_kind() -> KindInfo {
    kind_info("file").unwrap_or(KindInfo { name: "file", format: 1, part: None })
}

/// `probe`, or `probe[layer=3,seed=0]`.
pub(super) fn instance_name(step: &str, labels: &Labels, spellings: &Spellings) -> String {
    if labels.is_empty() {
        return step.to_owned();
    }
    let written = |(name, value): (&String, &Value)| {
        let spelling = spellings.below(&[name.as_str(), &value.to_string()]);
        format!("{name}={}", spelling.text(&[], value).unwrap_or_else(|| value.to_string()))
    };
    let labels: Vec<String> = labels.iter().map(written).collect();
    format!("{step}[{}]", labels.join(","))
}

//! Steps as declared: the kind, the instances and the edges of each, not yet in the plan.

use igpt_contract::{KindInfo, Labels, kind_info};
use serde_json::Value;

use super::StepId;
use super::catalog::CatalogEntry;
use super::edges::EdgeDecl;
use crate::pipeline::{AxisValues, Spellings, StepDecl};

/// A step as declared, with all of its instances.
pub(super) struct DeclaredStep<'a> {
    pub(super) decl: StepDecl<'a>,
    /// What it uses; `None` if that is unknown.
    pub(super) kind: Option<StepKind<'a>>,
    pub(super) axes: Vec<String>,
    /// How the axes' values are spelled.
    pub(super) spellings: Spellings,
    /// `None` if the matrix is invalid.
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

/// An axis value by which instances are told apart and matched: numbers by what they are, however they are written.
pub(super) fn by_value(value: &Value) -> String {
    match value.as_f64() {
        Some(x) if value.is_f64() && x.fract() == 0.0 && x.abs() < 2f64.powi(63) => (x as i64).to_string(),
        _ => value.to_string(),
    }
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

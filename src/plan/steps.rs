//! Steps as declared: the kind, the instances and the edges of each, which of them are planned, and in
//! which order.

use igpt_contract::{Arity, InputPort};

use super::catalog::{COMMAND, Catalog};
use super::declared::{DeclaredStep, Instance, Planned, StepKind};
use super::planner::Planner;
use super::{command, edges, limits, topo_sort};
use crate::pipeline::{AxisValues, Faults, Key, Matrix, Node, Scope, Spellings, StepDecl};

impl<'a> Planner<'a> {
    /// The kind, the instances and the edges of a step.
    pub(super) fn declare_step(
        &self,
        decl: StepDecl<'a>,
        catalog: &'a Catalog,
        seed: u64,
        faults: &mut Faults,
    ) -> DeclaredStep<'a> {
        let kind = decl.uses.and_then(|(uses, mark)| {
            let kind = match uses {
                COMMAND => Some(StepKind::Command),
                name => catalog.get(name).map(StepKind::Stage),
            };
            if kind.is_none() {
                faults.push(mark, format!("unknown stage kind `{uses}`")).suggest(
                    uses,
                    "stages",
                    catalog.names(),
                );
            }
            kind
        });
        check_ports(&decl, kind, faults);
        let global = Scope { vars: self.vars, matrix: None, seed: Some(seed) };
        let matrix = match decl.matrix {
            Some(node) => Matrix::expand(node, &global, faults),
            None => Some(Matrix::none()),
        };
        let Some(matrix) = matrix else {
            return DeclaredStep {
                decl,
                kind,
                axes: Vec::new(),
                spellings: Spellings::default(),
                instances: None,
            };
        };
        let has_axes = !matrix.axes.is_empty();
        let spellings = matrix.spellings;
        let instances = matrix.instances.into_iter().map(|labels| {
            let axes = AxisValues { labels: &labels, spellings: &spellings };
            let mut scope = Scope { matrix: has_axes.then_some(axes), ..global };
            let step_seed = decl.seed.and_then(|node| limits::whole(node, "seed", u64::MAX, &scope, faults));
            let seed = step_seed.unwrap_or(seed);
            scope.seed = Some(seed);
            let before = faults.len();
            let mut edges = Vec::with_capacity(decl.inputs.len());
            for (key, node) in decl.inputs {
                let optional = kind.is_some_and(|kind| is_optional(kind, &key.text));
                edges::read(&key.text, node, optional, &scope, &self.index, &mut edges, faults);
            }
            Instance { labels, seed, edges, planned: Planned::Nothing, broken: faults.len() > before }
        });
        let instances = Some(instances.collect());
        DeclaredStep { decl, kind, axes: matrix.axes, spellings, instances }
    }

    /// Reports references to steps that do not exist.
    pub(super) fn check_references(&self, faults: &mut Faults) {
        for edge in self.declared_steps.iter().flat_map(DeclaredStep::edges) {
            if let Some(output) = edge.output()
                && edge.producer.is_none()
            {
                self.unknown_step(&output.step, edge.mark, faults);
            }
        }
    }

    /// Which steps are planned: the pipeline's own, and of the included ones those that its own steps
    /// and its exports need.
    pub(super) fn needed(&self, exports: &[(Key, Node)]) -> Vec<bool> {
        let exported = |name: &str| {
            exports.iter().any(|(key, _)| key.text.split_once('.').is_some_and(|(step, _)| step == name))
        };
        let is_root =
            |declared: &DeclaredStep<'_>| declared.decl.mark.is_own() || exported(declared.decl.name);
        let mut needed: Vec<bool> = self.declared_steps.iter().map(is_root).collect();
        let mut open: Vec<usize> = (0..self.declared_steps.len()).filter(|b| needed[*b]).collect();
        while let Some(b) = open.pop() {
            for r in self.declared_steps[b].edges().filter_map(|edge| edge.producer) {
                if !std::mem::replace(&mut needed[r], true) {
                    open.push(r);
                }
            }
        }
        needed
    }

    /// The steps in order; where they form cycles, which is reported, in the order of the file.
    pub(super) fn order(&self, faults: &mut Faults) -> Vec<usize> {
        let mut reads = Vec::new();
        for (b, declared) in self.declared_steps.iter().enumerate() {
            let before = reads.len();
            reads.extend(declared.edges().filter_map(|edge| Some((b, edge.producer?))));
            reads[before..].sort_unstable();
        }
        reads.dedup();
        topo_sort::topo_sort(self.declared_steps.len(), &reads).unwrap_or_else(|cycles| {
            for cycle in cycles {
                self.report_cycle(&cycle, faults);
            }
            (0..self.declared_steps.len()).collect()
        })
    }

    fn report_cycle(&self, cycle: &[usize], faults: &mut Faults) {
        let names: Vec<&str> =
            cycle.iter().chain(cycle.first()).map(|b| self.declared_steps[*b].decl.name).collect();
        let reader = &self.declared_steps[cycle[0]];
        let edge = reader.edges().find(|edge| edge.output().is_some_and(|output| output.step == names[1]));
        let mark = edge.map_or(reader.decl.mark, |edge| edge.mark);
        if cycle.len() == 1 {
            faults
                .push(mark, format!("the step `{}` reads its own output", names[0]))
                .hint("name an output of another step, or a path such as `./data/x.tar`");
        } else {
            faults
                .push(mark, format!("the steps form a cycle: {}", names.join(" -> ")))
                .note("each step reads the one after the arrow")
                .hint("remove one of these inputs, or split a step in two");
        }
    }
}

/// Checks the ports of a step by name, once for all instances.
fn check_ports(decl: &StepDecl<'_>, kind: Option<StepKind<'_>>, faults: &mut Faults) {
    let Some(StepKind::Stage(entry)) = kind else {
        for (key, _) in decl.inputs.iter().filter(|(key, _)| kind.is_some() && !command::is_port(&key.text)) {
            faults
                .push(key.mark, format!("invalid port name `{}`", key.text))
                .hint("the input appears under this name in the command's directory: use letters, digits, `_` and `-`");
        }
        return;
    };
    let spec = &entry.spec;
    let port = |name: &str| spec.inputs.iter().find(|port| port.name == name);
    for (key, _) in decl.inputs {
        if port(&key.text).is_none() {
            faults.push(key.mark, format!("the stage `{}` has no input `{}`", spec.name, key.text)).suggest(
                &key.text,
                "inputs",
                spec.inputs.iter().map(|port| port.name),
            );
        }
    }
    for missing in spec.inputs.iter().filter(|port| is_required(port)) {
        if !decl.inputs.iter().any(|(key, _)| key.text == missing.name) {
            let article = super::with_article(missing.kind.name);
            faults
                .push(
                    decl.inputs_mark,
                    format!("the step `{}` is missing the input `{}`: {article}", decl.name, missing.name),
                )
                .hint(format!("`{}`: {}", missing.name, missing.doc));
        }
    }
}

/// Whether a step may go without that input.
fn is_optional(kind: StepKind<'_>, name: &str) -> bool {
    match kind {
        StepKind::Stage(entry) => {
            entry.spec.inputs.iter().any(|port| port.name == name && !is_required(port))
        }
        StepKind::Command => false,
    }
}

fn is_required(port: &InputPort) -> bool {
    port.arity == Arity::One
}

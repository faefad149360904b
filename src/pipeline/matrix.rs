//! `matrix`: axes -> the instances of a step, each a set of axis values.
//!
//! An axis may depend on others: `layer: {range: [0, "${vars.layers[matrix.model]}"]}`. Those that do
//! are worked out after those that do not, in the order of the file, and vary fastest.

use std::collections::{BTreeMap, HashMap, HashSet};

use igpt_contract::Labels;
use serde_json::{Map, Value};

use super::axes::{AxisReader, MAX_INSTANCES, note_axis, note_combinations};
use super::diagnostic::Faults;
use super::interpolate::names_in;
use super::node::{Data, Mark, Node, describe};
use super::scope::Scope;
use super::spelling::{Spelled, Spellings};

/// The most axes that one step may have.
const MAX_AXES: usize = 20;

/// The instances of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Matrix {
    /// The names of the axes, in the order of the file; those that depend on others come last.
    pub(crate) axes: Vec<String>,
    /// The instances: the product of the axes in their order (the last one changes fastest) without
    /// what is excluded, then what is included. A step without a matrix has one, without labels.
    pub(crate) instances: Vec<Labels>,
    /// How axis values are spelled, by axis and printed value.
    pub(crate) spellings: Spellings,
}

impl Matrix {
    /// Of a step without a matrix.
    pub(crate) fn none() -> Self {
        Self { axes: Vec::new(), instances: vec![Labels::new()], spellings: Spellings::default() }
    }

    /// Reads and expands the `matrix` of a step; `None` if it is invalid.
    pub(crate) fn expand(node: &Node, scope: &Scope<'_>, faults: &mut Faults) -> Option<Self> {
        let found = faults.len();
        let dependent: Vec<(&str, &Node)> = dependent(node).collect();
        let value = if dependent.is_empty() {
            scope.spelled(node, faults)?
        } else {
            let mut settled = node.clone();
            if let Data::Map(members) = &mut settled.data {
                members.retain(|(key, _)| dependent.iter().all(|(name, _)| key.text != *name));
            }
            scope.spelled(&settled, faults)?
        };
        if value.value.is_null() {
            // Nothing, or all that was in it is commented out.
            return Some(Self::none());
        }
        let mut spellings = Spellings::default();
        for name in value.value.as_object().into_iter().flat_map(Map::keys) {
            let below = Spelled { value: value.value[name].clone(), spellings: value.spellings.child(name) };
            match name.as_str() {
                "include" => note_combinations(&mut spellings, &below),
                "exclude" => {}
                axis => note_axis(&mut spellings, axis, &below),
            }
        }
        let value = value.value;
        let Value::Object(members) = &value else {
            faults
                .push(node.mark, format!("`matrix` must be a map of axes, found {}", describe(&value)))
                .hint("for example `matrix: {seed: [0, 1, 2]}`");
            return None;
        };
        let mut reader = AxisReader { node, faults };
        let mut axes: Vec<(String, Vec<Value>)> = Vec::new();
        for (name, values) in
            members.iter().filter(|(name, _)| !matches!(name.as_str(), "include" | "exclude"))
        {
            let values = reader.axis(name, values);
            axes.push((name.clone(), values.unwrap_or_default()));
        }
        let include = reader.combinations(members.get("include"), "include");
        let exclude = reader.combinations(members.get("exclude"), "exclude");
        if axes.is_empty()
            && let Some((_, first)) = include.first()
        {
            axes = first.keys().map(|name| (name.clone(), Vec::new())).collect();
        }
        let names: Vec<String> = axes
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(dependent.iter().map(|(name, _)| *name))
            .map(str::to_owned)
            .collect();
        for (mark, labels) in &include {
            reader.check_names(*mark, labels, &names, "include", true);
        }
        for (mark, labels) in &exclude {
            reader.check_names(*mark, labels, &names, "exclude", false);
        }
        if names.len() > MAX_AXES {
            let what = format!("a matrix has at most {MAX_AXES} axes, found {}", names.len());
            reader.faults.push(node.mark, what).hint("merge axes that change together");
        }
        if reader.faults.len() > found {
            return None;
        }

        let size = axes.iter().try_fold(1_usize, |n, (_, values)| n.checked_mul(values.len()));
        if size.is_none_or(|n| n + include.len() > MAX_INSTANCES) {
            faults
                .push(node.mark, format!("the matrix has more than {MAX_INSTANCES} instances"))
                .hint("use fewer axes or values, or split the step in two");
            return None;
        }
        let is_listed = axes.is_empty() && dependent.is_empty();
        let mut instances = if is_listed { Vec::new() } else { product(&axes) };
        for (name, values) in dependent {
            instances = reader.widen(instances, name, values, scope, &mut spellings)?;
        }
        let idle = remove(&mut instances, &exclude);
        for (mark, labels) in idle.into_iter().map(|i| &exclude[i]) {
            if is_written_out(node, labels) {
                let labels: Vec<String> =
                    labels.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
                faults
                    .push(*mark, format!("`exclude` matches no instance: none has {}", labels.join(",")))
                    .hint("remove it, or give values that the axes have");
            }
        }
        let mut there: HashSet<Labels> = HashSet::new();
        if !include.is_empty() {
            there.extend(instances.iter().cloned());
        }
        for (mark, labels) in include {
            if there.insert(labels.clone()) {
                instances.push(labels);
            } else {
                faults.push(mark, "this combination is already in the matrix").hint("remove it");
            }
        }
        if instances.is_empty() {
            let why = if exclude.is_empty() { "" } else { " once `exclude` is applied" };
            faults
                .push(node.mark, format!("the matrix is empty{why}"))
                .hint("remove the step, or give each axis at least one value");
        }
        (faults.len() == found).then_some(Self { axes: names, instances, spellings })
    }
}

fn product(axes: &[(String, Vec<Value>)]) -> Vec<Labels> {
    let mut instances = vec![Labels::new()];
    for (name, values) in axes {
        instances = instances
            .iter()
            .flat_map(|labels| {
                values.iter().map(|value| {
                    let mut labels = labels.clone();
                    labels.insert(name.clone(), value.clone());
                    labels
                })
            })
            .collect();
    }
    instances
}

/// Takes the excluded combinations out; returns which of them match no instance.
fn remove(instances: &mut Vec<Labels>, exclude: &[(Mark, Labels)]) -> Vec<usize> {
    // By the axes that they name, so that each instance is looked up and not compared with all.
    let mut groups: BTreeMap<Vec<&String>, HashMap<Vec<&Value>, Vec<usize>>> = BTreeMap::new();
    for (i, (_, out)) in exclude.iter().enumerate() {
        let group = groups.entry(out.keys().collect()).or_default();
        group.entry(out.values().collect()).or_default().push(i);
    }
    let mut idle: Vec<bool> = vec![true; exclude.len()];
    instances.retain(|labels| {
        let mut kept = true;
        for (axes, group) in &groups {
            let values: Option<Vec<&Value>> = axes.iter().map(|axis| labels.get(*axis)).collect();
            for i in values.and_then(|values| group.get(&values)).into_iter().flatten() {
                idle[*i] = false;
                kept = false;
            }
        }
        kept
    });
    (0..exclude.len()).filter(|i| idle[*i]).collect()
}

/// Whether the file itself gives the axes of a combination, so that it always matches or never does.
/// Where a profile or a `--set` decides, it may match under another one.
fn is_written_out(matrix: &Node, labels: &Labels) -> bool {
    labels.keys().map(String::as_str).chain(["exclude"]).all(|axis| matrix.get(axis).is_some_and(is_plain))
}

fn is_plain(node: &Node) -> bool {
    !matches!(node.mark, Mark::Set(_))
        && match &node.data {
            Data::Text(text) => !text.contains("${"),
            Data::List(items) => items.iter().all(is_plain),
            Data::Map(members) => members.iter().all(|(_, member)| is_plain(member)),
            _ => true,
        }
}

/// The axes that name axes.
fn dependent(matrix: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let members = matrix.as_map().unwrap_or_default().iter();
    let axes = members.filter(|(key, _)| !matches!(key.text.as_str(), "include" | "exclude"));
    axes.map(|(key, node)| (key.text.as_str(), node)).filter(|(_, node)| {
        let mut names_axis = false;
        names_in(node, &mut |name, _| {
            names_axis |= name.starts_with("matrix.") || name.contains("[matrix.");
        });
        names_axis
    })
}

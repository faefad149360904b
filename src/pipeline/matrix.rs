//! `matrix`: axes -> the instances of a step, each a set of axis values.

use std::collections::{BTreeMap, HashMap, HashSet};

use igpt_contract::Labels;
use serde_json::Value;

use super::diagnostic::Faults;
use super::interpolate::Scope;
use super::node::{Data, Mark, Node, describe};

/// The most instances that one step may have.
const MAX_INSTANCES: usize = 100_000;
/// The most axes that one step may have, and the longest text that an axis may hold, in bytes: every
/// instance carries a copy of all of its axis values.
const MAX_AXES: usize = 20;
const MAX_TEXT: usize = 1000;

/// The instances of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Matrix {
    /// The names of the axes, in the order of the file.
    pub(crate) axes: Vec<String>,
    /// The instances: the product of the axes in their order (the last one changes fastest) without
    /// what is excluded, then what is included. A step without a matrix has one, without labels.
    pub(crate) instances: Vec<Labels>,
}

impl Matrix {
    /// Of a step without a matrix.
    pub(crate) fn none() -> Self {
        Self { axes: Vec::new(), instances: vec![Labels::new()] }
    }

    /// Reads and expands the `matrix` of a step; `None` if it is wrong.
    pub(crate) fn expand(node: &Node, scope: &Scope<'_>, faults: &mut Faults) -> Option<Self> {
        let found = faults.len();
        let value = scope.resolve(node, faults)?;
        let Value::Object(members) = &value else {
            faults
                .push(node.mark, format!("`matrix` must be a mapping of axes, found {}", describe(&value)))
                .hint("for example `matrix: {seed: [0, 1, 2]}`");
            return None;
        };
        let mut reader = Reader { node, faults };
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
        let names: Vec<String> = axes.iter().map(|(name, _)| name.clone()).collect();
        for (mark, labels) in &include {
            reader.check_names(*mark, labels, &names, "include", true);
        }
        for (mark, labels) in &exclude {
            reader.check_names(*mark, labels, &names, "exclude", false);
        }
        if names.len() > MAX_AXES {
            let what = format!("a matrix has at most {MAX_AXES} axes, found {}", names.len());
            reader.faults.push(node.mark, what).hint("join axes that change together into one");
        }
        if faults.len() > found {
            return None;
        }

        let size = axes.iter().try_fold(1_usize, |n, (_, values)| n.checked_mul(values.len()));
        if size.is_none_or(|n| n + include.len() > MAX_INSTANCES) {
            faults
                .push(node.mark, format!("the matrix has more than {MAX_INSTANCES} instances"))
                .hint("make it smaller with fewer axes or values, or split the step in two");
            return None;
        }
        let mut instances = if axes.is_empty() { Vec::new() } else { product(&axes) };
        let idle = remove(&mut instances, &exclude);
        for (mark, labels) in idle.into_iter().map(|i| &exclude[i]) {
            if is_written_out(node, labels) {
                let labels: Vec<String> =
                    labels.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
                faults
                    .push(*mark, format!("`exclude` takes out nothing: no instance has {}", labels.join(",")))
                    .hint("leave it out, or give values that the axes have");
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
                faults.push(mark, "this combination is in the matrix already").hint("leave it out");
            }
        }
        if instances.is_empty() {
            let why = if exclude.is_empty() { "" } else { " once `exclude` is applied" };
            faults
                .push(node.mark, format!("the matrix is empty{why}"))
                .hint("leave the step out, or give each axis at least one value");
        }
        (faults.len() == found).then_some(Self { axes: names, instances })
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

/// Takes the excluded combinations out; answers which of them match no instance.
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

struct Reader<'a> {
    node: &'a Node,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn mark(&self, path: &[&str]) -> Mark {
        self.node.descend(path.iter().copied()).0.mark
    }

    /// The values of an axis: a list, or `{range: [first, last]}`, both ends included.
    fn axis(&mut self, name: &str, value: &Value) -> Option<Vec<Value>> {
        let mark = self.mark(&[name]);
        if !is_name(name) {
            self.faults
                .push(self.node.key_mark(name), format!("`{name}` is not a name for an axis"))
                .hint("names are lower-case letters, digits, `_` and `-`, and start with a letter");
            return None;
        }
        let values = match value {
            Value::Array(values) => values.clone(),
            Value::Object(members) if members.len() == 1 && members.contains_key("range") => {
                match range(&members["range"]) {
                    Ok(values) => values,
                    Err(what) => {
                        let mark = self.mark(&[name, "range"]);
                        self.faults
                            .push(mark, what)
                            .hint("a range is `[first, last]` or `[first, last, step]`, both ends included");
                        return None;
                    }
                }
            }
            other => {
                self.faults
                    .push(
                        mark,
                        format!("the axis `{name}` must be a list of values, found {}", describe(other)),
                    )
                    .hint(format!("write `{name}: [0, 1, 2]` or `{name}: {{range: [0, 2]}}`"));
                return None;
            }
        };
        if values.is_empty() {
            self.faults.push(mark, format!("the axis `{name}` has no values"));
            return None;
        }
        let mut seen = HashSet::new();
        for (i, value) in values.iter().enumerate() {
            let place = self.mark(&[name, &i.to_string()]);
            if !is_scalar(value) {
                self.faults.push(
                    place,
                    format!(
                        "a value of the axis `{name}` must be a number, a text or true or false, found {}",
                        describe(value)
                    ),
                );
            } else if value.as_str().is_some_and(|text| text.len() > MAX_TEXT) {
                self.faults
                    .push(place, format!("a value of the axis `{name}` is longer than {MAX_TEXT} bytes"))
                    .hint("axis values name instances: put the text into `vars` and its name here");
            } else if !seen.insert(value.to_string()) {
                self.faults
                    .push(place, format!("the axis `{name}` has the value {value} twice"))
                    .hint("keep one of the two");
            }
        }
        Some(values)
    }

    /// The combinations of `include` or `exclude`.
    fn combinations(&mut self, value: Option<&Value>, which: &str) -> Vec<(Mark, Labels)> {
        let Some(value) = value else { return Vec::new() };
        let mark = self.mark(&[which]);
        let hint = format!("write `{which}: [{{axis: value}}]`");
        let Value::Array(items) = value else {
            self.faults.push(mark, format!("`{which}` must be a list, found {}", describe(value))).hint(hint);
            return Vec::new();
        };
        let mut combinations = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let mark = self.mark(&[which, &i.to_string()]);
            match item {
                Value::Object(members) if !members.is_empty() && members.values().all(is_scalar) => {
                    combinations.push((mark, members.iter().map(|(k, v)| (k.clone(), v.clone())).collect()));
                }
                _ => {
                    let what = format!("an item of `{which}` must map axes to single values");
                    self.faults.push(mark, what).hint(hint.clone());
                }
            }
        }
        combinations
    }

    fn check_names(&mut self, mark: Mark, labels: &Labels, axes: &[String], which: &str, all: bool) {
        for name in labels.keys().filter(|name| !axes.contains(name)) {
            self.faults
                .push(mark, format!("`{which}` names the axis `{name}`, which the matrix does not have"))
                .suggest(name, "axes", axes.iter().map(String::as_str));
        }
        if all && let Some(axis) = axes.iter().find(|axis| !labels.contains_key(*axis)) {
            self.faults
                .push(mark, format!("`{which}` leaves out the axis `{axis}`"))
                .hint("an included combination gives a value for every axis");
        }
    }
}

fn range(value: &Value) -> Result<Vec<Value>, String> {
    let wrong = || format!("a range is a list of two or three whole numbers, found {value}");
    let items = value.as_array().ok_or_else(wrong)?;
    let numbers: Option<Vec<i64>> = items.iter().map(Value::as_i64).collect();
    let (first, last, step) = match numbers.as_deref() {
        Some([first, last]) => (*first, *last, 1),
        Some([first, last, step]) => (*first, *last, *step),
        _ => return Err(wrong()),
    };
    if step <= 0 {
        return Err(format!("the step of a range must be at least 1, found {step}"));
    }
    if last < first {
        return Err(format!("the range ends at {last}, before it starts at {first}"));
    }
    if last.abs_diff(first) / step.unsigned_abs() >= MAX_INSTANCES as u64 {
        return Err(format!("the range has more than {MAX_INSTANCES} values"));
    }
    // The value after the last one may be too large for the type.
    let values = std::iter::successors(Some(first), |value| value.checked_add(step));
    Ok(values.take_while(|value| *value <= last).map(Value::from).collect())
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// Whether a text may name a step or an axis: `[a-z][a-z0-9_-]*`.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

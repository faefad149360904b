//! The values of a matrix's axes, and the combinations that it includes and excludes.

use std::collections::HashSet;

use igpt_contract::Labels;
use serde_json::Value;

use super::diagnostic::Faults;
use super::names::is_name;
use super::node::{Mark, Node, describe};
use super::scope::{AxisValues, Scope};
use super::spelling::{Spelled, Spellings};

/// The most instances that one step may have.
pub(super) const MAX_INSTANCES: usize = 100_000;
/// The longest string that an axis may hold, in bytes: every instance carries a copy of all of its axis
/// values.
const MAX_TEXT: usize = 1000;

/// Reads the parts of one matrix.
pub(super) struct AxisReader<'a> {
    pub(super) node: &'a Node,
    pub(super) faults: &'a mut Faults,
}

impl AxisReader<'_> {
    fn mark(&self, path: &[&str]) -> Mark {
        self.node.descend(path.iter().copied()).0.mark
    }

    /// The values of an axis: a list, or `{range: [first, last]}`, both ends included.
    pub(super) fn axis(&mut self, name: &str, value: &Value) -> Option<Vec<Value>> {
        let mark = self.mark(&[name]);
        if !is_name(name) {
            self.faults
                .push(self.node.key_mark(name), format!("invalid axis name `{name}`"))
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
                        "a value of the axis `{name}` must be a number, a string, `true` or `false`, found {}",
                        describe(value)
                    ),
                );
            } else if value.as_str().is_some_and(|text| text.len() > MAX_TEXT) {
                self.faults
                    .push(place, format!("a value of the axis `{name}` is longer than {MAX_TEXT} bytes"))
                    .hint("axis values name instances: put the string into `vars` and use its name here");
            } else if !seen.insert(value.to_string()) {
                self.faults
                    .push(place, format!("the axis `{name}` lists the value {value} twice"))
                    .hint("remove one of them");
            }
        }
        Some(values)
    }

    /// The instances with an axis more, whose values depend on those that they have; `None` if it is
    /// wrong.
    pub(super) fn widen(
        &mut self,
        instances: Vec<Labels>,
        name: &str,
        values: &Node,
        scope: &Scope<'_>,
        spellings: &mut Spellings,
    ) -> Option<Vec<Labels>> {
        let mut wider = Vec::new();
        for labels in instances {
            let axes = AxisValues { labels: &labels, spellings: &*spellings };
            let value = Scope { matrix: Some(axes), ..*scope }.spelled(values, self.faults)?;
            note_axis(spellings, name, &value);
            let value = value.value;
            let before = self.faults.len();
            let values = self.axis(name, &value).filter(|_| self.faults.len() == before)?;
            if wider.len() + values.len() > MAX_INSTANCES {
                self.faults
                    .push(self.node.mark, format!("the matrix has more than {MAX_INSTANCES} instances"))
                    .hint("use fewer axes or values, or split the step in two");
                return None;
            }
            wider.extend(values.into_iter().map(|value| {
                let mut labels = labels.clone();
                labels.insert(name.to_owned(), value);
                labels
            }));
        }
        Some(wider)
    }

    /// The combinations of `include` or `exclude`.
    pub(super) fn combinations(&mut self, value: Option<&Value>, which: &str) -> Vec<(Mark, Labels)> {
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

    pub(super) fn check_names(
        &mut self,
        mark: Mark,
        labels: &Labels,
        axes: &[String],
        which: &str,
        all: bool,
    ) {
        for name in labels.keys().filter(|name| !axes.contains(name)) {
            self.faults
                .push(mark, format!("`{which}` names the axis `{name}`, which the matrix does not have"))
                .suggest(name, "axes", axes.iter().map(String::as_str));
        }
        if all && let Some(axis) = axes.iter().find(|axis| !labels.contains_key(*axis)) {
            self.faults
                .push(mark, format!("`{which}` has no value for the axis `{axis}`"))
                .hint("an included combination needs a value for every axis");
        }
    }
}

/// Notes how the values of an axis are spelled, by the axis and the printed value.
pub(super) fn note_axis(spellings: &mut Spellings, axis: &str, values: &Spelled) {
    for (i, value) in values.value.as_array().into_iter().flatten().enumerate() {
        note(spellings, axis, value, values.spellings.child(&i.to_string()));
    }
}

/// Notes how the combinations of an `include` are spelled.
pub(super) fn note_combinations(spellings: &mut Spellings, combinations: &Spelled) {
    for (i, item) in combinations.value.as_array().into_iter().flatten().enumerate() {
        for (axis, value) in item.as_object().into_iter().flatten() {
            note(spellings, axis, value, combinations.spellings.below(&[i.to_string().as_str(), axis]));
        }
    }
}

fn note(spellings: &mut Spellings, axis: &str, value: &Value, spelling: Spellings) {
    let mut of_value = Spellings::default();
    of_value.adopt(&value.to_string(), spelling);
    spellings.adopt(axis, of_value);
}

fn range(value: &Value) -> Result<Vec<Value>, String> {
    let wrong = || format!("a range is a list of two or three integers, found {value}");
    let items = value.as_array().ok_or_else(wrong)?;
    let numbers: Option<Vec<i64>> = items.iter().map(Value::as_i64).collect();
    let (first, last, step) = match numbers.as_deref() {
        Some([first, last]) => (*first, *last, 1),
        Some([first, last, step]) => (*first, *last, *step),
        _ => return Err(wrong()),
    };
    if step <= 0 {
        return Err(format!("the step of a range must be ≥ 1, found {step}"));
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

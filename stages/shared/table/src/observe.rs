//! Metrics artifacts as tables and figures read them: names with values.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{ChosenValue, Curve, LabelledInput, MetricValues, StageError};
use serde::Serialize;

pub use crate::suggest::unknown;
pub use crate::value::Value;

/// An input of the step: its port, and its place there. A gathered port's inputs come in the order of
/// the step's key, so that the place is the same in the step's record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InputRef {
    /// The port.
    pub port: String,
    /// The place, from 0.
    pub index: usize,
}

/// One metrics artifact.
#[derive(Debug, Clone)]
pub struct Observation {
    values: BTreeMap<String, Value>,
    /// The names among `values` that are labels.
    labels: BTreeSet<String>,
    input: Option<InputRef>,
    curves: BTreeMap<String, Curve>,
}

impl Observation {
    /// The labels and numbers of an artifact. A label hides a number of its name, a number a fact.
    pub fn new(labels: &igpt_contract::Labels, metrics: &MetricValues) -> Self {
        let facts = metrics.facts.iter().map(|(name, text)| (name.clone(), Value::Text(text.clone())));
        let numbers = metrics.values.iter().map(|(name, x)| (name.clone(), Value::Number(*x)));
        let named = labels.iter().map(|(name, value)| (name.clone(), Value::of(value)));
        let values = facts.chain(numbers).chain(named).collect();
        let curves = metrics.curves.clone();
        Self { values, labels: labels.keys().cloned().collect(), input: None, curves }
    }

    /// The same, of an input of the step.
    #[must_use]
    pub fn of(self, port: &str, index: usize) -> Self {
        Self { input: Some(InputRef { port: port.to_owned(), index }), ..self }
    }

    /// The input that it was read from.
    pub fn input(&self) -> Option<&InputRef> {
        self.input.as_ref()
    }

    /// The curve of a name.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.curves.get(name)
    }

    /// The names of its curves.
    pub fn curve_names(&self) -> impl Iterator<Item = &str> {
        self.curves.keys().map(String::as_str)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether the name is that of a label.
    pub fn is_label(&self, name: &str) -> bool {
        self.labels.contains(name)
    }

    /// The name of the input that it came by; empty if the input has none.
    pub fn step(&self) -> String {
        self.get("step").map(Value::text).unwrap_or_default()
    }

    /// Whether it was made as `other` was, so that a name of `other` that it lacks is a hole. Where
    /// the wires have names, those tell. Else the artifacts must: equal names of labels, and nothing
    /// here that is not there.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self.is_label("step"), other.is_label("step")) {
            (true, true) => self.step() == other.step(),
            (false, false) => {
                self.labels == other.labels && self.values.keys().all(|name| other.get(name).is_some())
            }
            _ => false,
        }
    }

    /// Its labels with their values, by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.labels.iter().map(|name| (name.as_str(), &self.values[name]))
    }

    /// The names of its labels but for the one that the planner reserves.
    pub fn axes(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str).filter(|name| *name != "step")
    }

    /// Its labels and their values, but for some.
    pub fn labels_but(&self, but: &[String]) -> Vec<(&str, &Value)> {
        let others = self.labels.iter().filter(|name| !but.contains(name));
        others.filter_map(|name| Some((name.as_str(), self.get(name)?))).collect()
    }

    /// Whether every condition holds.
    pub fn meets(&self, conditions: &BTreeMap<String, String>) -> bool {
        conditions.iter().all(|(name, wanted)| self.get(name).is_some_and(|v| v.text() == *wanted))
    }
}

/// Whether a metric is a share of images: by its name, or because its parameters say what counts.
pub fn is_share(metric: &str, count: &str) -> bool {
    !count.is_empty() || metric == "accuracy" || metric.starts_with("accuracy.")
}

/// How many images a share is of: the number named `count`, else the one that probes (`rows.test`)
/// or fine-tuning (`images.test`) put beside `accuracy.test`.
pub fn images(observation: &Observation, metric: &str, count: &str) -> Option<f64> {
    if !is_share(metric, count) {
        return None;
    }
    let number = |name: &str| observation.get(name).and_then(Value::number).filter(|n| *n >= 1.0);
    if !count.is_empty() {
        return number(count);
    }
    // `accuracy.test.mode` is of the test images too.
    let part = metric.split('.').nth(1).unwrap_or("test");
    number(&format!("rows.{part}")).or_else(|| number(&format!("images.{part}")))
}

/// Reads the artifacts of a port, in an order that depends on their content alone.
///
/// # Errors
/// If there is none, or one cannot be read.
pub fn read(port: &str, inputs: &[LabelledInput]) -> Result<Vec<Observation>, StageError> {
    let mut observations = Vec::with_capacity(inputs.len());
    for (i, input) in inputs.iter().enumerate() {
        let metrics = MetricValues::read(&input.path).map_err(|e| {
            StageError::caused(format!("`{}` is not a metrics artifact", input.path.display()), e)
        })?;
        observations.push(Observation::new(&input.labels, &metrics).of(port, i));
    }
    if observations.is_empty() {
        return Err(StageError::new("expected at least one input at the port `metrics`, found none")
            .hint("connect it to the metrics of some steps, such as `metrics: probe.*`"));
    }
    // Sums of floats depend on their order, and inputs come in any.
    observations.sort_by_cached_key(|o| format!("{:?}", o.values));
    Ok(observations)
}

/// Every value that searches tried: each is an observation with the searched parameter as a label,
/// the metric that decided, and the fact `chosen`, `yes` or `no`.
///
/// # Errors
/// If one cannot be read.
pub fn tried(port: &str, inputs: &[LabelledInput]) -> Result<Vec<Observation>, StageError> {
    let mut observations = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let choice = ChosenValue::read(&input.path).map_err(|e| {
            StageError::caused(format!("`{}` is not what a search chose", input.path.display()), e)
        })?;
        for tried in choice.tried {
            let chosen = if tried.value == choice.value { "yes" } else { "no" };
            let mut metrics = MetricValues::default();
            metrics.values.extend(tried.metric.map(|x| (choice.metric.clone(), x)));
            metrics.facts.insert("chosen".to_owned(), chosen.to_owned());
            let mut labels = input.labels.clone();
            labels.insert(choice.param.clone(), tried.value);
            observations.push(Observation::new(&labels, &metrics).of(port, i));
        }
    }
    observations.sort_by_cached_key(|o| format!("{:?}", o.values));
    Ok(observations)
}

/// That some artifact has a value of this name.
///
/// # Errors
/// Names what is there, and what may have been meant.
pub fn require(observations: &[Observation], name: &str) -> Result<(), StageError> {
    if observations.iter().any(|o| o.get(name).is_some()) {
        return Ok(());
    }
    let known: BTreeSet<&String> = observations.iter().flat_map(|o| o.values.keys()).collect();
    let known: Vec<String> = known.into_iter().cloned().collect();
    let error = StageError::new(unknown("metric, fact or label", name, &known));
    Err(match name {
        "step" => error.hint("`step` is the name of an input that has one: `metrics: [{probe: probe.*}]`"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_search_tried_is_seen_value_by_value() {
        let dir = tempfile::tempdir().unwrap();
        let choice = r#"{"param": "rate", "value": 0.1, "metric": "loss", "tried": [
            {"value": 1.0, "metric": null}, {"value": 0.1, "metric": 2.5}]}"#;
        std::fs::write(dir.path().join("choice.json"), choice).unwrap();
        let labels = [("model".to_owned(), "s".into())].into();
        let seen = tried("choices", &[LabelledInput { path: dir.path().to_owned(), labels }]).unwrap();
        let shown = |name: &str| -> Vec<String> {
            seen.iter().map(|o| o.get(name).map_or("none".to_owned(), Value::text)).collect()
        };
        // In the order of their content: `chosen` is the first of the names.
        assert_eq!(shown("rate"), ["1", "0.1"]);
        assert_eq!(shown("loss"), ["none", "2.5"], "a candidate that failed has no metric");
        assert_eq!(shown("chosen"), ["no", "yes"]);
        assert_eq!(shown("model"), ["s", "s"]);
        assert!(seen.iter().all(|o| o.is_label("rate") && o.is_label("model") && !o.is_label("chosen")));
    }
}

//! The metrics artifacts as tables and figures see them: names with values.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{ChosenValue, LabelledInput, MetricValues, StageError};

/// The value of a name.
#[derive(Debug, Clone)]
pub enum Value {
    /// A number: a metric, or a label that is one.
    Number(f64),
    /// A text: a fact, or a label that is none.
    Text(String),
    /// The artifact does not have the name: fine-tuning has no layer.
    Missing,
}

impl Value {
    /// Of a label or a condition. A whole number that no float holds stays a text: rounded, it would
    /// be merged with its neighbours.
    pub fn of(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Number(number) => match number.as_f64() {
                Some(x) if number.is_f64() || x.to_string() == number.to_string() => Self::Number(x),
                _ => Self::Text(number.to_string()),
            },
            other => Self::Text(other.to_string()),
        }
    }

    /// As a number, where it is one, or a text that is written as that number would be: `2`, but
    /// not `2.0`, which is another text, and not `nan`, which may be a name.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(x) => Some(*x),
            Self::Text(text) => text.parse().ok().filter(|x: &f64| x.is_finite() && x.to_string() == *text),
            Self::Missing => None,
        }
    }

    /// As it is shown in a row's heading.
    pub fn text(&self) -> String {
        match self {
            Self::Number(x) => x.to_string(),
            Self::Text(text) => text.clone(),
            Self::Missing => "–".to_owned(),
        }
    }
}

/// The natural order: numbers first, by size (layer 2 before layer 10), then texts, then what is
/// missing.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => {
                let missing = |value: &Self| matches!(value, Self::Missing);
                missing(self).cmp(&missing(other)).then_with(|| self.text().cmp(&other.text()))
            }
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

/// One metrics artifact.
#[derive(Debug, Clone)]
pub struct Observation {
    values: BTreeMap<String, Value>,
    /// The names among `values` that are labels.
    labels: BTreeSet<String>,
}

impl Observation {
    /// The labels and numbers of an artifact. A label hides a number of its name, a number a fact.
    pub fn new(labels: &igpt_contract::Labels, metrics: &MetricValues) -> Self {
        let facts = metrics.facts.iter().map(|(name, text)| (name.clone(), Value::Text(text.clone())));
        let numbers = metrics.values.iter().map(|(name, x)| (name.clone(), Value::Number(*x)));
        let named = labels.iter().map(|(name, value)| (name.clone(), Value::of(value)));
        Self { values: facts.chain(numbers).chain(named).collect(), labels: labels.keys().cloned().collect() }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether the name is that of a label.
    pub fn is_label(&self, name: &str) -> bool {
        self.labels.contains(name)
    }

    /// What the pipeline called the wire that it came by; empty where the wire has no name.
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

/// Reads the artifacts, in an order that depends on their content alone.
///
/// # Errors
/// If there is none, or one cannot be read.
pub fn read(inputs: &[LabelledInput]) -> Result<Vec<Observation>, StageError> {
    let mut observations = Vec::with_capacity(inputs.len());
    for input in inputs {
        let metrics = MetricValues::read(&input.path).map_err(|e| {
            StageError::caused(format!("`{}` is not a metrics artifact", input.path.display()), e)
        })?;
        observations.push(Observation::new(&input.labels, &metrics));
    }
    if observations.is_empty() {
        return Err(StageError::new("the port `metrics` has no inputs: there is nothing to report")
            .hint("wire it to the metrics of some steps, `metrics: probe.*` for instance"));
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
pub fn tried(inputs: &[LabelledInput]) -> Result<Vec<Observation>, StageError> {
    let mut observations = Vec::new();
    for input in inputs {
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
            observations.push(Observation::new(&labels, &metrics));
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
        "step" => error.hint("`step` is the name of a wire that has one: `metrics: [{probe: probe.*}]`"),
        _ => error,
    })
}

/// The text of an error about a name that is not known.
pub fn unknown(what: &str, name: &str, known: &[String]) -> String {
    let near = known
        .iter()
        .map(|k| (distance(name, k), k))
        .min()
        .filter(|(d, _)| *d <= 1 + name.chars().count() / 3);
    let longer = || known.iter().find(|k| !name.is_empty() && k.starts_with(name));
    let meant = near.map(|(_, k)| k).or_else(longer);
    let meant = meant.map_or(String::new(), |k| format!("; did you mean `{k}`?"));
    let list: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
    format!("there is no {what} `{name}`{meant} (there are {})", list.join(", "))
}

/// The edit distance between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_first_and_by_size() {
        let text = |t: &str| Value::Text(t.to_owned());
        let mut values = [Value::Missing, text("~"), Value::Number(10.0), text("2"), Value::Number(-1.0)];
        values.sort();
        let shown: Vec<String> = values.iter().map(Value::text).collect();
        assert_eq!(shown, ["-1", "2", "10", "~", "–"]);
    }

    #[test]
    fn texts_are_numbers_where_they_print_back_the_same() {
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(text("1").number(), Some(1.0));
        assert_eq!(["1.0", "nan", "NaN", "inf", "1e3", ""].map(|t| text(t).number()), [None; 6]);
        assert_ne!(text("1"), text("1.0"));
        // A seed of 64 bits is no float, and its neighbour is another seed.
        let seed = |x: u64| Value::of(&serde_json::json!(x));
        assert_ne!(seed(9_007_199_254_740_993), seed(9_007_199_254_740_992));
        assert_eq!(Value::of(&serde_json::json!(2.0)), Value::of(&serde_json::json!(2)));
    }

    #[test]
    fn what_a_search_tried_is_seen_value_by_value() {
        let dir = tempfile::tempdir().unwrap();
        let choice = r#"{"param": "rate", "value": 0.1, "metric": "loss", "tried": [
            {"value": 1.0, "metric": null}, {"value": 0.1, "metric": 2.5}]}"#;
        std::fs::write(dir.path().join("choice.json"), choice).unwrap();
        let labels = [("model".to_owned(), "s".into())].into();
        let seen = tried(&[LabelledInput { path: dir.path().to_owned(), labels }]).unwrap();
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

    #[test]
    fn a_slip_of_the_pen_gets_a_suggestion() {
        let known = ["accuracy.test".to_owned(), "loss.test".to_owned()];
        let text = unknown("metric", "acuracy.test", &known);
        assert_eq!(
            text,
            "there is no metric `acuracy.test`; did you mean `accuracy.test`? \
             (there are `accuracy.test`, `loss.test`)"
        );
        assert!(!unknown("metric", "perplexity", &known).contains("did you mean"));
    }
}

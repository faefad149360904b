//! Points whose two numbers come from different artifacts: a loss of pre-training, an accuracy of a
//! probe, joined by what both are called.

use std::collections::BTreeMap;

use igpt_contract::{StageError, counted};
use igpt_table::observe::{Observation, Value};

use crate::figure_params::Figure;
use crate::series::SeriesKey;
use crate::statistics::{Measured, Statistics};

/// A point of a series: the mean of `x`, and the statistics of `y`.
pub(crate) type Joined = (f64, Statistics);

/// The points of each series, in the order of the other names' values.
///
/// # Errors
/// If `x` or `y` is not a number somewhere.
pub(crate) fn joined<'a>(
    figure: &Figure,
    observations: &'a [Observation],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<SeriesKey<'a>, Vec<Joined>>, StageError> {
    type Numbers = (Vec<Measured>, Vec<Measured>);
    let mut points: BTreeMap<(Option<&Value>, Vec<&Value>), Numbers> = BTreeMap::new();
    let mut nameless = 0;
    for observation in observations {
        let number = |name: &str, count: &str| match observation.get(name) {
            None => Ok(None),
            Some(value) => Measured::of(observation, name, count).map(Some).ok_or_else(|| {
                StageError::new(format!("figure: expected numbers for `{name}`, found `{}`", value.text()))
            }),
        };
        let x = if observation.meets(&figure.x_where) { number(&figure.x, "")? } else { None };
        let y = number(&figure.y, &figure.count)?;
        if x.is_none() && y.is_none() {
            continue;
        }
        let others = figure.points.iter().filter(|name| **name != figure.series);
        let others: Option<Vec<&Value>> = others.map(|name| observation.get(name)).collect();
        let series = observation.get(&figure.series);
        let Some(others) = others.filter(|_| figure.series.is_empty() || series.is_some()) else {
            nameless += 1;
            continue;
        };
        let (xs, ys) = points.entry((series, others)).or_default();
        xs.extend(x);
        ys.extend(y);
    }
    if nameless > 0 {
        notes.push(format!(
            "the figure leaves out {} with `{}` or `{}` but without all of {:?}",
            counted(nameless, "artifact"),
            figure.x,
            figure.y,
            figure.points
        ));
    }
    let mut series: BTreeMap<SeriesKey<'_>, Vec<Joined>> = BTreeMap::new();
    for ((name, others), (xs, ys)) in points {
        if let (Some(x), Some(y)) = (Statistics::of(&xs), Statistics::of(&ys)) {
            series.entry((name, 0)).or_default().push((x.mean, y));
            continue;
        }
        let lacking = if xs.is_empty() { &figure.x } else { &figure.y };
        let point: Vec<String> = name.into_iter().chain(others).map(Value::text).collect();
        notes.push(format!("the figure leaves out the point {}: it has no `{lacking}`", point.join(", ")));
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::{Labels, MetricValues};

    #[test]
    fn numbers_meet_by_the_values_of_the_names() {
        let artifact = |labels: serde_json::Value, name: &str, x: f64| {
            let labels: Labels = serde_json::from_value(labels).unwrap();
            Observation::new(&labels, &MetricValues::default().with(name, x))
        };
        let labels = |model, at| serde_json::json!({"model": model, "at": at, "of": "network"});
        let observations = [
            artifact(labels("s", 100), "loss", 3.0),
            artifact(labels("s", 20), "loss", 4.0),
            artifact(serde_json::json!({"model": "s", "at": 20, "seed": 1}), "accuracy", 0.3),
            artifact(serde_json::json!({"model": "s", "at": 20, "seed": 2}), "accuracy", 0.4),
            artifact(serde_json::json!({"model": "s", "at": 100, "seed": 1}), "accuracy", 0.5),
            artifact(serde_json::json!({"model": "s", "at": 100, "of": "probe"}), "loss", 90.0),
            artifact(labels("m", 20), "loss", 3.5),
            artifact(serde_json::json!({"model": "m"}), "accuracy", 0.9),
        ];
        let figure = Figure {
            x: "loss".into(),
            y: "accuracy".into(),
            series: "model".into(),
            points: vec!["model".into(), "at".into()],
            x_where: [("of".to_owned(), "network".to_owned())].into(),
            ..Figure::default()
        };
        let mut notes = Vec::new();
        let series = joined(&figure, &observations, &mut notes).unwrap();
        let shown: Vec<(f64, f64, usize)> =
            series.values().flatten().map(|(x, y)| (*x, y.mean, y.n)).collect();
        assert_eq!(shown, [(4.0, 0.35, 2), (3.0, 0.5, 1)]);
        assert_eq!(notes.len(), 2);
        assert!(
            notes[0].contains("1 artifact with") && notes[1].contains("m, 20: it has no `accuracy`"),
            "{notes:?}"
        );
    }
}

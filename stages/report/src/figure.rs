//! From observations to a plot: which points there are, and what is written at the axes.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::StageError;

use crate::observe::{Observation, Value, require};
use crate::params::{Figure, Params};
use crate::summary::Statistics;
use crate::svg::{Line, Plot, Point};

/// The figure that the parameters ask for, or the one that suits the table.
///
/// # Errors
/// If a name is known to no artifact, or what belongs on the vertical axis is not a number.
pub(crate) fn plot(params: &Params, observations: &[Observation]) -> Result<Plot, StageError> {
    let figure = match &params.figure {
        Some(figure) => figure.clone(),
        None => suitable(params, observations)?,
    };
    for name in [&figure.x, &figure.y].into_iter().chain(Some(&figure.series).filter(|s| !s.is_empty())) {
        require(observations, name)?;
    }
    let mut points: BTreeMap<Option<&Value>, BTreeMap<&Value, Vec<f64>>> = BTreeMap::new();
    for observation in observations {
        let series = if figure.series.is_empty() { None } else { observation.get(&figure.series) };
        let (Some(x), Some(y)) = (observation.get(&figure.x), observation.get(&figure.y)) else { continue };
        if series.is_none() != figure.series.is_empty() {
            continue;
        }
        let y = y.number().ok_or_else(|| {
            StageError::new(format!("figure: expected numbers for `{}`, found `{}`", figure.y, y.text()))
        })?;
        let y = if figure.percent { 100.0 * y } else { y };
        points.entry(series).or_default().entry(x).or_default().push(y);
    }
    let places: BTreeSet<&Value> = points.values().flat_map(|line| line.keys().copied()).collect();
    let names: Option<Vec<String>> = places
        .iter()
        .any(|x| x.number().is_none_or(|x| !x.is_finite()))
        .then(|| places.iter().map(|x| x.text()).collect());
    let place = |x: &Value| match (&names, x.number()) {
        (None, Some(number)) => number,
        _ => places.iter().position(|place| *place == x).unwrap_or_default() as f64,
    };
    let lines = points.iter().map(|(series, line)| Line {
        name: series.map(Value::text).unwrap_or_default(),
        points: line
            .iter()
            .filter_map(|(x, ys)| {
                let Statistics { mean, deviation, .. } = Statistics::of(ys)?;
                Some(Point { x: place(x), y: mean, deviation: deviation.unwrap_or(0.0) })
            })
            .collect(),
    });
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let unit = if figure.percent { format!("{} (%)", figure.y) } else { figure.y.clone() };
    Ok(Plot {
        title: or(&figure.title, &params.title),
        x_label: or(&figure.x_label, &figure.x),
        y_label: or(&figure.y_label, &unit),
        series: figure.series.clone(),
        lines: lines.collect(),
        references: figure.references.iter().map(|r| (r.label.clone(), r.value)).collect(),
        places: names,
    })
}

/// The first column of numbers, by the first name of the rows that has numbers (else the first), a
/// line for each value of the next other name.
fn suitable(params: &Params, observations: &[Observation]) -> Result<Figure, StageError> {
    let is_number = |name: &str| {
        observations.iter().filter_map(|o| o.get(name)).all(|value| matches!(value, Value::Number(_)))
    };
    let column = params.columns.iter().find(|c| c.only.is_empty() && is_number(&c.metric));
    let column = column.or_else(|| params.columns.iter().find(|c| is_number(&c.metric)));
    let column = column.ok_or_else(|| {
        StageError::new("no column holds numbers that a figure could show")
            .hint("name what to show: `figure: {x: ..., y: ...}`")
    })?;
    let measured = |name: &&String| {
        observations.iter().filter_map(|o| o.get(name)).all(|value| value.number().is_some())
    };
    let x = params.rows.iter().find(measured).unwrap_or(&params.rows[0]);
    Ok(Figure {
        x: x.clone(),
        y: column.metric.clone(),
        series: params.rows.iter().find(|name| *name != x).cloned().unwrap_or_default(),
        y_label: column.title.clone(),
        percent: column.percent,
        ..Figure::default()
    })
}

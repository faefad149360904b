//! From observations to a plot: which points there are, and what is written at the axes.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::StageError;

use crate::observe::{Observation, Value, require};
use crate::params::{Figure, Params};
use crate::summary::Statistics;
use crate::svg::{Level, Line, Plot, Point};

/// What there is of a series: numbers by their place, and those that have none.
#[derive(Default)]
struct Found<'a> {
    placed: BTreeMap<&'a Value, Vec<f64>>,
    apart: Vec<f64>,
}

/// The figure that the parameters ask for, or the one that suits the table; and what to say of
/// that which it does not show.
///
/// # Errors
/// If a name is known to no artifact, or what belongs on the vertical axis is not a number.
pub(crate) fn plot(params: &Params, observations: &[Observation]) -> Result<(Plot, Vec<String>), StageError> {
    let Some(figure) = params.figure.clone().or_else(|| suitable(params, observations)) else {
        // A table of facts is a table all the same.
        let note =
            "the figure is empty: no column holds numbers; name what to show: `figure: {x: ..., y: ...}`";
        return Ok((Plot { title: params.title.clone(), ..Plot::default() }, vec![note.to_owned()]));
    };
    for name in [&figure.x, &figure.y].into_iter().chain(Some(&figure.series).filter(|s| !s.is_empty())) {
        require(observations, name)?;
    }
    let mut notes = Vec::new();
    let series = gather(&figure, observations, &mut notes)?;
    let places: BTreeSet<&Value> = series.values().flat_map(|found| found.placed.keys().copied()).collect();
    let names: Option<Vec<String>> = places
        .iter()
        .any(|x| x.number().is_none_or(|x| !x.is_finite()))
        .then(|| places.iter().map(|x| x.text()).collect());
    let place = |x: &Value| match (&names, x.number()) {
        (None, Some(number)) => number,
        _ => places.iter().position(|place| *place == x).unwrap_or_default() as f64,
    };
    // Between lines a lone dot would be overlooked, or taken for one that says something about its
    // place: raw pixels are called layer 0.
    let several = names.is_none() && series.values().any(|found| found.placed.len() > 1);
    let (mut lines, mut levels) = (Vec::new(), Vec::new());
    for (name, found) in &series {
        let name = name.map(Value::text).unwrap_or_default();
        let lone = several && found.placed.len() == 1;
        let mut points = Vec::new();
        for (x, numbers) in &found.placed {
            let Some((y, deviation)) = spread(numbers) else { continue };
            if lone {
                levels.push(Level { name: format!("{name} ({} {})", figure.x, x.text()), y, deviation });
            } else {
                points.push(Point { x: place(x), y, deviation });
            }
        }
        if let Some((y, deviation)) = spread(&found.apart) {
            let name = match (name.as_str(), found.placed.is_empty()) {
                ("", _) => format!("without {}", figure.x),
                (name, true) => name.to_owned(),
                (name, false) => format!("{name}, without {}", figure.x),
            };
            levels.push(Level { name, y, deviation });
        }
        if !points.is_empty() {
            lines.push(Line { name, points });
        }
    }
    let heights = lines.iter().flat_map(|line| &line.points).map(|p| p.y).chain(levels.iter().map(|l| l.y));
    match heights.clone().filter(|y| !y.is_finite()).count() {
        0 => {}
        n => {
            notes.push(format!("the figure leaves out {n} of {} means: they are not finite", heights.count()))
        }
    }
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let unit = if figure.percent { format!("{} (%)", figure.y) } else { figure.y.clone() };
    let plot = Plot {
        title: or(&figure.title, &params.title),
        x_label: or(&figure.x_label, &figure.x),
        y_label: or(&figure.y_label, &unit),
        series: figure.series.clone(),
        lines,
        levels,
        references: figure.references.iter().map(|r| (r.label.clone(), r.value)).collect(),
        places: names,
    };
    Ok((plot, notes))
}

/// The numbers to show, by the value of the series.
fn gather<'a>(
    figure: &Figure,
    observations: &'a [Observation],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<Option<&'a Value>, Found<'a>>, StageError> {
    let mut series: BTreeMap<Option<&Value>, Found<'_>> = BTreeMap::new();
    let mut nameless = 0;
    for observation in observations {
        let Some(y) = observation.get(&figure.y) else { continue };
        let y = y.number().ok_or_else(|| {
            StageError::new(format!("figure: expected numbers for `{}`, found `{}`", figure.y, y.text()))
        })?;
        let y = if figure.percent { 100.0 * y } else { y };
        let name = if figure.series.is_empty() { None } else { observation.get(&figure.series) };
        if name.is_none() && !figure.series.is_empty() {
            nameless += 1;
            continue;
        }
        let found = series.entry(name).or_default();
        match observation.get(&figure.x) {
            Some(x) => found.placed.entry(x).or_default().push(y),
            None => found.apart.push(y),
        }
    }
    if nameless > 0 {
        let Figure { y, series, .. } = figure;
        notes.push(format!("the figure leaves out {nameless} artifacts with `{y}`: they have no `{series}`"));
    }
    Ok(series)
}

/// Mean and deviation, if there are any numbers.
fn spread(numbers: &[f64]) -> Option<(f64, f64)> {
    Statistics::of(numbers).map(|s| (s.mean, s.deviation.unwrap_or(0.0)))
}

/// The first column of numbers, by the first name of the rows that has numbers (else the first), a
/// line for each value of the next other name.
fn suitable(params: &Params, observations: &[Observation]) -> Option<Figure> {
    let is_number = |name: &str| {
        observations
            .iter()
            .all(|o| !o.is_label(name) && o.get(name).is_none_or(|value| matches!(value, Value::Number(_))))
    };
    let column = params.columns.iter().find(|c| c.only.is_empty() && is_number(&c.metric));
    let column = column.or_else(|| params.columns.iter().find(|c| is_number(&c.metric)))?;
    let measured = |name: &&String| {
        observations.iter().filter_map(|o| o.get(name)).all(|value| value.number().is_some())
    };
    let x = params.rows.iter().find(measured).unwrap_or(&params.rows[0]);
    Some(Figure {
        x: x.clone(),
        y: column.metric.clone(),
        series: params.rows.iter().find(|name| *name != x).cloned().unwrap_or_default(),
        y_label: column.title.clone(),
        percent: column.percent,
        ..Figure::default()
    })
}

//! From observations to a plot: which points there are, and what is written at the axes.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{StageError, counted};
use igpt_table::observe::{Observation, Value, require};

use crate::curves;
use crate::figure_params::{Figure, PlotKind, Scale};
use crate::join::joined;
use crate::names;
use crate::params::Params;
use crate::plot::{Level, Line, Plot, Point};
use crate::series::{SeriesData, SeriesKey};
use crate::statistics::{ErrorBar, Measured, Statistics};

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
    for (_, name) in names::of_figure(&figure) {
        require(observations, name)?;
    }
    let mut notes = Vec::new();
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let unit = if figure.percent { format!("{} (%)", figure.y) } else { figure.y.clone() };
    let mut plot = Plot {
        title: or(&figure.title, &params.title),
        x_label: or(&figure.x_label, if figure.kind == PlotKind::Curves { "step" } else { &figure.x }),
        y_label: or(&figure.y_label, &unit),
        kind: figure.kind,
        references: figure.references.iter().map(|r| (r.label.clone(), r.value)).collect(),
        reverse: figure.reverse,
        y_from: figure.y_from,
        x_scale: figure.x_scale,
        y_scale: figure.y_scale,
        style: figure.style,
        ..Plot::default()
    };
    if figure.kind == PlotKind::Curves {
        plot.lines = curves::lines(&figure, observations, &mut notes)?;
    } else if figure.points.is_empty() {
        place(&figure, &gather(&figure, observations, &mut notes)?, &mut plot);
    } else {
        for (name, points) in in_order(&joined(&figure, observations, &mut notes)?, &figure) {
            let points = points.iter().map(|(x, y)| Point { x: *x, ..point(&figure, y) });
            // A point has no place where its loss is not a number.
            let points = points.filter(|p| p.x.is_finite()).collect();
            plot.lines.push(Line { name: named(&figure, name), points });
        }
    }
    fit_scales(&mut plot, &mut notes);
    plot.notes = below(&figure, &plot);
    let heights = || {
        let points = plot.lines.iter().flat_map(|line| &line.points).map(|p| p.y);
        points.chain(plot.levels.iter().map(|level| level.y))
    };
    match heights().filter(|y| !y.is_finite()).count() {
        0 => {}
        n => notes
            .push(format!("the figure leaves out {n} of {} means: they are not finite", heights().count())),
    }
    Ok((plot, notes))
}

/// Leaves out what has no place on an axis of ratios, and says so.
fn fit_scales(plot: &mut Plot, notes: &mut Vec<String>) {
    let (log_x, log_y) = (plot.x_scale == Scale::Log, plot.y_scale == Scale::Log);
    let mut out = 0;
    for line in &mut plot.lines {
        let before = line.points.len();
        line.points.retain(|p| !(log_x && p.x <= 0.0 || log_y && p.y <= 0.0));
        out += before - line.points.len();
    }
    let before = plot.levels.len();
    plot.levels.retain(|level| !log_y || level.y > 0.0 || level.y.is_nan());
    out += before - plot.levels.len();
    if out > 0 {
        let out = counted(out, "point");
        notes.push(format!("the figure leaves out {out}: an axis of ratios has no place for 0 and below"));
    }
}

/// The paragraphs below a figure: what the error bars are, the notes, what others state.
fn below(figure: &Figure, plot: &Plot) -> Vec<String> {
    let errors = plot.lines.iter().flat_map(|line| &line.points).map(|p| p.error);
    let errors = errors.chain(plot.levels.iter().map(|level| level.error));
    let mut below = Vec::new();
    if errors.filter(|error| error.is_finite()).any(|error| error > 0.0) {
        let what = match figure.error {
            ErrorBar::Sd => "one sample standard deviation of the runs",
            ErrorBar::Se => "one standard error",
        };
        below.push(format!("Error bars: ± {what}."));
    }
    if figure.smooth > 0.0 {
        below.push(format!("Smoothed: moving average with exponential weights, {}.", figure.smooth));
    }
    below.extend(figure.notes.iter().cloned());
    below.extend(figure.claims.iter().map(|claim| format!("{}: “{}”", claim.source, claim.text)));
    below
}

/// The series in the order that was asked for, else in natural order.
fn in_order<'a, 'b, T>(
    series: &'b BTreeMap<SeriesKey<'a>, T>,
    figure: &Figure,
) -> Vec<(SeriesKey<'a>, &'b T)> {
    let mut all: Vec<(SeriesKey<'_>, &T)> = series.iter().map(|(key, found)| (*key, found)).collect();
    all.sort_by_key(|((name, _), _)| name.map_or(figure.order.len(), |name| rank(figure, name)));
    all
}

/// Where a value comes in the order that was asked for.
fn rank(figure: &Figure, value: &Value) -> usize {
    let text = value.text();
    figure.order.iter().position(|name| *name == text).unwrap_or(figure.order.len())
}

/// What the legend calls a series: `layer 3`, but `untrained`; and `bert, 5 masks`.
fn named(figure: &Figure, (value, which): SeriesKey<'_>) -> String {
    let series = match value {
        None => None,
        Some(value) if value.number().is_some() => Some(format!("{} {}", figure.series, value.text())),
        Some(value) => Some(value.text()),
    };
    let also = which.checked_sub(1).and_then(|i| figure.also.get(i)).map(|also| also.title.clone());
    series.into_iter().chain(also).collect::<Vec<_>>().join(", ")
}

/// A point at 0, in the units of the axis.
fn point(figure: &Figure, statistics: &Statistics) -> Point {
    let mean = if figure.complement { 1.0 - statistics.mean } else { statistics.mean };
    let unit = if figure.percent { 100.0 } else { 1.0 };
    Point { x: 0.0, y: unit * mean, error: unit * statistics.spread(figure.error).unwrap_or(0.0) }
}

/// Puts what was found at its places, by number or by name.
fn place(figure: &Figure, series: &BTreeMap<SeriesKey<'_>, SeriesData<'_>>, plot: &mut Plot) {
    let places: BTreeSet<&Value> = series.values().flat_map(|found| found.placed.keys().copied()).collect();
    let mut places: Vec<&Value> = places.into_iter().collect();
    places.sort_by_key(|value| rank(figure, value));
    let nameable = |x: &&Value| x.number().is_none_or(|x| !x.is_finite());
    let by_name = figure.kind == PlotKind::Bars || places.iter().any(nameable);
    let x_of = |x: &Value| match x.number() {
        Some(number) if !by_name => number,
        _ => places.iter().position(|place| *place == x).unwrap_or_default() as f64,
    };
    // Between lines a lone dot would be overlooked, or taken for one that says something about its place.
    let several = !by_name && series.values().any(|found| found.placed.len() > 1);
    let of = |numbers: &[Measured]| Statistics::of(numbers).map(|s| point(figure, &s));
    for (value, found) in in_order(series, figure) {
        let name = named(figure, value);
        let lone = several && found.placed.len() == 1;
        let mut points = Vec::new();
        for (x, numbers) in &found.placed {
            let Some(Point { y, error, .. }) = of(numbers) else { continue };
            if lone {
                let name = format!("{name} ({} {})", figure.x, x.text());
                plot.levels.push(Level { name, y, error });
            } else {
                points.push(Point { x: x_of(x), y, error });
            }
        }
        if let Some(Point { y, error, .. }) = of(&found.apart) {
            let name = match (name.as_str(), found.placed.is_empty()) {
                ("", _) => format!("without {}", figure.x),
                (name, true) => name.to_owned(),
                (name, false) => format!("{name}, without {}", figure.x),
            };
            plot.levels.push(Level { name, y, error });
        }
        if !points.is_empty() {
            plot.lines.push(Line { name, points });
        }
    }
    plot.places = by_name.then(|| places.iter().map(|x| x.text()).collect());
}

/// The numbers to show, by the value of the series.
fn gather<'a>(
    figure: &Figure,
    observations: &'a [Observation],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<SeriesKey<'a>, SeriesData<'a>>, StageError> {
    let mut series: BTreeMap<SeriesKey<'_>, SeriesData<'_>> = BTreeMap::new();
    let mut nameless = 0;
    let ys = [&figure.y].into_iter().chain(figure.also.iter().map(|also| &also.y));
    for (which, y) in ys.enumerate() {
        for observation in observations {
            let Some(value) = observation.get(y) else { continue };
            let number = Measured::of(observation, y, &figure.count).ok_or_else(|| {
                StageError::new(format!("figure: expected numbers for `{y}`, found `{}`", value.text()))
            })?;
            let name = if figure.series.is_empty() { None } else { observation.get(&figure.series) };
            if name.is_none() && !figure.series.is_empty() {
                nameless += 1;
                continue;
            }
            let found = series.entry((name, which)).or_default();
            match observation.get(&figure.x) {
                Some(x) => found.placed.entry(x).or_default().push(number),
                None => found.apart.push(number),
            }
        }
    }
    if nameless > 0 {
        let Figure { y, series, .. } = figure;
        let nameless = counted(nameless, "artifact");
        notes.push(format!("the figure leaves out {nameless} with `{y}` but without `{series}`"));
    }
    Ok(series)
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
        complement: column.complement,
        error: column.error,
        count: column.count.clone(),
        ..Figure::default()
    })
}

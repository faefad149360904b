//! Curves of metrics artifacts as the lines of a plot: a loss over the steps of a training.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{Curve, StageError, counted};
use igpt_table::observe::{Observation, Value, unknown};

use crate::figure_params::Figure;
use crate::plot::{Line, Point};

/// A curve of more points is thinned to about as many: a column of a paper has a thousand dots.
const POINTS: usize = 600;

/// A line for each artifact with the curve `y`.
///
/// # Errors
/// If none has it, or two have the same name.
pub(crate) fn lines(
    figure: &Figure,
    observations: &[Observation],
    notes: &mut Vec<String>,
) -> Result<Vec<Line>, StageError> {
    let holders: Vec<(&Observation, &Curve)> =
        observations.iter().filter_map(|o| Some((o, o.curve(&figure.y)?))).collect();
    if holders.is_empty() {
        let known: BTreeSet<&str> = observations.iter().flat_map(Observation::curve_names).collect();
        let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
        return Err(StageError::new(unknown("curve", &figure.y, &known)));
    }
    let mut named: BTreeMap<Vec<Value>, (&Observation, &Curve)> = BTreeMap::new();
    let differing = differing(&holders);
    for (observation, curve) in holders {
        let names: Vec<&str> =
            if figure.series.is_empty() { differing.clone() } else { vec![figure.series.as_str()] };
        let values: Vec<Value> = names.iter().filter_map(|name| observation.get(name).cloned()).collect();
        if named.insert(values.clone(), (observation, curve)).is_some() {
            let name = name(figure, &values);
            let what = format!("figure: two artifacts with the curve `{}` are the series `{name}`", figure.y);
            return Err(StageError::new(what).hint("name in `series` a label that tells them apart"));
        }
    }
    let mut lines: Vec<(usize, Line)> = Vec::new();
    for (values, (_, curve)) in &named {
        let name = name(figure, values);
        let whole = smoothed(curve, figure.smooth);
        let thin = thinned(&whole);
        if thin.len() < whole.len() {
            notes.push(format!("the curve `{name}` is drawn with {} of {} points", thin.len(), whole.len()));
        }
        let unit = if figure.percent { 100.0 } else { 1.0 };
        let y = |y: f64| unit * if figure.complement { 1.0 - y } else { y };
        let points = thin.into_iter().map(|(x, value)| Point { x, y: y(value), error: 0.0 });
        let rank = figure.order.iter().position(|asked| values.iter().any(|v| v.text() == *asked));
        let line = Line { name, points: points.filter(|p| p.x.is_finite()).collect() };
        lines.push((rank.unwrap_or(figure.order.len()), line));
    }
    lines.sort_by_key(|(rank, _)| *rank);
    notes.push(format!("the figure has {}", counted(lines.len(), "curve")));
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// The labels in which the artifacts differ.
fn differing<'a>(holders: &[(&'a Observation, &Curve)]) -> Vec<&'a str> {
    let mut values: BTreeMap<&str, BTreeSet<&Value>> = BTreeMap::new();
    for (observation, _) in holders {
        for (name, value) in observation.labels() {
            values.entry(name).or_default().insert(value);
        }
    }
    values.into_iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| name).collect()
}

/// What the legend calls a curve: numbers with the name of the series.
fn name(figure: &Figure, values: &[Value]) -> String {
    let text = |value: &Value| match value.number() {
        Some(_) if !figure.series.is_empty() => format!("{} {}", figure.series, value.text()),
        _ => value.text(),
    };
    values.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The moving average with exponential weights, without the weight of what was before the first point.
/// Points that are not finite stay as they are, and count for nothing.
fn smoothed(curve: &Curve, weight: f64) -> Curve {
    let (mut sum, mut weights) = (0.0, 0.0);
    let average = |&(x, y): &(f64, f64)| {
        if weight <= 0.0 || !y.is_finite() {
            return (x, y);
        }
        sum = weight * sum + (1.0 - weight) * y;
        weights = weight * weights + (1.0 - weight);
        (x, sum / weights)
    };
    curve.iter().map(average).collect()
}

/// The lowest and the highest point of each of as many stretches, so that no spike is lost; and every
/// point that is not finite, where the line breaks.
fn thinned(curve: &Curve) -> Curve {
    if curve.len() <= POINTS {
        return curve.clone();
    }
    let mut kept = Vec::with_capacity(POINTS + 2);
    for stretch in curve.chunks(curve.len().div_ceil(POINTS / 2)) {
        let finite = || stretch.iter().enumerate().filter(|(_, (_, y))| y.is_finite());
        let lowest = finite().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(i, _)| i);
        let highest = finite().max_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(i, _)| i);
        let stays = |i: usize, y: f64| !y.is_finite() || lowest == Some(i) || highest == Some(i);
        kept.extend(stretch.iter().enumerate().filter(|(i, (_, y))| stays(*i, *y)).map(|(_, point)| *point));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_curve_keeps_its_spikes_and_its_breaks() {
        let mut curve: Curve = (0..100_000).map(|i| (f64::from(i), 1.0 + f64::from(i % 7) / 10.0)).collect();
        curve[54_321].1 = 9.0;
        curve[77_777].1 = f64::NAN;
        let thin = thinned(&curve);
        assert!(thin.len() <= POINTS + 2, "{}", thin.len());
        assert!(thin.contains(&(54_321.0, 9.0)) && thin.iter().any(|(x, y)| *x == 77_777.0 && y.is_nan()));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let short: Curve = vec![(0.0, 1.0), (1.0, 2.0)];
        assert_eq!(thinned(&short), short);
    }

    #[test]
    fn smoothing_begins_at_the_first_point_and_passes_over_what_is_no_number() {
        let curve: Curve = vec![(0.0, 4.0), (1.0, f64::NAN), (2.0, 4.0), (3.0, 1.0)];
        let smooth = smoothed(&curve, 0.5);
        assert_eq!((smooth[0].1, smooth[2].1), (4.0, 4.0));
        assert!(smooth[1].1.is_nan());
        // 1 weighs 4/7, the 4 before it 2/7 and the first 1/7.
        assert!((smooth[3].1 - (4.0 + 8.0 + 4.0) / 7.0).abs() < 1e-12, "{smooth:?}");
        assert_eq!(smoothed(&vec![(0.0, 1.0), (1.0, 3.0)], 0.0), vec![(0.0, 1.0), (1.0, 3.0)]);
    }
}

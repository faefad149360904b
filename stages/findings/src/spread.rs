//! How far a metric spreads between runs, by the value of a label.

use std::collections::BTreeMap;

use igpt_table::observe::{Observation, Value};

use crate::finding::{Finding, Unit, Verdict};
use crate::params::{Sign, Spread};
use crate::select::{members, number};
use crate::statistics::{deviation, deviation_error, in_squares};

const NAME: &str = "spread";

/// Compares the deviations at the smallest and the largest value that have one.
pub(crate) fn spread(spread: &Spread, expect: Sign, all: &[Observation]) -> Finding {
    let unit = Unit::of(spread.percent);
    let mut by: BTreeMap<&Value, Vec<f64>> = BTreeMap::new();
    for artifact in members(&spread.of, &spread.metric, all) {
        if let (Some(value), Some(x)) = (artifact.get(&spread.by), number(artifact, &spread.metric)) {
            by.entry(value).or_default().push(x);
        }
    }
    let mut figures = Vec::new();
    let mut parts = BTreeMap::new();
    // The deviation and its error, from the smallest value to the largest.
    let mut known: Vec<(f64, f64)> = Vec::new();
    for (value, numbers) in &by {
        let n = numbers.len();
        let s = deviation(numbers);
        let text = s.map_or("–".to_owned(), |s| unit.show(s));
        figures.push(format!("{text} ({} {}, n = {n})", spread.by, value.text()));
        parts.insert(format!("runs.{}", value.text()), n as f64);
        if let (Some(s), Some(error)) = (s, s.and_then(|s| deviation_error(s, n))) {
            parts.insert(format!("deviation.{}", value.text()), s);
            known.push((s, error));
        }
    }
    if by.is_empty() {
        return Finding::not_run(NAME, unit, format!("no artifact has `{}`", spread.by));
    }
    let ends = match known.as_slice() {
        [first, .., last] => Some((first, last)),
        _ => None,
    };
    if ends.is_none() {
        figures.push("no change: fewer than two values have two runs".to_owned());
    }
    let value = ends.map(|(first, last)| last.0 - first.0);
    let error = ends.map(|(first, last)| in_squares([first.1, last.1]));
    Finding {
        comparison: NAME,
        unit,
        verdict: Verdict::of(value.unwrap_or(f64::NAN), error, expect),
        value,
        error,
        parts,
        figures: figures.join(", "),
    }
}

//! Whether one number goes with another over points, by their ranks.

use std::collections::BTreeMap;

use igpt_table::observe::{Observation, Value};

use crate::finding::{Finding, Unit, Verdict, grouped_count};
use crate::params::{Correlation, Operand, Sign};
use crate::select::{members, number};
use crate::statistics::{mean, rank_error, spearman};

const NAME: &str = "correlation";

/// Correlates the two sides over the points that both have.
pub(crate) fn correlate(correlation: &Correlation, expect: Sign, all: &[Observation]) -> Finding {
    let (x, y) = (points(&correlation.x, &correlation.by, all), points(&correlation.y, &correlation.by, all));
    let pairs: Vec<(f64, f64)> = x.iter().filter_map(|(point, x)| Some((*x, *y.get(point)?))).collect();
    let n = pairs.len();
    let alone = x.len() + y.len() - 2 * n;
    let by = correlation.by.join(", ");
    let mut figures = format!(
        "{} against {}, {} by {by}",
        correlation.y.metric,
        correlation.x.metric,
        grouped_count(n, "point")
    );
    if alone > 0 {
        figures += &format!(" ({alone} without a partner)");
    }
    if n == 0 {
        return Finding::not_run(NAME, Unit::Rho, figures);
    }
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let value = spearman(&x, &y);
    if value.is_none() {
        figures += "; no rank correlation: too few points, a constant side, or a number that is not one";
    }
    let error = value.and(rank_error(n));
    Finding {
        comparison: NAME,
        unit: Unit::Rho,
        verdict: Verdict::of(value.unwrap_or(f64::NAN), error, expect),
        value,
        error,
        parts: [("points".to_owned(), n as f64)].into(),
        figures,
    }
}

/// The mean of a side's number at each point. Artifacts that lack one of the names make no point.
fn points<'a>(side: &Operand, by: &[String], all: &'a [Observation]) -> BTreeMap<Vec<&'a Value>, f64> {
    let mut points: BTreeMap<Vec<&Value>, Vec<f64>> = BTreeMap::new();
    for artifact in members(&side.of, &side.metric, all) {
        let point: Option<Vec<&Value>> = by.iter().map(|name| artifact.get(name)).collect();
        if let (Some(point), Some(x)) = (point, number(artifact, &side.metric)) {
            points.entry(point).or_default().push(x);
        }
    }
    points.into_iter().map(|(point, numbers)| (point, mean(&numbers))).collect()
}

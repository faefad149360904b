//! Numbers of steps as rows of one tidy table, whatever the format that they are written in.

use std::collections::BTreeSet;

use crate::io::Labels;
use crate::metrics::MetricValues;

/// One number: a value of a step, or a point of one of its curves.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The step's name in the pipeline: `probe`.
    pub step: String,
    /// The values of its axes.
    pub labels: Labels,
    /// The metric: `accuracy.test`, `loss.train`.
    pub metric: String,
    /// Where on its curve; none for a number of its own.
    pub x: Option<f64>,
    /// The value; a diverged loss is not a number.
    pub value: f64,
}

impl MetricRow {
    /// The rows of a step: its values, then its curves point by point.
    pub fn of_step(step: &str, labels: &Labels, metrics: &MetricValues) -> Vec<Self> {
        let row = |metric: &String, x, value| Self {
            step: step.to_owned(),
            labels: labels.clone(),
            metric: metric.clone(),
            x,
            value,
        };
        let values = metrics.values.iter().map(|(name, value)| row(name, None, *value));
        let curves = metrics.curves.iter();
        let points = curves.flat_map(|(name, curve)| curve.iter().map(move |(x, y)| (name, *x, *y)));
        values.chain(points.map(|(name, x, value)| row(name, Some(x), value))).collect()
    }

    /// The axes that the rows have, sorted, each with the name of its column: its own, or `label.step` for
    /// an axis that is called as another column is.
    pub fn label_columns(rows: &[Self]) -> Vec<(String, String)> {
        let axes: BTreeSet<&String> = rows.iter().flat_map(|row| row.labels.keys()).collect();
        let column = |axis: &String| match axis.as_str() {
            "step" | "metric" | "x" | "value" => format!("label.{axis}"),
            _ => axis.clone(),
        };
        axes.into_iter().map(|axis| (axis.clone(), column(axis))).collect()
    }
}

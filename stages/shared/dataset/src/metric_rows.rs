//! Numbers of steps as one Parquet table, for `igpt-flow metrics --parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};
use arrow_schema::{DataType, Field};
use igpt_contract::MetricRow;

use crate::error::DatasetError;
use crate::shards;

/// Writes rows to a file: `step`, a column of text for each axis, `metric`, `x` and `value` (f64). What a row
/// lacks is null; not-a-number stays what it is.
///
/// # Errors
/// If the file cannot be written.
pub fn write_metric_rows(rows: &[MetricRow], path: &Path) -> Result<(), DatasetError> {
    let text = |name: &str, optional: bool, texts: Vec<Option<String>>| -> (Field, ArrayRef) {
        (Field::new(name, DataType::Utf8, optional), Arc::new(StringArray::from(texts)))
    };
    let mut table = vec![text("step", false, rows.iter().map(|row| Some(row.step.clone())).collect())];
    for (axis, column) in MetricRow::label_columns(rows) {
        let label = |row: &MetricRow| {
            let value = row.labels.get(&axis)?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        table.push(text(&column, true, rows.iter().map(label).collect()));
    }
    table.push(text("metric", false, rows.iter().map(|row| Some(row.metric.clone())).collect()));
    let x: Float64Array = rows.iter().map(|row| row.x).collect();
    table.push((Field::new("x", DataType::Float64, true), Arc::new(x)));
    let value = Float64Array::from_iter_values(rows.iter().map(|row| row.value));
    table.push((Field::new("value", DataType::Float64, false), Arc::new(value)));
    let (fields, columns) = table.into_iter().unzip();
    shards::write_table(path, fields, columns)
}

//! The table with full precision, as CSV: by way of a polars frame, which knows how to write it.

use igpt_contract::StageError;
use polars::prelude::{
    Column as Series, CsvWriter, DataFrame, NamedFrom as _, PolarsError, SerWriter as _, Series as Data,
};

use crate::observe::Value;
use crate::params::{Error, Params};
use crate::summary::{Cell, Row, Summary};

/// For each column of numbers its mean, its deviation and n; for each column with published numbers
/// those and their sources. Shares stay shares. `order` are the numbers of the summary's rows.
///
/// # Errors
/// Those of polars.
pub(crate) fn frame(params: &Params, summary: &Summary, order: &[usize]) -> Result<DataFrame, PolarsError> {
    let rows: Vec<&Row> = order.iter().map(|&i| &summary.rows[i]).collect();
    let mut columns: Vec<Series> = Vec::new();
    for (i, name) in params.rows.iter().enumerate() {
        columns.push(values(name, rows.iter().map(|row| row.key[i].clone()).collect()));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let name = column.csv_name();
        let cells = || rows.iter().map(|row| &row.cells[c]);
        if cells().any(|(cell, _)| matches!(cell, Cell::Values(_))) {
            columns.push(values(&name, cells().map(|(cell, _)| joined(cell.values())).collect()));
        } else {
            let statistics = || {
                cells().map(|(cell, _)| match cell {
                    Cell::Numbers(s, _) => Some(*s),
                    Cell::NotRun | Cell::Apart | Cell::Values(_) => None,
                })
            };
            let mean: Vec<Option<f64>> = statistics().map(|s| s.map(|s| s.mean)).collect();
            let std: Vec<Option<f64>> = statistics().map(|s| s.and_then(|s| s.deviation)).collect();
            let n: Vec<u32> = statistics().map(|s| s.map_or(0, |s| s.n as u32)).collect();
            columns.push(Data::new(name.as_str().into(), mean).into());
            columns.push(Data::new(format!("{name}.std").into(), std).into());
            columns.push(Data::new(format!("{name}.n").into(), n).into());
            if column.error == Error::Se {
                let error: Vec<Option<f64>> = statistics().map(|s| s.and_then(|s| s.error)).collect();
                columns.push(Data::new(format!("{name}.se").into(), error).into());
            }
        }
        if cells().any(|(_, published)| published.is_some()) {
            let numbers: Vec<Option<f64>> = cells().map(|(_, p)| p.map(|p| p.value)).collect();
            let std: Vec<Option<f64>> = cells().map(|(_, p)| p.and_then(|p| p.std)).collect();
            let sources: Vec<Option<&str>> =
                cells().map(|(_, p)| p.map(|p| summary.sources[p.source].as_str())).collect();
            columns.push(Data::new(format!("{name}.published").into(), numbers).into());
            if std.iter().any(Option::is_some) {
                columns.push(Data::new(format!("{name}.published.std").into(), std).into());
            }
            columns.push(Data::new(format!("{name}.source").into(), sources).into());
        }
    }
    DataFrame::new_infer_height(columns)
}

/// Several values as one text.
fn joined(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 | 1 => values.pop().unwrap_or(Value::Missing),
        _ => Value::Text(values.iter().map(Value::text).collect::<Vec<_>>().join(", ")),
    }
}

/// A column of values: numbers where all of them are; empty where one is missing.
fn values(name: &str, values: Vec<Value>) -> Series {
    let missing = |value: &Value| matches!(value, Value::Missing);
    if values.iter().all(|value| missing(value) || value.number().is_some()) {
        let numbers: Vec<Option<f64>> = values.iter().map(Value::number).collect();
        if numbers.iter().flatten().all(|x| x.fract() == 0.0 && x.abs() < 1e15) {
            let whole: Vec<Option<i64>> = numbers.iter().map(|x| x.map(|x| x as i64)).collect();
            return Data::new(name.into(), whole).into();
        }
        return Data::new(name.into(), numbers).into();
    }
    let texts: Vec<Option<String>> =
        values.iter().map(|value| (!missing(value)).then(|| value.text())).collect();
    Data::new(name.into(), texts).into()
}

/// Writes the frame, numbers in the shortest form that reads back the same.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write(frame: &mut DataFrame, path: &std::path::Path) -> Result<(), StageError> {
    let file = std::fs::File::create(path)?;
    CsvWriter::new(file)
        .n_threads(1)
        .finish(frame)
        .map_err(|e| StageError::caused("the table could not be written as CSV", e))
}

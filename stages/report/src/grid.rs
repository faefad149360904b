//! The table as texts in rows and columns, before it is Markdown or LaTeX; and as a polars frame.

use igpt_contract::StageError;
use polars::prelude::{
    Column as Series, CsvWriter, DataFrame, NamedFrom as _, PolarsError, SerWriter as _, Series as Data,
    SortMultipleOptions,
};

use crate::observe::Value;
use crate::params::{Column, Params};
use crate::summary::{Cell, Summary};

/// A table of texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// The caption; may be empty.
    pub(crate) title: String,
    /// The headings, and whether a column is aligned to the right.
    pub(crate) headings: Vec<(String, bool)>,
    /// The rows.
    pub(crate) rows: Vec<GridRow>,
    /// Remarks under the table.
    pub(crate) remarks: Vec<String>,
    /// Footnotes, counted from 1.
    pub(crate) footnotes: Vec<String>,
}

/// A row of texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GridRow {
    /// A text for each heading, and its footnote.
    pub(crate) cells: Vec<(String, Option<usize>)>,
    /// Whether it stands out.
    pub(crate) strong: bool,
}

/// Lays the summary out as texts; `order` are the numbers of its rows.
pub(crate) fn grid(params: &Params, summary: &Summary, order: &[usize]) -> Grid {
    let beside: Vec<bool> =
        (0..params.columns.len()).map(|c| summary.rows.iter().any(|row| row.cells[c].1.is_some())).collect();
    let several: Vec<bool> = (0..params.columns.len())
        .map(|c| summary.rows.iter().any(|row| matches!(row.cells[c].0, Cell::Numbers(_, n) if n > 1)))
        .collect();
    let mut headings: Vec<(String, bool)> = Vec::new();
    for (i, name) in params.rows.iter().enumerate() {
        let numbers = summary.rows.iter().all(|row| !matches!(row.key[i], Value::Text(_)));
        headings.push((name.clone(), numbers));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let texts = summary.rows.iter().any(|row| matches!(row.cells[c].0, Cell::Text(_)));
        headings.push((column.heading().to_owned(), !texts));
        if beside[c] {
            headings.push((format!("{}, published", column.heading()), true));
        }
    }
    let rows = order.iter().map(|&i| &summary.rows[i]).map(|row| {
        let mut cells: Vec<(String, Option<usize>)> =
            row.key.iter().map(|value| (value.text(), None)).collect();
        for (c, column) in params.columns.iter().enumerate() {
            cells.push((show(column, &row.cells[c].0, several[c]), None));
            if beside[c] {
                cells.push(row.cells[c].1.map_or(("–".to_owned(), None), |published| {
                    (published.value.to_string(), Some(published.source + 1))
                }));
            }
        }
        GridRow { cells, strong: row.best }
    });
    Grid {
        title: params.title.clone(),
        headings,
        rows: rows.collect(),
        remarks: remarks(params, summary, several.contains(&true)),
        footnotes: summary.sources.clone(),
    }
}

/// What a reader must know: who won by what, and what a mean is a mean of.
fn remarks(params: &Params, summary: &Summary, means: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(best) = &params.best {
        let column = params.columns.iter().find(|c| c.metric == best.metric && c.only.is_empty());
        let by = column.map_or(best.metric.as_str(), Column::heading);
        let plain = Column { metric: best.metric.clone(), ..Column::default() };
        for &(row, value) in &summary.winners {
            let winner = summary.rows[row].name();
            let value = number(column.unwrap_or(&plain), value);
            remarks.push(format!("Best {} by {by}: {winner} ({value}).", params.rows.join(", ")));
        }
        if summary.winners.is_empty() {
            remarks.push(format!("Best {} by {by}: none, no row has a number.", params.rows.join(", ")));
        }
    }
    if means {
        let over = match summary.averaged.as_slice() {
            [] => String::new(),
            axes => format!(" over {}", axes.join(", ")),
        };
        remarks.push(format!("Mean ± sample standard deviation{over} (n: how many)."));
    }
    remarks
}

/// The text of a cell.
fn show(column: &Column, cell: &Cell, several: bool) -> String {
    match cell {
        Cell::NotRun => "not run".to_owned(),
        Cell::Apart => "–".to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Numbers(s, expected) => {
            let mut text = number(column, s.mean);
            if let Some(deviation) = s.deviation {
                text.push_str(&format!(" ± {}", number(column, deviation)));
            }
            if s.n < *expected {
                text.push_str(&format!(" (n={} of {expected})", s.n));
            } else if several {
                text.push_str(&format!(" (n={})", s.n));
            }
            text
        }
    }
}

/// A number as its column shows it.
pub(crate) fn number(column: &Column, x: f64) -> String {
    let x = if column.percent { 100.0 * x } else { x };
    match column.digits.map(usize::from).or(column.percent.then_some(2)) {
        _ if x.is_nan() => "NaN".to_owned(),
        _ if x.is_infinite() => if x > 0.0 { "∞" } else { "-∞" }.to_owned(),
        Some(digits) => format!("{x:.digits$}"),
        None => significant(x),
    }
}

/// Four significant digits; whole numbers in full.
pub(crate) fn significant(x: f64) -> String {
    let magnitude = x.abs();
    if x.fract() == 0.0 && magnitude < 1e15 {
        return format!("{x:.0}");
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{x:.3e}");
    }
    let digits = (3 - magnitude.log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The table with full precision: for each column of numbers its mean, its deviation and n; for
/// each column with published numbers those and their sources. Shares stay shares.
///
/// # Errors
/// Those of polars.
pub(crate) fn frame(params: &Params, summary: &Summary) -> Result<DataFrame, PolarsError> {
    let mut columns: Vec<Series> = Vec::new();
    for (i, name) in params.rows.iter().enumerate() {
        columns.push(keys(name, summary.rows.iter().map(|row| &row.key[i])));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let name = column.csv_name();
        let cells = || summary.rows.iter().map(|row| &row.cells[c]);
        if cells().any(|(cell, _)| matches!(cell, Cell::Text(_))) {
            let texts: Vec<Option<&str>> = cells()
                .map(|(cell, _)| match cell {
                    Cell::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            columns.push(Data::new(name.as_str().into(), texts).into());
        } else {
            let statistics = || {
                cells().map(|(cell, _)| match cell {
                    Cell::Numbers(s, _) => Some(*s),
                    _ => None,
                })
            };
            let mean: Vec<Option<f64>> = statistics().map(|s| s.map(|s| s.mean)).collect();
            let std: Vec<Option<f64>> = statistics().map(|s| s.and_then(|s| s.deviation)).collect();
            let n: Vec<u32> = statistics().map(|s| s.map_or(0, |s| s.n as u32)).collect();
            columns.push(Data::new(name.as_str().into(), mean).into());
            columns.push(Data::new(format!("{name}.std").into(), std).into());
            columns.push(Data::new(format!("{name}.n").into(), n).into());
        }
        if cells().any(|(_, published)| published.is_some()) {
            let values: Vec<Option<f64>> = cells().map(|(_, p)| p.map(|p| p.value)).collect();
            let sources: Vec<Option<&str>> =
                cells().map(|(_, p)| p.map(|p| summary.sources[p.source].as_str())).collect();
            columns.push(Data::new(format!("{name}.published").into(), values).into());
            columns.push(Data::new(format!("{name}.source").into(), sources).into());
        }
    }
    DataFrame::new_infer_height(columns)
}

/// A column of row values: numbers where all of them are; empty where one is missing.
fn keys<'a>(name: &str, values: impl Iterator<Item = &'a Value> + Clone) -> Series {
    let missing = |value: &Value| matches!(value, Value::Missing);
    if values.clone().all(|value| missing(value) || value.number().is_some()) {
        let numbers: Vec<Option<f64>> = values.map(Value::number).collect();
        if numbers.iter().flatten().all(|x| x.fract() == 0.0 && x.abs() < 1e15) {
            let whole: Vec<Option<i64>> = numbers.iter().map(|x| x.map(|x| x as i64)).collect();
            return Data::new(name.into(), whole).into();
        }
        return Data::new(name.into(), numbers).into();
    }
    let texts: Vec<Option<String>> = values.map(|value| (!missing(value)).then(|| value.text())).collect();
    Data::new(name.into(), texts).into()
}

/// The frame in the order that was asked for, and the numbers of its rows before.
///
/// # Errors
/// Those of polars.
pub(crate) fn sorted(params: &Params, mut frame: DataFrame) -> Result<(DataFrame, Vec<usize>), PolarsError> {
    const PLACE: &str = "\u{0}place";
    const KEY: &str = "\u{0}key";
    let Some(sort) = &params.sort else {
        let order = (0..frame.height()).collect();
        return Ok((frame, order));
    };
    let column = params.columns.iter().find(|c| c.heading() == sort.by);
    let by = column.map_or_else(|| sort.by.clone(), Column::csv_name);
    let places: Vec<u32> = (0..frame.height() as u32).collect();
    let mut key = frame.column(&by)?.clone();
    if let Ok(numbers) = key.f64() {
        // What is not a number has no place in an order: last, as what was not run.
        let numbers: Vec<Option<f64>> = numbers.iter().map(|x| x.filter(|x| !x.is_nan())).collect();
        key = Data::new(KEY.into(), numbers).into();
    }
    frame.with_column(key.with_name(KEY.into()))?;
    frame.with_column(Data::new(PLACE.into(), places).into())?;
    let options = SortMultipleOptions::default()
        .with_order_descending(sort.descending)
        .with_nulls_last(true)
        .with_maintain_order(true);
    let mut frame = frame.sort([KEY], options)?;
    frame.drop_in_place(KEY)?;
    let places = frame.drop_in_place(PLACE)?;
    let order = places.u32()?.into_no_null_iter().map(|i| i as usize).collect();
    Ok((frame, order))
}

/// Writes the frame as CSV, numbers in the shortest form that reads back the same.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_csv(frame: &mut DataFrame, path: &std::path::Path) -> Result<(), StageError> {
    let file = std::fs::File::create(path)?;
    CsvWriter::new(file)
        .n_threads(1)
        .finish(frame)
        .map_err(|e| StageError::caused("the table could not be written as CSV", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_their_column_says() {
        let percent = Column { percent: true, ..Column::default() };
        let plain = Column::default();
        assert_eq!(number(&percent, 0.43216), "43.22");
        assert_eq!(number(&Column { digits: Some(0), ..percent.clone() }, 0.43216), "43");
        assert_eq!(number(&percent, f64::NAN), "NaN");
        assert_eq!(number(&plain, f64::NEG_INFINITY), "-∞");
        let shown = [0.001, 2.5, 1e-7, 123_456.7, 1.0 / 3.0, 50_000.0, 1.00001].map(significant);
        assert_eq!(shown, ["0.001", "2.5", "1.000e-7", "123457", "0.3333", "50000", "1"]);
    }
}

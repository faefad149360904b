//! The table with full precision, for the CSV file.

use igpt_table::Field;
use igpt_table::cells::ExpectedCell;
use igpt_table::observe::Value;

use crate::params::Params;
use crate::statistics::{ErrorBar, Statistics};
use crate::summary::{CellValue, Summary, SummaryRow};

/// A column: its heading and a field for each row.
type Column = (String, Vec<Field>);

/// Headings and rows. A column of numbers has its mean, its deviation and n, a column with published
/// numbers those and their sources. Shares stay shares. `order` are the numbers of the summary's rows.
pub(crate) fn csv(params: &Params, summary: &Summary, order: &[usize]) -> (Vec<String>, Vec<Vec<Field>>) {
    let rows: Vec<&SummaryRow> = order.iter().map(|&i| &summary.rows[i]).collect();
    let mut columns: Vec<Column> = Vec::new();
    for (i, name) in params.rows.iter().enumerate() {
        columns.push(values(name, rows.iter().map(|row| row.key[i].clone()).collect()));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let name = column.csv_name();
        let cells = || rows.iter().map(|row| &row.cells[c]);
        if cells().any(|cell| matches!(cell.value, CellValue::Values(_))) {
            columns.push(values(&name, cells().map(|cell| joined(cell.value.values())).collect()));
        } else {
            let statistics: Vec<Option<Statistics>> = cells()
                .map(|cell| match &cell.value {
                    CellValue::Numbers(s, _) => Some(*s),
                    CellValue::NotRun | CellValue::NotApplicable | CellValue::Values(_) => None,
                })
                .collect();
            let numbers = |of: fn(&Statistics) -> Option<f64>| -> Vec<Field> {
                statistics.iter().map(|s| s.as_ref().and_then(of).into()).collect()
            };
            let count = |s: &Option<Statistics>| Field::Integer(s.map_or(0, |s| s.n as i64));
            columns.push((name.clone(), numbers(|s| Some(s.mean))));
            columns.push((format!("{name}.std"), numbers(|s| s.deviation)));
            columns.push((format!("{name}.n"), statistics.iter().map(count).collect()));
            if column.error == ErrorBar::Se {
                columns.push((format!("{name}.se"), numbers(|s| s.error)));
            }
        }
        if cells().any(|cell| cell.expected.is_some()) {
            let expected = |of: fn(&ExpectedCell) -> Field| -> Vec<Field> {
                cells().map(|cell| cell.expected.as_ref().map_or(Field::Empty, of)).collect()
            };
            columns.push((format!("{name}.expected"), expected(|e| Field::Number(e.value))));
            columns.push((format!("{name}.tolerance"), expected(|e| Field::Number(e.tolerance))));
            columns.push((format!("{name}.difference"), expected(|e| e.difference.into())));
            columns.push((format!("{name}.met"), expected(|e| Field::Integer(e.met.into()))));
        }
        if cells().any(|cell| cell.published.is_some()) {
            let published = || cells().map(|cell| cell.published);
            let numbers = published().map(|p| p.map(|p| p.value).into()).collect();
            let std: Vec<Field> = published().map(|p| p.and_then(|p| p.std).into()).collect();
            let source = |i: usize| Field::Text(summary.sources[i].clone());
            let sources = published().map(|p| p.map_or(Field::Empty, |p| source(p.source))).collect();
            columns.push((format!("{name}.published"), numbers));
            if std.iter().any(|field| *field != Field::Empty) {
                columns.push((format!("{name}.published.std"), std));
            }
            columns.push((format!("{name}.source"), sources));
        }
    }
    let (headings, columns): (Vec<String>, Vec<Vec<Field>>) = columns.into_iter().unzip();
    let row = |i: usize| columns.iter().map(|column| column[i].clone()).collect();
    (headings, (0..rows.len()).map(row).collect())
}

/// Several values as one text.
fn joined(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 | 1 => values.pop().unwrap_or(Value::Missing),
        _ => Value::Text(values.iter().map(Value::text).collect::<Vec<_>>().join(", ")),
    }
}

/// A column of values: numbers if all of them are; empty where one is missing.
fn values(name: &str, values: Vec<Value>) -> Column {
    let missing = |value: &Value| matches!(value, Value::Missing);
    let fields = if values.iter().all(|value| missing(value) || value.number().is_some()) {
        let numbers: Vec<Option<f64>> = values.iter().map(Value::number).collect();
        let whole = numbers.iter().flatten().all(|x| x.fract() == 0.0 && x.abs() < 1e15);
        let field = |x: f64| if whole { Field::Integer(x as i64) } else { Field::Number(x) };
        numbers.into_iter().map(|x| x.map_or(Field::Empty, field)).collect()
    } else {
        let field = |value: &Value| if missing(value) { Field::Empty } else { Field::Text(value.text()) };
        values.iter().map(field).collect()
    };
    (name.to_owned(), fields)
}

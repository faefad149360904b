//! The numbers of a pipeline that a paper may name: metrics of steps, and what stands in results tables.

use std::collections::BTreeMap;
use std::path::Path;

use igpt_contract::MetricRow;
use serde_json::Value;

use super::recorded::Recorded;
use crate::paper;
use crate::provenance::{Cell, TableCells};
use crate::step_name::typed;
use crate::store::Store;

/// The numbers of steps by their keys, and the keys that two numbers have.
pub(super) fn of_steps(store: Option<&Store>, steps: &[Recorded]) -> (BTreeMap<String, f64>, Vec<String>) {
    let rows: Vec<(String, Vec<MetricRow>)> = steps
        .iter()
        .map(|step| {
            let mut rows = step.rows();
            rows.extend(store.into_iter().flat_map(|store| of_tables(store, step)));
            (typed(&step.name), rows)
        })
        .collect();
    paper::numbers(rows.iter().map(|(step, rows)| (step.clone(), &rows[..])))
}

/// The numbers of the tables that a step made: `ROW/COLUMN`, and of a mean also `ROW/COLUMN/error` and
/// `ROW/COLUMN/n`. A table of another form has none.
fn of_tables(store: &Store, step: &Recorded) -> Vec<MetricRow> {
    let read = |output| TableCells::read(store, output, Path::new("")).ok().flatten();
    let tables = step.record.outputs.values().filter_map(read);
    tables
        .flat_map(|table| table.cells.iter().flat_map(|cell| of_cell(step, &table, cell)).collect::<Vec<_>>())
        .collect()
}

fn of_cell(step: &Recorded, table: &TableCells, cell: &Cell) -> Vec<MetricRow> {
    let name =
        format!("{}/{}", table.rows[cell.row].name.replace(", ", ","), table.columns[cell.column].name);
    let n = cell.n.filter(|n| *n > 1).map(|n| n as f64);
    let numbers = [("", number(&cell.value)), ("/error", number(&cell.error)), ("/n", n)];
    let row = |(what, value): (&str, Option<f64>)| {
        let (step, labels) = (step.name.clone(), step.labels.clone());
        Some(MetricRow { step, labels, metric: format!("{name}{what}"), x: None, value: value? })
    };
    numbers.into_iter().filter_map(row).collect()
}

/// A number of `cells.json`; one that JSON lacks is a text there, and any other text is a label.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if matches!(&**text, "NaN" | "inf" | "-inf") => text.parse().ok(),
        value => value.as_f64(),
    }
}

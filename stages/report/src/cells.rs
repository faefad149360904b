//! What each cell is made of, for `cells.json`.

use igpt_table::cells::{CellColumn, CellResult, CellRow, CellTable, PublishedCell, number};
use igpt_table::observe::Value;

use crate::params::Params;
use crate::summary::{CellValue, Summary, SummaryCell};
use crate::text_table::ours;

/// The cells of the table; `order` are the numbers of the summary's rows.
pub(crate) fn cells(params: &Params, summary: &Summary, order: &[usize], title: &str) -> CellTable {
    let columns = params
        .columns
        .iter()
        .map(|column| CellColumn { name: column.csv_name(), heading: column.heading().to_owned() });
    let mut table = CellTable { title: title.to_owned(), columns: columns.collect(), ..CellTable::default() };
    for (place, row) in order.iter().map(|&i| &summary.rows[i]).enumerate() {
        let named = params.rows.iter().zip(&row.key);
        let labels = named.filter_map(|(name, value)| Some((name.clone(), json(value)?))).collect();
        table.rows.push(CellRow { name: row.name(), labels });
        for (c, cell) in row.cells.iter().enumerate() {
            table.cells.extend(result(params, summary, cell, (place, c)));
        }
    }
    table
}

/// A cell that has something to say.
fn result(
    params: &Params,
    summary: &Summary,
    cell: &SummaryCell,
    (row, column): (usize, usize),
) -> Option<CellResult> {
    let shown = &params.columns[column];
    let published = cell.published.map(|p| PublishedCell {
        value: p.value,
        error: p.std,
        source: summary.sources[p.source].clone(),
    });
    let (expected, inputs) = (cell.expected.clone(), cell.inputs.clone());
    let found = CellResult { row, column, published, expected, inputs, ..CellResult::default() };
    match &cell.value {
        CellValue::Numbers(s, _) => Some(CellResult {
            text: ours(shown, &cell.value, false).text,
            value: Some(number(s.mean)),
            error: s.spread(shown.error).map(number),
            n: Some(s.n),
            ..found
        }),
        CellValue::Values(values) => Some(CellResult {
            text: ours(shown, &cell.value, false).text,
            value: match values.as_slice() {
                [value] => json(value),
                values => Some(values.iter().filter_map(json).collect()),
            },
            ..found
        }),
        CellValue::NotRun | CellValue::NotApplicable => {
            (found.published.is_some() || found.expected.is_some()).then_some(found)
        }
    }
}

fn json(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 => Some((*x as i64).into()),
        Value::Number(x) => Some(number(*x)),
        Value::Text(text) => Some(text.clone().into()),
        Value::Missing => None,
    }
}

//! The table as text in rows and columns, before it is Markdown or LaTeX.

use igpt_table::observe::Value;
use igpt_table::{Align, Cell, Heading, TextTable};

use crate::format::{number, published_number};
use crate::notes::notes;
use crate::params::{Column, Params};
use crate::summary::{CellValue, Summary};

/// Lays the summary out as text; `order` are the numbers of its rows.
pub(crate) fn text_table(params: &Params, summary: &Summary, order: &[usize]) -> TextTable {
    let beside: Vec<bool> =
        (0..params.columns.len()).map(|c| summary.rows.iter().any(|row| row.cells[c].1.is_some())).collect();
    let several: Vec<bool> = (0..params.columns.len())
        .map(|c| summary.rows.iter().any(|row| matches!(row.cells[c].0, CellValue::Numbers(_, n) if n > 1)))
        .collect();
    let side = |right| if right { Align::Right } else { Align::Left };
    let mut headings: Vec<Heading> = Vec::new();
    for (i, name) in params.rows.iter().enumerate() {
        // The name of a model that is not ours moves no number of ours.
        let numbers = summary.rows.iter().filter(|row| row.ours).all(|row| !is_text(&row.key[i]));
        headings.push(Heading::new(name, side(numbers)));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let texts = summary.rows.iter().any(|row| match &row.cells[c].0 {
            CellValue::Values(values) => values.len() > 1 || values.iter().any(is_text),
            CellValue::NotRun | CellValue::NotApplicable | CellValue::Numbers(..) => false,
        });
        headings.push(Heading::new(column.heading(), side(!texts)));
        if beside[c] {
            headings.push(Heading::new(format!("{}, published", column.heading()), Align::Right));
        }
    }
    let rows = order.iter().map(|&i| &summary.rows[i]).map(|row| {
        let ours = |text: String, says| Cell::new(text).strong(row.best && says);
        let mut cells: Vec<Cell> =
            row.key.iter().map(|value| ours(value.text(), !matches!(value, Value::Missing))).collect();
        for (c, column) in params.columns.iter().enumerate() {
            let (cell, published) = &row.cells[c];
            let says = matches!(cell, CellValue::Numbers(..) | CellValue::Values(_));
            cells.push(ours(show(column, cell, several[c]), says));
            if beside[c] {
                let text = published.map_or_else(|| "–".to_owned(), |p| published_number(&p));
                cells.push(Cell { text, footnote: published.map(|p| p.source + 1), strong: false });
            }
        }
        cells
    });
    TextTable {
        title: params.title.clone(),
        headings,
        rows: rows.collect(),
        notes: notes(params, summary),
        footnotes: summary.sources.clone(),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_)) && value.number().is_none()
}

/// The text of a cell.
fn show(column: &Column, cell: &CellValue, several: bool) -> String {
    match cell {
        CellValue::NotRun => "not run".to_owned(),
        CellValue::NotApplicable => "–".to_owned(),
        CellValue::Values(values) => values.iter().map(Value::text).collect::<Vec<_>>().join(", "),
        CellValue::Numbers(s, expected) => {
            let mut text = number(column, s.mean);
            if let Some(spread) = s.spread(column.error) {
                text.push_str(&format!(" ± {}", number(column, spread)));
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

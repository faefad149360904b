//! The table as text in rows and columns, before it is Markdown or LaTeX.

use igpt_table::observe::Value;
use igpt_table::{Align, Cell, Heading, TextTable, expect};

use crate::bold::bold;
use crate::format::{after_point, published_number, with_error};
use crate::notes::notes;
use crate::params::{Column, Params};
use crate::summary::{CellValue, PublishedValue, Summary, SummaryCell};

/// Lays the summary out as text; `order` are the numbers of its rows.
pub(crate) fn text_table(params: &Params, summary: &Summary, order: &[usize]) -> TextTable {
    let columns = || 0..params.columns.len();
    let any = |is: &dyn Fn(&SummaryCell) -> bool| -> Vec<bool> {
        columns().map(|c| summary.rows.iter().any(|row| is(&row.cells[c]))).collect()
    };
    let published = any(&|cell| cell.published.is_some());
    let beside: Vec<bool> = columns().map(|c| has_both(params, summary, c)).collect();
    let merged: Vec<bool> = columns().map(|c| published[c] && !beside[c]).collect();
    let checked = any(&|cell| cell.expected.is_some());
    let same = same_count(summary);
    let several = any(&|cell| matches!(cell.value, CellValue::Numbers(_, n) if n > 1));
    let several: Vec<bool> = several.into_iter().map(|several| several && same.is_none()).collect();
    let digits: Vec<usize> = columns().map(|c| published_digits(params, summary, c)).collect();
    let best = bold(params, summary, &merged);
    let (headings, rows) = (headings(params, summary, (&beside, &checked)), order.iter());
    let mut sources = summary.sources.clone();
    let rows = rows.map(|&i| {
        let row = &summary.rows[i];
        let mut cells: Vec<Cell> = row.key.iter().map(|value| Cell::new(value.text())).collect();
        for (c, column) in params.columns.iter().enumerate() {
            let SummaryCell { value, published, expected, .. } = &row.cells[c];
            let is_ours = matches!(value, CellValue::Numbers(..) | CellValue::Values(_));
            let cell = match published {
                Some(published) if merged[c] && !is_ours => others(published, digits[c]),
                _ => ours(column, value, several[c]),
            };
            cells.push(cell.strong(best[i][c]));
            if checked[c] {
                cells.push(expected.as_ref().map_or(Cell::new("–"), |expected| {
                    let footnote = Some(footnote(&mut sources, &expected.source));
                    Cell { footnote, ..Cell::new(expected.text()) }
                }));
            }
            if beside[c] {
                cells.push(published.as_ref().map_or(Cell::new("–"), |p| others(p, digits[c])));
            }
        }
        cells
    });
    let rows = rows.collect();
    let mut notes = notes(params, summary, same);
    if merged.contains(&true) {
        notes.push("Numbers with a raised mark are published ones.".to_owned());
    }
    notes.extend(checked.contains(&true).then(|| expect::NOTE.to_owned()));
    let title = match same {
        Some(n) if !params.title.is_empty() => format!("{} (n = {n})", params.title),
        _ => params.title.clone(),
    };
    TextTable { title, headings, rows, notes, footnotes: sources, latex: params.latex }
}

fn headings(params: &Params, summary: &Summary, (beside, checked): (&[bool], &[bool])) -> Vec<Heading> {
    let side = |right| if right { Align::Right } else { Align::Left };
    let mut headings: Vec<Heading> = Vec::new();
    for (i, name) in params.rows.iter().enumerate() {
        // The name of a model that is not ours moves no number of ours.
        let numbers = summary.rows.iter().filter(|row| row.ours).all(|row| !is_text(&row.key[i]));
        headings.push(Heading::new(name, side(numbers)));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let texts = summary.rows.iter().any(|row| match &row.cells[c].value {
            CellValue::Values(values) => values.len() > 1 || values.iter().any(is_text),
            CellValue::NotRun | CellValue::NotApplicable | CellValue::Numbers(..) => false,
        });
        headings.push(Heading::new(column.full_heading(), side(!texts)));
        if checked[c] {
            headings.push(Heading::new("Δ", Align::Right));
        }
        if beside[c] {
            headings.push(Heading::new(format!("{}, published", column.heading()), Align::Right));
        }
    }
    headings
}

/// The digits after the point of a column's published percentages: 94.0 beside 95.3, of which the
/// parameters do not tell the last digit.
fn published_digits(params: &Params, summary: &Summary, c: usize) -> usize {
    if !params.columns[c].percent {
        return 0;
    }
    let published = summary.rows.iter().filter_map(|row| row.cells[c].published);
    published.map(|p| after_point(p.value)).max().unwrap_or_default()
}

/// Whether a row has a published number in a column and a result of ours too, or is to have one.
fn has_both(params: &Params, summary: &Summary, c: usize) -> bool {
    summary.rows.iter().any(|row| {
        let is_ours = matches!(row.cells[c].value, CellValue::Numbers(..) | CellValue::Values(_));
        row.cells[c].published.is_some() && (is_ours || row.ours || params.expected.contains(&row.name()))
    })
}

/// How many numbers every cell is the mean of, if that is the same number, and not 1.
fn same_count(summary: &Summary) -> Option<usize> {
    let mut counts = summary.rows.iter().flat_map(|row| &row.cells).filter_map(|cell| match &cell.value {
        CellValue::Numbers(s, expected) => Some((s.n, *expected)),
        CellValue::NotRun | CellValue::NotApplicable | CellValue::Values(_) => None,
    });
    let first = counts.next().filter(|(n, expected)| *n > 1 && n == expected)?;
    counts.all(|other| other == first).then_some(first.0)
}

/// The number of a source among the footnotes, from 1.
fn footnote(sources: &mut Vec<String>, source: &str) -> usize {
    sources.iter().position(|known| known == source).unwrap_or_else(|| {
        sources.push(source.to_owned());
        sources.len() - 1
    }) + 1
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_)) && value.number().is_none()
}

/// A published number.
fn others(published: &PublishedValue, digits: usize) -> Cell {
    let (number, std) = published_number(published, digits);
    let after = std.map_or(String::new(), |std| format!(" ± {std}"));
    Cell { footnote: Some(published.source + 1), ..Cell::number(&number, &after) }
}

/// A cell of ours; `several` says whether it tells how many numbers it is the mean of.
pub(crate) fn ours(column: &Column, cell: &CellValue, several: bool) -> Cell {
    match cell {
        CellValue::NotRun => Cell::new("not run"),
        CellValue::NotApplicable => Cell::new("–"),
        CellValue::Values(values) => match values.as_slice() {
            [value] if value.number().is_some() => Cell::number(&value.text(), ""),
            values => Cell::new(values.iter().map(Value::text).collect::<Vec<_>>().join(", ")),
        },
        CellValue::Numbers(s, expected) => {
            let (number, spread) = with_error(column, s.mean, s.spread(column.error));
            let mut after = spread.map_or(String::new(), |spread| format!(" ± {spread}"));
            if s.n < *expected {
                after += &format!(" (n={} of {expected})", s.n);
            } else if several {
                after += &format!(" (n={})", s.n);
            }
            Cell::number(&number, &after)
        }
    }
}

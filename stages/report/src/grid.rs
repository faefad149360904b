//! The table as texts in rows and columns, before it is Markdown or LaTeX.

use igpt_table::{Align, Cell as Text, Grid, Heading, significant};

use crate::observe::Value;
use crate::params::{Column, Params};
use crate::remarks::remarks;
use crate::summary::{Beside, Cell, Summary};

/// Lays the summary out as texts; `order` are the numbers of its rows.
pub(crate) fn grid(params: &Params, summary: &Summary, order: &[usize]) -> Grid {
    let beside: Vec<bool> =
        (0..params.columns.len()).map(|c| summary.rows.iter().any(|row| row.cells[c].1.is_some())).collect();
    let several: Vec<bool> = (0..params.columns.len())
        .map(|c| summary.rows.iter().any(|row| matches!(row.cells[c].0, Cell::Numbers(_, n) if n > 1)))
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
            Cell::Values(values) => values.len() > 1 || values.iter().any(is_text),
            Cell::NotRun | Cell::Apart | Cell::Numbers(..) => false,
        });
        headings.push(Heading::new(column.heading(), side(!texts)));
        if beside[c] {
            headings.push(Heading::new(format!("{}, published", column.heading()), Align::Right));
        }
    }
    let rows = order.iter().map(|&i| &summary.rows[i]).map(|row| {
        let ours = |text: String, says| Text::new(text).strong(row.best && says);
        let mut cells: Vec<Text> =
            row.key.iter().map(|value| ours(value.text(), !matches!(value, Value::Missing))).collect();
        for (c, column) in params.columns.iter().enumerate() {
            let (cell, published) = &row.cells[c];
            let says = matches!(cell, Cell::Numbers(..) | Cell::Values(_));
            cells.push(ours(show(column, cell, several[c]), says));
            if beside[c] {
                let text = published.map_or_else(|| "–".to_owned(), |p| beside_text(&p));
                cells.push(Text { text, note: published.map(|p| p.source + 1), strong: false });
            }
        }
        cells
    });
    Grid {
        title: params.title.clone(),
        headings,
        rows: rows.collect(),
        remarks: remarks(params, summary),
        footnotes: summary.sources.clone(),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_)) && value.number().is_none()
}

/// The text of a cell.
fn show(column: &Column, cell: &Cell, several: bool) -> String {
    match cell {
        Cell::NotRun => "not run".to_owned(),
        Cell::Apart => "–".to_owned(),
        Cell::Values(values) => values.iter().map(Value::text).collect::<Vec<_>>().join(", "),
        Cell::Numbers(s, expected) => {
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

/// A published number, with as many digits as were published.
fn beside_text(published: &Beside) -> String {
    let Some(std) = published.std else { return published.value.to_string() };
    let after_point = |x: f64| x.to_string().split('.').nth(1).map_or(0, str::len);
    let digits = after_point(published.value).max(after_point(std));
    format!("{:.digits$} ± {std:.digits$}", published.value)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_their_column_says() {
        let percent = Column { percent: true, ..Column::default() };
        let plain = Column::default();
        let beside = |value, std| beside_text(&Beside { value, std, source: 0 });
        assert_eq!(beside(11.0, Some(0.9)), "11.0 ± 0.9");
        assert_eq!(beside(94.0, None), "94");
        assert_eq!(number(&percent, 0.43216), "43.22");
        assert_eq!(number(&Column { digits: Some(0), ..percent.clone() }, 0.43216), "43");
        assert_eq!(number(&percent, f64::NAN), "NaN");
        assert_eq!(number(&plain, f64::NEG_INFINITY), "-∞");
    }
}

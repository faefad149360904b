//! The table as texts in rows and columns, before it is Markdown or LaTeX.

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
    /// The rows, a cell for each heading.
    pub(crate) rows: Vec<Vec<GridCell>>,
    /// Remarks under the table.
    pub(crate) remarks: Vec<String>,
    /// Footnotes, counted from 1.
    pub(crate) footnotes: Vec<String>,
}

/// A text with its footnote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GridCell {
    pub(crate) text: String,
    pub(crate) note: Option<usize>,
    /// Whether it stands out: what is ours in the best row, and not what others published.
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
        // The name of a model that is not ours moves no number of ours.
        let numbers = summary.rows.iter().filter(|row| row.ours).all(|row| !is_text(&row.key[i]));
        headings.push((name.clone(), numbers));
    }
    for (c, column) in params.columns.iter().enumerate() {
        let texts = summary.rows.iter().any(|row| match &row.cells[c].0 {
            Cell::Values(values) => values.len() > 1 || values.iter().any(is_text),
            Cell::NotRun | Cell::Apart | Cell::Numbers(..) => false,
        });
        headings.push((column.heading().to_owned(), !texts));
        if beside[c] {
            headings.push((format!("{}, published", column.heading()), true));
        }
    }
    let rows = order.iter().map(|&i| &summary.rows[i]).map(|row| {
        let ours = |text, says| GridCell { text, note: None, strong: row.best && says };
        let mut cells: Vec<GridCell> =
            row.key.iter().map(|value| ours(value.text(), !matches!(value, Value::Missing))).collect();
        for (c, column) in params.columns.iter().enumerate() {
            let (cell, published) = &row.cells[c];
            let says = matches!(cell, Cell::Numbers(..) | Cell::Values(_));
            cells.push(ours(show(column, cell, several[c]), says));
            if beside[c] {
                let text = published.map_or_else(|| "–".to_owned(), |p| p.value.to_string());
                cells.push(GridCell { text, note: published.map(|p| p.source + 1), strong: false });
            }
        }
        cells
    });
    Grid {
        title: params.title.clone(),
        headings,
        rows: rows.collect(),
        remarks: remarks(params, summary, several.contains(&true)),
        footnotes: summary.sources.clone(),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_)) && value.number().is_none()
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
        Cell::Values(values) => values.iter().map(Value::text).collect::<Vec<_>>().join(", "),
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

//! Results tables: what `report` and `findings` write as Markdown, as tables whose cells lead to their
//! origins.

use std::path::Path;

use maud::{Markup, html};

use super::run::Run;
use crate::store::{Artifact, Store};

/// A results table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResultTable {
    pub(crate) title: String,
    /// The headings, and whether numbers stand below them.
    pub(crate) headings: Vec<(String, bool)>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Remarks and footnotes, each with its number where it has one.
    pub(crate) notes: Vec<(Option<String>, String)>,
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// How many bytes of the text, from its beginning, are bold.
    pub(crate) strong: usize,
    pub(crate) footnote: Option<String>,
}

/// The table among an artifact's files; none where it has none.
pub(crate) fn read(store: &Store, artifact: &Artifact) -> Option<ResultTable> {
    let text = store.read_entry(artifact, Path::new("table.md")).ok()??;
    parse(&String::from_utf8_lossy(&text))
}

/// Reads what `igpt_table` writes.
pub(crate) fn parse(text: &str) -> Option<ResultTable> {
    let mut table = ResultTable::default();
    let mut lines = text.lines();
    let heading = loop {
        let line = lines.next()?;
        if line.starts_with('|') {
            break line;
        }
        if let Some(title) = line.strip_prefix("**").and_then(|line| line.strip_suffix("**")) {
            table.title = plain(title);
        }
    };
    let rules = cells(lines.next()?);
    table.headings = cells(heading)
        .iter()
        .zip(rules.iter().map(|rule| rule.ends_with(':')))
        .map(|(text, is_number)| (plain(text), is_number))
        .collect();
    for line in lines {
        if line.starts_with('|') {
            let mut row: Vec<Cell> = cells(line).iter().map(|text| cell(text)).collect();
            row.resize_with(table.headings.len(), Cell::default);
            table.rows.push(row);
        } else if let Some((number, note)) =
            line.strip_prefix("<sup>").and_then(|line| line.split_once("</sup> "))
        {
            table.notes.push((Some(number.to_owned()), plain(note)));
        } else if !line.trim().is_empty() {
            table.notes.push((None, plain(line)));
        }
    }
    Some(table)
}

/// The cells of a line, which stand between bars that are not escaped.
fn cells(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut chars = line.trim().trim_start_matches('|').chars();
    while let Some(c) = chars.next() {
        let last = found.len() - 1;
        match c {
            '\\' => {
                found[last].push(c);
                found[last].extend(chars.next());
            }
            '|' => found.push(String::new()),
            c => found[last].push(c),
        }
    }
    found.pop();
    found.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

fn cell(text: &str) -> Cell {
    let (text, footnote) = match text.strip_suffix("</sup>").and_then(|text| text.rsplit_once(" <sup>")) {
        Some((text, number)) => (text, Some(number.to_owned())),
        None => (text, None),
    };
    // The number is bold, its error is not.
    let bold = text.strip_prefix("**").and_then(|text| text.split_once("**"));
    let (bold, rest) = bold.unwrap_or(("", text));
    let bold = plain(bold);
    Cell { strong: bold.len(), text: bold + &plain(rest), footnote }
}

/// A text without the signs that keep Markdown from seeing something in it.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

impl ResultTable {
    /// The table; `origin` says where the cell of a row and a column leads.
    pub(crate) fn render(&self, run: &Run, origin: &dyn Fn(usize, usize) -> Option<String>) -> Markup {
        html! {
            div.scroll tabindex="0" role="group" aria-label={ "Table: " (run.text(&self.title)) } {
                table.result {
                    @if !self.title.is_empty() { caption { (run.text(&self.title)) } }
                    thead { tr { @for (text, is_number) in &self.headings {
                        th.num[*is_number] scope="col" { (run.text(text)) }
                    } } }
                    tbody { @for (r, row) in self.rows.iter().enumerate() { tr {
                        @for (c, cell) in row.iter().enumerate() {
                            td.num[self.headings[c].1].text[cell.text.chars().count() > 60] { (self.cell(run, r, c, cell, origin)) }
                        }
                    } } }
                }
            }
            @for (number, note) in &self.notes {
                p.note { @if let Some(number) = number { sup { (number) } " " } (run.text(note)) }
            }
        }
    }

    fn cell(
        &self,
        run: &Run,
        r: usize,
        c: usize,
        cell: &Cell,
        origin: &dyn Fn(usize, usize) -> Option<String>,
    ) -> Markup {
        let is_number = cell.text.contains(|c: char| c.is_ascii_digit()) && self.headings[c].1;
        let href = if is_number { origin(r, c) } else { None };
        let (bold, rest) = cell.text.split_at(cell.strong);
        let text = html! { @if !bold.is_empty() { strong { (run.text(bold)) } } (run.text(rest)) };
        html! {
            @match href {
                Some(href) => a href=(href) { (text) },
                None => (text),
            }
            @if let Some(number) = &cell.footnote { sup { (number) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_report_writes_is_read_back() {
        let text = "**A \\_title\\_**\n\n| step | a \\| b |\n| :--- | ---: |\n| **raw** | **28.80 ± 1.01** <sup>1</sup> |\n\
                    | x\\*y | – |\n\nA note.\n\n<sup>1</sup> Table 1 \\<of\\> it\n";
        let table = parse(text).unwrap();
        assert_eq!(table.title, "A _title_");
        assert_eq!(table.headings, [("step".to_owned(), false), ("a | b".to_owned(), true)]);
        let number = Cell { text: "28.80 ± 1.01".into(), strong: 13, footnote: Some("1".into()) };
        assert_eq!(table.rows[0][1], number);
        let part = Cell { text: "58.8 ± 1.1".into(), strong: 4, footnote: None };
        assert_eq!(cell("**58.8** ± 1.1"), part);
        assert_eq!(table.rows[1][0].text, "x*y");
        assert_eq!(table.notes, [(None, "A note.".into()), (Some("1".into()), "Table 1 <of> it".into())]);
        assert_eq!(parse("no table"), None);
    }
}

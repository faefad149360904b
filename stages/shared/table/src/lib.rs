//! Results tables: metrics artifacts as names with values ([`observe`]), and tables of text, written as
//! Markdown, LaTeX and CSV.
//!
//! A stage fills a [`TextTable`] with plain text and calls [`write()`]. No character is special: `_`, `&`,
//! `|` and `±` come out as they are in every format.

mod csv;
mod fit;
mod latex;
mod markdown;
mod number;
pub mod observe;
mod pick;
pub mod scalar;
mod suggest;
mod symbols;
mod value;

use std::path::Path;

pub use csv::{Field, csv};
pub use latex::{escape_latex, latex};
pub use markdown::{escape_markdown, markdown};
pub use number::significant;
pub use pick::Pick;

/// Writes a table into a folder: `table.md`, `table.tex` and, with full precision, `table.csv` from its
/// own headings and rows.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    folder: &Path,
    table: &TextTable,
    (headings, rows): &(Vec<String>, Vec<Vec<Field>>),
) -> std::io::Result<()> {
    std::fs::write(folder.join("table.md"), markdown(table))?;
    std::fs::write(folder.join("table.tex"), latex(table))?;
    std::fs::write(folder.join("table.csv"), csv(headings, rows))
}

/// A table of text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextTable {
    /// The caption; may be empty.
    pub title: String,
    /// The columns, from left to right.
    pub headings: Vec<Heading>,
    /// The rows, a cell for each heading.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks below the table, a paragraph each.
    pub notes: Vec<String>,
    /// Numbered footnotes, from 1; see [`Cell::footnote`].
    pub footnotes: Vec<String>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// What it says.
    pub text: String,
    /// Where the texts of the column stand.
    pub align: Align,
}

impl Heading {
    /// A heading.
    pub fn new(text: impl Into<String>, align: Align) -> Self {
        Self { text: text.into(), align }
    }
}

/// Where texts stand in their column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Align {
    /// At the left: names.
    Left,
    /// At the right: numbers.
    Right,
    /// At the left, broken into lines in LaTeX; the column takes this share of the line's width (0
    /// to 1): sentences.
    Wide(f64),
}

/// A text with its footnote.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// The number of its footnote, from 1.
    pub footnote: Option<usize>,
    /// Whether it is set in bold.
    pub strong: bool,
}

impl Cell {
    /// A cell without a footnote.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), footnote: None, strong: false }
    }

    /// The same cell in bold, if so.
    #[must_use]
    pub fn strong(self, strong: bool) -> Self {
        Self { strong, ..self }
    }
}

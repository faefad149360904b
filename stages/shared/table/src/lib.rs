//! Results tables: metrics artifacts as names with values ([`observe`]), and tables of text, written as
//! Markdown, LaTeX and CSV.
//!
//! A stage fills a [`TextTable`] with plain text and calls [`write()`]. No character is special: `_`, `&`,
//! `|` and `±` come out as they are in every format.

pub mod cells;
mod csv;
pub mod expect;
mod fit;
mod latex;
mod latex_style;
mod markdown;
mod number;
pub mod observe;
mod pick;
pub mod scalar;
pub mod statistics;
mod suggest;
mod symbols;
mod value;

use std::path::Path;

pub use csv::{Field, csv};
pub use latex::{escape_latex, latex};
pub use latex_style::{LatexStyle, Numbers, Rules, Width};
pub use markdown::{escape_markdown, markdown};
pub use number::significant;
pub use pick::Pick;

/// Writes a table into a folder: `table.md`, `table.tex`, with full precision `table.csv` from its own
/// headings and rows, and `cells.json`, which says what each cell is made of.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    folder: &Path,
    table: &TextTable,
    (headings, rows): &(Vec<String>, Vec<Vec<Field>>),
    cells: &cells::CellTable,
) -> std::io::Result<()> {
    std::fs::write(folder.join("cells.json"), cells.json()?)?;
    std::fs::write(folder.join("table.md"), markdown(table))?;
    std::fs::write(folder.join("table.tex"), latex(table))?;
    std::fs::write(folder.join("table.csv"), csv(headings, rows)?)
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
    /// How it is set in LaTeX.
    pub latex: LatexStyle,
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
    /// Whether it is set in bold; of a number with its error, the number alone.
    pub strong: bool,
    /// How long the number is with which the text begins, in bytes; LaTeX sets it with its point below
    /// those of the column.
    pub number: Option<usize>,
}

impl Cell {
    /// A cell without a footnote.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number, and what stands after it: ` ± 0.5`.
    pub fn number(number: &str, after: &str) -> Self {
        Self { number: Some(number.len()), ..Self::new(format!("{number}{after}")) }
    }

    /// The same cell in bold, if so.
    #[must_use]
    pub fn strong(self, strong: bool) -> Self {
        Self { strong, ..self }
    }

    /// Its number and what stands after it; all of it is the number where that is not told.
    fn parts(&self) -> (&str, &str) {
        self.text.split_at_checked(self.number.unwrap_or(self.text.len())).unwrap_or((&self.text, ""))
    }

    /// A number before its point, and the rest of the text.
    fn at_point(&self) -> Option<(&str, &str, &str)> {
        self.number?;
        let (number, after) = self.parts();
        let point = number.find(['.', 'e']).unwrap_or(number.len());
        Some((&number[..point], &number[point..], after))
    }
}

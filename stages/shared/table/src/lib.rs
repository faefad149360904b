//! What results tables share: the metrics artifacts as names with values ([`observe`]), and a table of
//! texts, with what it looks like as Markdown and as LaTeX.
//!
//! Whoever has a table to show fills a [`Grid`] with plain texts and asks for a form. Nothing in a
//! text is special: `_`, `&`, `|` and `±` come out as they are, in both forms.

mod fit;
mod latex;
mod markdown;
mod number;
pub mod observe;
mod pick;
pub mod scalar;
mod signs;

pub use latex::{escape_latex, latex};
pub use markdown::{escape_markdown, markdown};
pub use number::significant;
pub use pick::Pick;

/// A table of texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// The caption; may be empty.
    pub title: String,
    /// The columns, from left to right.
    pub headings: Vec<Heading>,
    /// The rows, a cell for each heading.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks under the table, a paragraph each.
    pub remarks: Vec<String>,
    /// Footnotes, counted from 1; see [`Cell::note`].
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
    pub note: Option<usize>,
    /// Whether it is set in bold.
    pub strong: bool,
}

impl Cell {
    /// A cell without a footnote.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), note: None, strong: false }
    }

    /// The same cell in bold, if so.
    #[must_use]
    pub fn strong(self, strong: bool) -> Self {
        Self { strong, ..self }
    }
}

//! How a table is set in LaTeX.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to typeset `table.tex`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatexStyle {
    /// The horizontal rules. Default: `booktabs`.
    #[serde(default)]
    pub rules: Rules,
    /// How to align the numbers of a column. Default: `point`.
    #[serde(default)]
    pub numbers: Numbers,
    /// How wide the table is. Default: `auto`.
    #[serde(default)]
    pub width: Width,
}

/// The rules of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// The rules of the booktabs package, which the document must load.
    #[default]
    Booktabs,
    /// LaTeX's own rules, which need no package.
    Plain,
}

/// How numbers are aligned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// At the decimal point: in the source, a column of numbers is two columns, split at the point.
    #[default]
    Point,
    /// On the right.
    Right,
}

/// How wide a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// As `column` if the table fits there without too small a font, otherwise as `page`.
    #[default]
    Auto,
    /// A `table`, as wide as one column in a two-column class.
    Column,
    /// A `table*`, as wide as the page in a two-column class; a `table` in other classes.
    Page,
}

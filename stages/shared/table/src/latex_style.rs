//! How a table is set in LaTeX.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How `table.tex` is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatexStyle {
    /// The rules above, below and within. Default: `booktabs`.
    #[serde(default)]
    pub rules: Rules,
    /// How the numbers of a column stand below each other. Default: `point`.
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
    /// Those of the package booktabs, which the document must load.
    #[default]
    Booktabs,
    /// Those of LaTeX itself: no package is needed.
    Plain,
}

/// How numbers are aligned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// At their decimal points: a column of numbers is two in the source, parted at the point.
    #[default]
    Point,
    /// At their right ends.
    Right,
}

/// How wide a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// As `column` where it fits there in letters that are not too small, else as `page`.
    #[default]
    Auto,
    /// A `table`, which fits a column of a class with two columns.
    Column,
    /// A `table*`: as wide as the page in a class with two columns, a `table` in others.
    Page,
}

//! What a pipeline may ask of a figure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::Error;
use crate::scalar;

/// What a figure is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Markers, joined by a line for each series.
    #[default]
    Lines,
    /// A group of bars for each value of `x`, in it a bar for each series, its number above.
    Bars,
}

/// A figure: one number by another, with error bars.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Lines or bars. Default: lines.
    #[serde(default)]
    pub kind: Form,
    /// The name along the horizontal axis. Values that are not numbers are spaced evenly. A series
    /// without it, or with a single number where others have several, is a horizontal dashed line.
    pub x: String,
    /// The name of the number along the vertical axis; averaged where a point has several.
    pub y: String,
    /// The name that makes one line of each of its values. Default: a single line.
    #[serde(default)]
    pub series: String,
    /// The names whose values make a point; `series` must be one of them. Both `x`, then a number such
    /// as a loss, and `y` are means over all artifacts that have these values, even where one artifact
    /// has the `x` and another the `y`: validation loss against probe accuracy (Figure 3 of the paper).
    /// Points are joined in the order of the other names' values. Default: points differ in `x`.
    #[serde(default)]
    pub points: Vec<String>,
    /// With `points`: only artifacts with these values give an `x`, where others have a number of that
    /// name too: `{step: loss}`.
    #[serde(default, deserialize_with = "scalar::map")]
    #[schemars(schema_with = "scalar::map_schema")]
    pub x_where: BTreeMap<String, String>,
    /// Values of `series`, and names along the axis, that come before others, in this order. Default:
    /// all in natural order.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "scalar::list_schema")]
    pub order: Vec<String>,
    /// Whether the horizontal axis runs from high to low.
    #[serde(default)]
    pub reverse: bool,
    /// Where the vertical axis begins, in its units. Default: 0 for bars, below the lowest point for
    /// lines.
    #[serde(default)]
    pub y_from: Option<f64>,
    /// What an error bar shows, up and down. Default: `sd`.
    #[serde(default)]
    pub error: Error,
    /// The name of the number of images behind a share; see `count` of a column.
    #[serde(default)]
    pub count: String,
    /// More numbers of the same artifacts, each a series of its own beside that of `y`: accuracies of an
    /// ensemble over masks (Figure 4 of the paper). Default: none.
    #[serde(default)]
    pub also: Vec<Also>,
    /// The heading. Default: the table's.
    #[serde(default)]
    pub title: String,
    /// What is written at the horizontal axis; a blank writes nothing. Default: the name.
    #[serde(default)]
    pub x_label: String,
    /// What is written at the vertical axis. Default: the name.
    #[serde(default)]
    pub y_label: String,
    /// Whether `y` is a share that is shown in percent.
    #[serde(default)]
    pub percent: bool,
    /// Whether 1 - y is shown.
    #[serde(default)]
    pub complement: bool,
    /// What is printed below the figure, a paragraph each: the paper's statements with their sections.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Horizontal lines, published results for instance.
    #[serde(default)]
    pub references: Vec<Reference>,
}

/// Another number along the vertical axis.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Also {
    /// Its name: `accuracy.test.masks`.
    pub y: String,
    /// What the legend says of it, after the name of the series: `5 masks`.
    pub title: String,
}

/// A horizontal line in a figure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What the legend says, with the source.
    pub label: String,
    /// Where it lies, in the units of the axis (96.3 where it shows percent).
    pub value: f64,
}

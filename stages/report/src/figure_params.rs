//! The parameters of a figure.

use std::collections::BTreeMap;

use igpt_table::scalar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::ErrorBar;

/// The kind of figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlotKind {
    /// Markers, joined by a line in each series.
    #[default]
    Lines,
    /// A group of bars for each value of `x`, with a bar for each series and its number above.
    Bars,
}

/// A figure of one number over another, with error bars.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// `lines` or `bars`. Default: `lines`.
    #[serde(default)]
    pub kind: PlotKind,
    /// The name on the horizontal axis. Values that are not numbers are spaced evenly. A series without
    /// it, or with one value where others have several, becomes a horizontal dashed line.
    pub x: String,
    /// The name of the number on the vertical axis; a point with several shows their mean.
    pub y: String,
    /// The name whose values are the series. Default: a single series.
    #[serde(default)]
    pub series: String,
    /// The names whose values identify a point, `series` among them. `x` (a number such as a loss) and
    /// `y` are then means over all artifacts with these values, even if some have only the `x` and
    /// others only the `y`: validation loss against probe accuracy (Figure 3). Points are joined in the
    /// order of the other names' values. Default: points are identified by `x`.
    #[serde(default)]
    pub points: Vec<String>,
    /// With `points`: takes `x` only from artifacts with these values: `{step: loss}`.
    #[serde(default, deserialize_with = "scalar::map")]
    #[schemars(schema_with = "scalar::map_schema")]
    pub x_where: BTreeMap<String, String>,
    /// Values of `series`, or of a horizontal axis of names, in the order to show them; others follow.
    /// Default: natural order.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "scalar::list_schema")]
    pub order: Vec<String>,
    /// Whether the horizontal axis runs from high to low.
    #[serde(default)]
    pub reverse: bool,
    /// The start of the vertical axis, in its units. Default: 0 for bars, below the lowest point for
    /// lines.
    #[serde(default)]
    pub y_from: Option<f64>,
    /// What error bars show. Default: `sd`.
    #[serde(default)]
    pub error: ErrorBar,
    /// The name of the metric that counts a share's images; see `columns.count`.
    #[serde(default)]
    pub count: String,
    /// More numbers of the same artifacts, each a series beside that of `y`: accuracies of an ensemble
    /// over masks (Figure 4). Default: none.
    #[serde(default)]
    pub also: Vec<ExtraSeries>,
    /// The title. Default: the table's.
    #[serde(default)]
    pub title: String,
    /// The label of the horizontal axis; a blank hides it. Default: the name.
    #[serde(default)]
    pub x_label: String,
    /// The label of the vertical axis. Default: the name.
    #[serde(default)]
    pub y_label: String,
    /// Shows the share `y` in percent.
    #[serde(default)]
    pub percent: bool,
    /// Shows 1 - y.
    #[serde(default)]
    pub complement: bool,
    /// Paragraphs below the figure: the paper's statements with their sections, for example.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Horizontal lines, published results for example.
    #[serde(default)]
    pub references: Vec<Reference>,
}

/// Another number on the vertical axis.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraSeries {
    /// Its name: `accuracy.test.masks`.
    pub y: String,
    /// Its name in the legend, after that of the series: `5 masks`.
    pub title: String,
}

/// A horizontal line in a figure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its name in the legend, with the source.
    pub label: String,
    /// The height, in the units of the axis (96.3 if it shows percent).
    pub value: f64,
}

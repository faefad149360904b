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
    /// Markers, joined by a line within each series.
    #[default]
    Lines,
    /// The curve `y` of each artifact, such as `loss.train` over the steps of a training: one line per
    /// artifact, without markers.
    Curves,
    /// A group of bars for each value of `x`: one bar per series, with its number above.
    Bars,
}

/// The scale of an axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Linear.
    #[default]
    Linear,
    /// Logarithmic. Points that are not above 0 are left out and counted.
    Log,
}

/// What to draw in the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigureStyle {
    /// Also the title above and the notes below, for a picture that stands alone.
    #[default]
    Whole,
    /// Only the plot and its legend; the rest belongs in the paper's caption and is in `caption.tex`.
    Paper,
}

/// A figure of one number over another, with error bars.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// `lines`, `bars` or `curves`. Default: `lines`.
    #[serde(default)]
    pub kind: PlotKind,
    /// Whether to draw title and notes. Default: `whole`.
    #[serde(default)]
    pub style: FigureStyle,
    /// The name on the horizontal axis. Values that are not numbers are spaced evenly. A series without
    /// it, or with one value where others have several, becomes a horizontal dashed line. Curves have
    /// their own x; leave it out.
    #[serde(default)]
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
    /// The scale of the horizontal axis. Default: `linear`.
    #[serde(default)]
    pub x_scale: Scale,
    /// The scale of the vertical axis. Default: `linear`.
    #[serde(default)]
    pub y_scale: Scale,
    /// Smoothing of curves: the weight of the preceding points, from 0 to below 1; 0.9 averages over
    /// about ten points. Default: 0, no smoothing.
    #[serde(default)]
    pub smooth: f64,
    /// Whether the horizontal axis runs from high to low.
    #[serde(default)]
    pub reverse: bool,
    /// The start of the vertical axis, in its units. Default: 0 for bars, below the lowest point for
    /// lines.
    #[serde(default)]
    pub y_from: Option<f64>,
    /// What the error bars show. Default: `sd`.
    #[serde(default)]
    pub error: ErrorBar,
    /// The name of the metric that counts a share's images; see `columns.count`.
    #[serde(default)]
    pub count: String,
    /// More numbers of the same artifacts, each as another series: accuracies of an ensemble over masks
    /// (Figure 4). Default: none.
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
    /// Paragraphs below the figure.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Statements by others about the same result, shown below the figure with their sources.
    #[serde(default)]
    pub claims: Vec<Statement>,
    /// Horizontal lines, for example published results.
    #[serde(default)]
    pub references: Vec<Reference>,
}

/// A statement by others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The statement, as a sentence.
    pub text: String,
    /// The source: `Chen et al. 2020, section 4.1`.
    pub source: String,
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

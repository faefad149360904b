//! What a pipeline may ask of a report.

use std::collections::BTreeMap;

use igpt_table::Pick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::figure_params::Figure;
use crate::observe::Value;
use crate::scalar;

/// Parameters of `report`.
///
/// A *name* below is looked up in each metrics artifact: first among its labels (the matrix axes of
/// the step that made it; and `step`, the name of its wire where that has one, `probe` in
/// `metrics: [{probe: probe.*}]`), then among its numbers (`accuracy.test`), then among its facts
/// (`pooling`). A wire without a name gives no `step`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The table's caption. Default: none.
    #[serde(default)]
    pub title: String,
    /// The names whose values make a row: `[layer]`, `[model, layer]`. Everything else that varies
    /// (seeds, say) is averaged over. An artifact that lacks some of the names has a dash there; one
    /// that lacks all of them is in no row.
    #[schemars(extend("examples" = [["layer"]]))]
    pub rows: Vec<String>,
    /// The columns, from left to right.
    #[schemars(extend("examples" = [[{"metric": "accuracy.test", "percent": true}]]))]
    pub columns: Vec<Column>,
    /// Of artifacts that differ only in some labels, only the best is kept, before anything else. One
    /// without the number, or with NaN, is kept only where none has it; artifacts with none of the
    /// labels are no candidates, and stay. Default: all are kept.
    #[serde(default)]
    pub pick: Option<Pick>,
    /// Rows that belong in the table whether there is a result or not, each the row's values joined
    /// by `, `: without a result they say `not run`. Default: none.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "scalar::list_schema")]
    pub expected: Vec<String>,
    /// What our columns say in a row that only published numbers stand in, and that is not
    /// `expected`. Default: `not_run`.
    #[serde(default)]
    pub others: Others,
    /// Published numbers, each in a column of its own beside ours, with its source under the table.
    #[serde(default)]
    pub published: Vec<Published>,
    /// The order of the rows. Default: by the row's values, numbers before texts.
    #[serde(default)]
    pub sort: Option<Sort>,
    /// Which rows to mark as the best, named under the table. Default: none.
    #[serde(default)]
    pub best: Option<Best>,
    /// What the figure shows. Default: the first column that holds numbers, by the first name of
    /// `rows` that has numbers, a line for each value of the next other name.
    #[serde(default)]
    pub figure: Option<Figure>,
}

/// What our columns say in a row of published numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// `not run`: the method is one that we mean to run.
    #[default]
    NotRun,
    /// A dash: the method is not ours.
    Dash,
}

/// What stands after `±` and what a bar in a figure shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Error {
    /// The sample standard deviation of several numbers; nothing for one.
    #[default]
    Sd,
    /// The standard error of the mean: of several numbers sd / sqrt(their count), of a single share p
    /// of N test images sqrt(p (1 - p) / N).
    Se,
}

/// A column of the table.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name of what it shows: a metric (mean over the row's artifacts, with the sample standard
    /// deviation and n where there are several), a label or a fact (its distinct values).
    pub metric: String,
    /// The heading. Default: the metric's name.
    #[serde(default)]
    pub title: String,
    /// Whether the number is a share that is shown in percent.
    #[serde(default)]
    pub percent: bool,
    /// Whether 1 - value is shown: errors instead of accuracies (Table 4 of the paper).
    #[serde(default)]
    pub complement: bool,
    /// What stands after `±`. Default: `sd`.
    #[serde(default)]
    pub error: Error,
    /// The name of the number of images behind a share, for the standard error of a single one.
    /// Default: for `accuracy.test` the `rows.test` of a probe or the `images.test` of fine-tuning.
    #[serde(default)]
    pub count: String,
    /// Digits after the point. Default: 2 for percentages; else four significant digits.
    #[serde(default)]
    pub digits: Option<u8>,
    /// Only artifacts with these values count: `{objective: bert, layer: 2}`. Compared as texts. Rows
    /// that have another value of one of these names show a dash, and no hole.
    #[serde(default, rename = "where", deserialize_with = "scalar::map")]
    #[schemars(schema_with = "scalar::map_schema")]
    pub only: BTreeMap<String, String>,
}

impl Column {
    /// The heading.
    pub(crate) fn heading(&self) -> &str {
        if self.title.is_empty() { &self.metric } else { &self.title }
    }

    /// The name of the column in the CSV file: the metric's, with its conditions in brackets.
    pub(crate) fn csv_name(&self) -> String {
        let metric = if self.complement { format!("1-{}", self.metric) } else { self.metric.clone() };
        if self.only.is_empty() {
            return metric;
        }
        let conditions: Vec<String> =
            self.only.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{metric}[{}]", conditions.join(","))
    }

    /// Whether no artifact of a row can count, by the row's own values.
    pub(crate) fn leaves_out(&self, names: &[String], row: &[Value]) -> bool {
        let differs = |(name, value): (&String, &Value)| {
            self.only.get(name).is_some_and(|wanted| value.text() != *wanted)
        };
        names.iter().zip(row).any(differs)
    }

    /// Whether a standard error can be told of a single number.
    pub(crate) fn is_share(&self) -> bool {
        crate::observe::is_share(&self.metric, &self.count)
    }

    /// A number of the metric as the column has it.
    pub(crate) fn of(&self, x: f64) -> f64 {
        if self.complement { 1.0 - x } else { x }
    }
}

/// A number that somebody published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The row's values, joined by `, ` where there are several. A row that is not ours is added.
    #[serde(deserialize_with = "scalar::text")]
    #[schemars(schema_with = "scalar::schema")]
    pub row: String,
    /// The heading of the column that it stands beside.
    pub column: String,
    /// The number, in the units of the heading (96.3 where the column shows percent).
    pub value: f64,
    /// What was published after `±`, in the same units. Default: nothing.
    #[serde(default)]
    pub std: Option<f64>,
    /// Where it was published: paper, table or section.
    pub source: String,
}

/// An order of rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The heading of a column, or one of `rows`. Equal rows stay in their natural order; rows
    /// without a value come last. Default, with `order`: the whole row, its values joined by `, `.
    #[serde(default)]
    pub by: String,
    /// The values in the order that they come in; rows with others follow. Default: by size.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "scalar::list_schema")]
    pub order: Vec<String>,
    /// Whether the largest comes first.
    #[serde(default)]
    pub descending: bool,
}

/// Which row is the best.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The name of the number that decides: `accuracy.valid`. Of equal rows the first in natural
    /// order wins; rows without the number, or where it is NaN, do not compete.
    pub metric: String,
    /// Whether the lowest wins (losses).
    #[serde(default)]
    pub lowest: bool,
    /// One winner for each value of these names, a part of `rows`. Default: one for the table.
    #[serde(default)]
    pub within: Vec<String>,
}

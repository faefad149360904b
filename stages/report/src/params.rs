//! The parameters of `report`.

use std::collections::BTreeMap;

use igpt_table::expect::{self, Expectation};
use igpt_table::observe::{Value, is_share};
use igpt_table::{LatexStyle, Pick, scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::figure_params::Figure;
use crate::statistics::ErrorBar;

/// Parameters of `report`.
///
/// A *name* below is looked up in each metrics artifact: first among its labels (the matrix axes of
/// the step that made it and, where its input has a name, `step`: `probe` in
/// `metrics: [{probe: probe.*}]`), then among its numbers (`accuracy.test`), then among its facts
/// (`pooling`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The table's caption. Default: none.
    #[serde(default)]
    pub title: String,
    /// The names whose values identify a row: `[layer]`, `[model, layer]`. Everything else that varies
    /// (seeds, for example) is averaged over. A name that an artifact lacks becomes a dash; an artifact
    /// that lacks all of them is in no row.
    #[schemars(extend("examples" = [["layer"]]))]
    pub rows: Vec<String>,
    /// The columns, from left to right.
    #[schemars(extend("examples" = [[{"metric": "accuracy.test", "percent": true}]]))]
    pub columns: Vec<Column>,
    /// Keeps only the best among artifacts that differ only in some labels, before anything else. An
    /// artifact whose metric is missing or NaN is kept only if no other has it; artifacts with none of
    /// the labels always stay. Default: all are kept.
    #[serde(default)]
    pub pick: Option<Pick>,
    /// Rows to show even without a result, as `not run`; each is the row's values joined by `, `.
    /// Default: none.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "scalar::list_schema")]
    pub expected: Vec<String>,
    /// What columns of results show in a row that has only published numbers and is not `expected`.
    /// Default: `not_run`.
    #[serde(default)]
    pub others: Placeholder,
    /// Published numbers, with their sources below the table: in the same column as the results if no row
    /// has both, otherwise in a column beside it.
    #[serde(default)]
    pub published: Vec<Published>,
    /// The order of the rows. Default: by their values, numbers before texts.
    #[serde(default)]
    pub sort: Option<Sort>,
    /// Which rows to name as the best below the table. Default: none.
    #[serde(default)]
    pub best: Option<BestRow>,
    /// The names among `rows` that group the table: the best value of a column is bold in each group
    /// (`[data]`: for each data set). Default: `best.within`, otherwise one group.
    #[serde(default)]
    pub within: Vec<String>,
    /// How to typeset the table in LaTeX.
    #[serde(default)]
    pub latex: LatexStyle,
    /// The figure. Default: the first column of numbers over the first of `rows` that has numbers, with a
    /// line for each value of the next of `rows`.
    #[serde(default)]
    pub figure: Option<Figure>,
}

/// What columns of results show in a row of published numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placeholder {
    /// `not run`, for a method that you have yet to run.
    #[default]
    NotRun,
    /// A dash, for other people's methods.
    Dash,
}

/// A column of the table.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name of what the column shows: a metric (the mean over the row's artifacts, with n and a
    /// deviation if there are several), or a label or fact (its distinct values).
    pub metric: String,
    /// The heading. Default: the name of the metric.
    #[serde(default)]
    pub title: String,
    /// Shows a share in percent.
    #[serde(default)]
    pub percent: bool,
    /// Shows 1 - value: errors instead of accuracies (Table 4).
    #[serde(default)]
    pub complement: bool,
    /// What to show after `±`. Default: `sd`.
    #[serde(default)]
    pub error: ErrorBar,
    /// The name of the metric that counts a share's images, for the standard error of a single number.
    /// Default: for `accuracy.test`, the `rows.test` of a probe or the `images.test` of fine-tuning.
    #[serde(default)]
    pub count: String,
    /// Digits after the decimal point. Default: enough for two significant digits of the error; without
    /// an error, 2 for percentages and otherwise enough for four significant digits.
    #[serde(default)]
    pub digits: Option<u8>,
    /// Which value of the column is the best, and bold; an arrow in the heading shows the direction.
    /// Default: `higher` for `accuracy`, `lower` for `loss` (reversed with `complement`), without an
    /// arrow; `none` for others.
    #[serde(default)]
    pub better: Option<Better>,
    /// Expected results of the column, one or a list: the table shows the differences, and `run --check`
    /// exits with code 100 if one is missed. Default: none.
    #[serde(default, deserialize_with = "expect::one_or_more")]
    #[schemars(schema_with = "expect::one_or_more_schema")]
    pub expect: Vec<Expectation>,
    /// Only artifacts with these values count: `{objective: bert, layer: 2}`, compared as text. Rows
    /// with another value of one of these names show a dash.
    #[serde(default, rename = "where", deserialize_with = "scalar::map")]
    #[schemars(schema_with = "scalar::map_schema")]
    pub only: BTreeMap<String, String>,
}

/// Which value of a column is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The highest.
    Higher,
    /// The lowest.
    Lower,
    /// None is.
    None,
}

impl Column {
    /// Which value is the best, as it is shown.
    pub(crate) fn better(&self) -> Better {
        let is = |name: &str| self.metric.split('.').next() == Some(name);
        match (self.better, self.complement) {
            (Some(better), _) => better,
            (None, false) if is("accuracy") => Better::Higher,
            (None, true) if is("accuracy") => Better::Lower,
            (None, false) if is("loss") => Better::Lower,
            _ => Better::None,
        }
    }

    /// The heading with the unit and, where it was asked for, the direction.
    pub(crate) fn full_heading(&self) -> String {
        let mut text = self.heading().to_owned();
        if self.percent && !text.contains('%') {
            text += " (%)";
        }
        text + match self.better {
            Some(Better::Higher) => " ↑",
            Some(Better::Lower) => " ↓",
            Some(Better::None) | None => "",
        }
    }

    /// A value of ours in the units of the heading.
    pub(crate) fn in_units(&self, x: f64) -> f64 {
        if self.percent { 100.0 * x } else { x }
    }

    /// The heading.
    pub(crate) fn heading(&self) -> &str {
        if self.title.is_empty() { &self.metric } else { &self.title }
    }

    /// The name of the column in the CSV file: the metric, with its conditions in brackets.
    pub(crate) fn csv_name(&self) -> String {
        let metric = if self.complement { format!("1-{}", self.metric) } else { self.metric.clone() };
        if self.only.is_empty() {
            return metric;
        }
        let conditions: Vec<String> =
            self.only.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{metric}[{}]", conditions.join(","))
    }

    /// Whether the row's own values contradict `where`.
    pub(crate) fn leaves_out(&self, names: &[String], row: &[Value]) -> bool {
        let differs = |(name, value): (&String, &Value)| {
            self.only.get(name).is_some_and(|wanted| value.text() != *wanted)
        };
        names.iter().zip(row).any(differs)
    }

    /// Whether a single number has a standard error.
    pub(crate) fn is_share(&self) -> bool {
        is_share(&self.metric, &self.count)
    }

    /// A value of the metric as the column shows it.
    pub(crate) fn of(&self, x: f64) -> f64 {
        if self.complement { 1.0 - x } else { x }
    }
}

/// A published number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The row: its values, joined by `, `. A row without results of ours is added.
    #[serde(deserialize_with = "scalar::text")]
    #[schemars(schema_with = "scalar::schema")]
    pub row: String,
    /// The heading of its column, as in `title`.
    pub column: String,
    /// The number, in the units of the column (96.3 if it shows percent).
    pub value: f64,
    /// The published deviation, in the same units. Default: none.
    #[serde(default)]
    pub std: Option<f64>,
    /// The source: paper and table or section.
    pub source: String,
}

/// The order of rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The heading of a column, or one of `rows`. Equal rows keep their natural order; rows without a
    /// value come last. Default, with `order`: the whole row, its values joined by `, `.
    #[serde(default)]
    pub by: String,
    /// The values in the order to show them; rows with other values follow. Default: by size.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "scalar::list_schema")]
    pub order: Vec<String>,
    /// Whether to put the largest value first.
    #[serde(default)]
    pub descending: bool,
}

/// Which rows are the best.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BestRow {
    /// The metric that decides: `accuracy.valid`. Ties go to the first row in natural order; rows whose
    /// metric is missing or NaN are left out.
    pub metric: String,
    /// Whether the lowest value is the best, as for losses.
    #[serde(default)]
    pub lowest: bool,
    /// Names one row for each value of these names, a subset of `rows`. Default: one for the table.
    #[serde(default)]
    pub within: Vec<String>,
}

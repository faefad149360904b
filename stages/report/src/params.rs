//! What a pipeline may ask of a report.

use std::collections::BTreeMap;

use igpt_contract::ParamError;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::observe::Value;

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
    pub rows: Vec<String>,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
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
    /// Digits after the point. Default: 2 for percentages; else four significant digits.
    #[serde(default)]
    pub digits: Option<u8>,
    /// Only artifacts with these values count: `{objective: bert, layer: 2}`. Compared as texts.
    #[serde(default, rename = "where", deserialize_with = "texts")]
    #[schemars(schema_with = "scalars")]
    pub only: BTreeMap<String, String>,
}

impl Column {
    /// The heading.
    pub(crate) fn heading(&self) -> &str {
        if self.title.is_empty() { &self.metric } else { &self.title }
    }

    /// The name of the column in the CSV file: the metric's, with its conditions in brackets.
    pub(crate) fn csv_name(&self) -> String {
        if self.only.is_empty() {
            return self.metric.clone();
        }
        let conditions: Vec<String> =
            self.only.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}[{}]", self.metric, conditions.join(","))
    }
}

/// A number that somebody published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The row's values, joined by `, ` where there are several. A row that is not ours is added.
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "scalar")]
    pub row: String,
    /// The heading of the column that it stands beside.
    pub column: String,
    /// The number, in the units of the heading (96.3 where the column shows percent).
    pub value: f64,
    /// Where it was published: paper, table or section.
    pub source: String,
}

/// An order of rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The heading of a column, or one of `rows`. Equal rows stay in their natural order; rows
    /// without a value come last.
    pub by: String,
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

/// A figure: one number by another, lines with markers, bars of one sample standard deviation.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The name along the horizontal axis. Values that are not numbers are spaced evenly. A series
    /// without it, or with a single number where others have several, is a horizontal dashed line.
    pub x: String,
    /// The name of the number along the vertical axis; averaged where a point has several.
    pub y: String,
    /// The name that makes one line of each of its values. Default: a single line.
    #[serde(default)]
    pub series: String,
    /// The heading. Default: the table's.
    #[serde(default)]
    pub title: String,
    /// What is written at the horizontal axis. Default: the name.
    #[serde(default)]
    pub x_label: String,
    /// What is written at the vertical axis. Default: the name.
    #[serde(default)]
    pub y_label: String,
    /// Whether `y` is a share that is shown in percent.
    #[serde(default)]
    pub percent: bool,
    /// Horizontal lines, published results for instance.
    #[serde(default)]
    pub references: Vec<Reference>,
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

/// Refuses what makes no sense together.
pub(crate) fn check(params: &Params) -> Result<(), ParamError> {
    if params.rows.is_empty() {
        return Err(ParamError::at("rows", "expected at least one name, such as `layer`; found none"));
    }
    if params.columns.is_empty() {
        return Err(ParamError::at("columns", "expected at least one column; found none"));
    }
    if let Some(name) = repeated(params.rows.iter().cloned()) {
        return Err(ParamError::at("rows", format!("`{name}` is given twice")));
    }
    let headings = || params.columns.iter().map(|c| c.heading().to_owned());
    if let Some(name) = repeated(params.rows.iter().cloned().chain(headings())) {
        let what = format!("the heading `{name}` is used twice; give one of them another `title`");
        return Err(ParamError::at("columns", what));
    }
    if let Some(name) = repeated(params.columns.iter().map(Column::csv_name)) {
        return Err(ParamError::at("columns", format!("two columns show `{name}`")));
    }
    let derived = params.columns.iter().flat_map(|column| derived(params, column));
    if let Some(name) = repeated(params.rows.iter().cloned().chain(derived)) {
        let what = format!(
            "expected names that differ in the CSV file, found two columns `{name}` there; what `rows` \
             names is shown already, and a number makes `.std` and `.n` beside its own column"
        );
        return Err(ParamError::at("columns", what));
    }
    if let Some(column) = params.columns.iter().find(|c| c.digits.is_some_and(|d| d > 15)) {
        let what = format!("`digits` of `{}`: expected at most 15", column.heading());
        return Err(ParamError::at("columns", what));
    }
    let known: Vec<String> = headings().collect();
    for published in &params.published {
        if !known.contains(&published.column) {
            let what = crate::observe::unknown("column", &published.column, &known);
            return Err(ParamError::at("published", what));
        }
        if published.source.trim().is_empty() {
            let what = format!("the number published for `{}` names no source", published.row);
            return Err(ParamError::at("published", what));
        }
    }
    let pairs = params.published.iter().map(|p| format!("{} / {}", p.row, p.column));
    if let Some(cell) = repeated(pairs) {
        return Err(ParamError::at("published", format!("`{cell}` is given twice")));
    }
    if let Some(sort) = &params.sort {
        let known: Vec<String> = params.rows.iter().cloned().chain(headings()).collect();
        if !known.contains(&sort.by) {
            return Err(ParamError::at("sort", crate::observe::unknown("column", &sort.by, &known)));
        }
    }
    let within = params.best.iter().flat_map(|best| &best.within);
    if let Some(name) = within.into_iter().find(|name| !params.rows.contains(name)) {
        return Err(ParamError::at("best", format!("`within` names `{name}`, which is not one of `rows`")));
    }
    Ok(())
}

/// The columns that a column makes in the CSV file, if it holds numbers.
fn derived(params: &Params, column: &Column) -> Vec<String> {
    let name = column.csv_name();
    let mut suffixes = vec!["", ".std", ".n"];
    if params.published.iter().any(|p| p.column == column.heading()) {
        suffixes.extend([".published", ".source"]);
    }
    suffixes.into_iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// The first of the names that was there before.
fn repeated(names: impl Iterator<Item = String>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(name.clone()))
}

/// The schema of a text that may be written as a number.
fn scalar(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "number", "boolean"]})
}

fn scalars(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": scalar(generator)})
}

/// A text, however it is written: `2` is the text that a label 2 is compared as.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    as_text(&serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let texts = values.into_iter().map(|(name, value)| Ok((name, as_text(&value)?)));
    texts.collect::<Result<_, String>>().map_err(D::Error::custom)
}

fn as_text(value: &serde_json::Value) -> Result<String, String> {
    match value {
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err(format!("expected a text, a number, true or false; found `{value}`"))
        }
        scalar => Ok(Value::of(scalar).text()),
    }
}

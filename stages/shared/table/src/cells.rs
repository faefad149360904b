//! What the cells of a table are made of, for programs: `cells.json`.

use std::collections::BTreeMap;

use igpt_contract::{LabelledInput, Labels};
use serde::Serialize;

use crate::observe::{InputRef, Observation};

/// The content of `cells.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CellTable {
    /// The caption.
    pub title: String,
    /// The columns of results, from left to right.
    pub columns: Vec<CellColumn>,
    /// The rows, as they are shown.
    pub rows: Vec<CellRow>,
    /// The cells that have a result or a published number, row by row.
    pub cells: Vec<CellResult>,
    /// Port -> the labels of its inputs, in the order of the record's key.
    pub inputs: BTreeMap<String, Vec<Labels>>,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CellColumn {
    /// Its name in the CSV file.
    pub name: String,
    /// What the table says above it.
    pub heading: String,
}

/// A row.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CellRow {
    /// Its values, joined.
    pub name: String,
    /// Its values by their names.
    pub labels: Labels,
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CellResult {
    /// The number of its row, from 0.
    pub row: usize,
    /// The number of its column, from 0.
    pub column: usize,
    /// What the table shows.
    pub text: String,
    /// The number with full precision, in the metric's units; or the values of a label or fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// What stands after `±`, with full precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<serde_json::Value>,
    /// How many numbers it is the mean of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// A number of others in the cell, or beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedCell>,
    /// What was expected of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedCell>,
    /// The inputs that its value comes from, in their order.
    pub inputs: Vec<InputRef>,
}

/// A published number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedCell {
    /// The number, in the units of the heading.
    pub value: f64,
    /// Its deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Where it was published.
    pub source: String,
}

/// An expectation, and whether it is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedCell {
    /// The number that was expected, in the units of the heading.
    pub value: f64,
    /// How far from it the result may be.
    pub tolerance: f64,
    /// The result minus what was expected; none without a result.
    pub difference: Option<f64>,
    /// Whether it is met.
    pub met: bool,
    /// Where the expectation comes from.
    pub source: String,
}

impl CellTable {
    /// The labels of a port's inputs, where it has any.
    pub fn add_port(&mut self, port: &str, inputs: &[LabelledInput]) {
        if !inputs.is_empty() {
            self.inputs.insert(port.to_owned(), inputs.iter().map(|input| input.labels.clone()).collect());
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn json(&self) -> std::io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// A number as JSON has it; those that JSON lacks are the texts `NaN`, `inf` and `-inf`.
pub fn number(x: f64) -> serde_json::Value {
    serde_json::Number::from_f64(x).map_or_else(|| x.to_string().into(), serde_json::Value::Number)
}

/// Where artifacts came in, each input once and in their order.
pub fn inputs_of<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Vec<InputRef> {
    let all: std::collections::BTreeSet<InputRef> =
        observations.into_iter().filter_map(|o| o.input().cloned()).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_are_texts() {
        let shown = [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|x| number(x).to_string());
        assert_eq!(shown, ["0.5", "\"NaN\"", "\"inf\"", "\"-inf\""]);
    }
}

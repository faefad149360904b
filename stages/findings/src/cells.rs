//! What each finding is made of, for `cells.json`: a row for each claim, one column.

use std::collections::BTreeSet;

use igpt_contract::LabelledInput;
use igpt_table::cells::{CellColumn, CellResult, CellRow, CellTable, inputs_of, number};
use igpt_table::observe::{InputRef, Observation, Value};

use crate::finding::{Finding, Unit};
use crate::params::{Claim, Params};
use crate::select::members;
use crate::table::expected;

/// The claims with their numbers and the artifacts of their groups.
pub(crate) fn cells(
    params: &Params,
    findings: &[Finding],
    all: &[Observation],
    predictions: &[LabelledInput],
) -> CellTable {
    let column = CellColumn { name: "ours".to_owned(), heading: "ours".to_owned() };
    let mut table = CellTable { title: params.title.clone(), columns: vec![column], ..CellTable::default() };
    for (row, (claim, finding)) in params.claims.iter().zip(findings).enumerate() {
        let labels = [("name", &claim.name), ("claim", &claim.claim)];
        let labels = labels.map(|(name, text)| (name.to_owned(), text.clone().into()));
        table.rows.push(CellRow { name: claim.name.clone(), labels: labels.into() });
        let expected = expected(claim, finding);
        if finding.value.is_none() && expected.is_none() {
            continue;
        }
        table.cells.push(CellResult {
            row,
            column: 0,
            text: finding.value.map_or(String::new(), |value| Unit::signed(finding.unit, value)),
            value: finding.value.map(number),
            expected,
            error: finding.error.map(number),
            inputs: inputs(claim, all, predictions),
            ..CellResult::default()
        });
    }
    table
}

/// The metrics of a claim's groups, and the predictions of the same labels.
fn inputs(claim: &Claim, all: &[Observation], predictions: &[LabelledInput]) -> Vec<InputRef> {
    let sides = claim.sides();
    let artifacts: Vec<&Observation> =
        sides.into_iter().flat_map(|(group, metric)| members(group, metric, all)).collect();
    let mut found = inputs_of(artifacts.iter().copied());
    if claim.difference.is_some() {
        let labels: Vec<Vec<(&str, &Value)>> = artifacts.iter().map(|o| o.labels().collect()).collect();
        let used = predictions.iter().enumerate().filter(|(_, input)| {
            let of_input: Vec<(&str, Value)> =
                input.labels.iter().map(|(name, value)| (name.as_str(), Value::of(value))).collect();
            labels.iter().any(|labels| labels.iter().copied().eq(of_input.iter().map(|(n, v)| (*n, v))))
        });
        let used: BTreeSet<InputRef> =
            used.map(|(index, _)| InputRef { port: "predictions".to_owned(), index }).collect();
        found.extend(used);
    }
    found
}

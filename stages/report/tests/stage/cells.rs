//! From a cell to the inputs that it is made of.

use igpt_contract::MetricValues;
use serde_json::{Value, json};

use crate::support::{columns, layers, report};

/// The cell of a row and a column.
fn cell(cells: &Value, row: usize, column: usize) -> Option<Value> {
    let mut all = cells["cells"].as_array().unwrap().iter();
    all.find(|cell| cell["row"] == row && cell["column"] == column).cloned()
}

#[test]
fn a_cell_names_the_inputs_that_it_is_made_of() {
    let cells = report(&layers(), &columns()).unwrap().cells;
    let names: Vec<&str> =
        cells["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["accuracy.valid", "accuracy.test", "c", "pooling"]);
    assert_eq!(cells["columns"][1]["heading"], "Test (%)");
    assert_eq!(cells["rows"][1], json!({"name": "2", "labels": {"layer": 2}}));
    let test = cell(&cells, 1, 1).unwrap();
    assert_eq!(test["value"], 0.45);
    assert_eq!(test["n"], 2);
    assert!((test["error"].as_f64().unwrap() - 0.02 / 2.0_f64.sqrt()).abs() < 1e-12, "{test}");
    assert_eq!(test["published"], json!({"value": 96.3, "source": "Chen et al. 2020, table 2"}));
    let at = |index: usize| json!({"port": "metrics", "index": index});
    assert_eq!(test["inputs"], json!([at(2), at(3)]));
    // Every index leads to the labels of an input of that layer.
    assert_eq!(cells["inputs"]["metrics"][2]["layer"], 2);
    assert_eq!(cells["inputs"]["metrics"].as_array().unwrap().len(), 5);
    assert_eq!(cell(&cells, 1, 3).unwrap()["value"], "mean");
    // The row of others has no result of ours, and so no inputs.
    let other = cell(&cells, 3, 1).unwrap();
    assert_eq!((&other["text"], &other["inputs"]), (&json!(""), &json!([])));
    assert!(other.get("value").is_none() && cell(&cells, 3, 0).is_none());
}

#[test]
fn what_was_not_picked_is_no_part_of_a_cell_and_a_hole_is_none() {
    let mut artifacts = layers();
    artifacts[3].1.values.remove("accuracy.test");
    let params = json!({"rows": ["step"], "columns": [{"metric": "accuracy.test"}, {"metric": "layer"}],
        "pick": {"metric": "accuracy.valid", "over": ["layer"]}});
    let cells = report(&artifacts, &params).unwrap().cells;
    // The best layer of seed 1 is input 2; that of seed 2 is 3, which has no such number.
    assert_eq!(cell(&cells, 0, 0).unwrap()["inputs"], json!([{"port": "metrics", "index": 2}]));
    assert_eq!(cell(&cells, 0, 1).unwrap()["inputs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_value_that_is_no_number_is_a_text() {
    let artifacts = [(json!({"layer": 0}), MetricValues::default().with("loss", f64::NAN))];
    let params = json!({"rows": ["layer"], "columns": [{"metric": "loss"}]});
    let cells = report(&artifacts, &params).unwrap().cells;
    assert_eq!(cell(&cells, 0, 0).unwrap()["value"], "NaN");
}

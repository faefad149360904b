//! Results beside what they are expected to be.

use serde_json::{Value, json};

use crate::support::{columns, layers, report};

fn expecting(expect: Value) -> Value {
    let mut params = columns();
    params["columns"][1]["expect"] = expect;
    params
}

#[test]
fn differences_stand_beside_the_results_and_are_kept_in_the_record() {
    let params = expecting(json!([
        {"row": 2, "value": 45.2, "tolerance": 0.5, "source": "Table 1"},
        {"row": 10, "value": 42.0, "tolerance": 0.5, "source": "Table 1"},
        {"row": 11, "value": 40.0, "tolerance": 0.5, "source": "Table 2"},
    ]));
    let written = report(&layers(), &params).unwrap();
    assert!(written.md.contains("| Test (%) | Δ | Test (%), published |"), "{}", written.md);
    assert!(written.md.contains("**45.0** ± 1.4 (n=2) | −0.2 ✓ <sup>2</sup> |"), "{}", written.md);
    assert!(written.md.contains("| 40.0 (n=1) | −2.0 ✗ <sup>2</sup> |"), "{}", written.md);
    assert!(written.md.contains("| 11 | not run | not run | no number ✗ <sup>3</sup> |"), "{}", written.md);
    assert!(written.tex.contains("(met)") && written.tex.contains("(missed)"), "{}", written.tex);
    assert!(written.csv.contains("accuracy.test.expected,accuracy.test.tolerance,accuracy.test.difference"));
    assert_eq!(written.expectations["checked"], 3);
    assert_eq!(written.expectations["failed"], 2);
    let missed = "10 / Test (%): expected 42 within 0.5, found 40";
    assert_eq!(written.expectations["missed"][0], missed);
    assert!(written.notes.contains(missed), "{}", written.notes);
    let cells = written.cells["cells"].as_array().unwrap();
    let ten = cells.iter().find(|cell| cell["row"] == 2 && cell["column"] == 1).unwrap();
    assert_eq!((&ten["expected"]["met"], &ten["expected"]["difference"]), (&json!(false), &json!(-2.0)));
}

#[test]
fn one_expectation_is_for_every_row_with_a_number() {
    let one = json!({"value": 40.0, "tolerance": 6.0, "source": "the draft"});
    let written = report(&layers(), &expecting(one)).unwrap();
    assert_eq!((&written.expectations["checked"], &written.expectations["failed"]), (&json!(3), &json!(1)));
    assert!(report(&layers(), &columns()).unwrap().expectations.is_null(), "nothing was expected");
}

#[test]
fn nonsense_is_refused() {
    let error = |expect: Value| report(&layers(), &expecting(expect)).unwrap_err().to_string();
    let of = |tolerance: f64| json!({"value": 1.0, "tolerance": tolerance, "source": "x"});
    assert!(error(of(-1.0)).contains("`tolerance`: expected a number from 0 on, found -1"));
    assert!(error(json!([of(1.0), of(2.0)])).contains("two are for all rows"));
    assert!(error(json!({"value": 1.0, "tolerance": 1.0, "source": " "})).contains("`source` is empty"));
    assert!(error(json!({"value": 1.0, "source": "x"})).contains("missing field `tolerance`"));
    assert!(error(json!({"value": 1.0, "tolerence": 1.0})).contains("tolerence"));
}

//! Lanes in one process: a fixed order of sums, of which threads and interruptions change nothing.

use crate::support::{Attempt, Bench};
use serde_json::json;

#[test]
fn lanes_are_the_same_bytes_for_every_thread_count_and_after_an_interruption() {
    let bench = Bench::new();
    for objective in ["autoregressive", "bert"] {
        let params = bench.params(json!({
            "steps": 12, "lanes": 8, "dropout": 0.1, "clip": 0.5, "validate_every": 5, "objective": objective
        }));
        let one = bench.run(Attempt::of(&params)).unwrap();
        let two = bench.run(Attempt { threads: 2, ..Attempt::of(&params) }).unwrap();
        assert!(one.files() == two.files(), "{objective}: two threads");
        let folder = tempfile::tempdir().unwrap();
        let attempt = Attempt::of(&params).resuming(folder.path());
        bench.run(Attempt { stop_at: Some(7), ..attempt.clone() }).unwrap_err();
        let rest = bench.run(attempt).unwrap();
        assert_eq!(rest.steps_run, 5);
        assert!(one.files() == rest.files(), "{objective}: resumed");
    }
}

/// One lane is a step as it always was; several are other sums of the same numbers.
#[test]
fn lanes_change_nothing_but_rounding() {
    let bench = Bench::new();
    for objective in ["autoregressive", "bert"] {
        let metrics = |changed: serde_json::Value| {
            let mut params = json!({"steps": 10, "objective": objective, "bert_loss": "sum"});
            params.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            bench.metrics(Attempt::of(&bench.params(params)))
        };
        let whole = metrics(json!({}));
        assert_eq!(whole, metrics(json!({"lanes": 1})));
        for changed in [
            json!({"lanes": 4}),
            json!({"lanes": 16}),
            json!({"lanes": 2, "accumulation": 8}),
            json!({"lanes": 4, "recompute": true}),
        ] {
            let lanes = metrics(changed.clone());
            for (one, other) in whole.curves["loss.train"].iter().zip(&lanes.curves["loss.train"]) {
                assert!((one.1 - other.1).abs() < 1e-4, "{changed}: {one:?} {other:?}");
            }
        }
    }
}

#[test]
fn each_lane_drops_elements_of_its_own() {
    let bench = Bench::new();
    let loss = |lanes: usize| {
        let params = json!({"steps": 2, "dropout": 0.5, "lanes": lanes});
        bench.metrics(Attempt::of(&bench.params(params))).curves["loss.train"].clone()
    };
    assert_ne!(loss(1), loss(2));
    assert_ne!(loss(2), loss(4));
}

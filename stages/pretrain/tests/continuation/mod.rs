//! A longer training goes on from a shorter one: the same networks as in one go where the learning rates
//! are the same, and a refusal that says why where they are not.

use crate::support::{Attempt, Bench, Outputs};
use serde_json::{Value, json};

/// A training that keeps its state, with some parameters changed.
fn trained(bench: &Bench, changed: Value) -> Outputs {
    let mut params = json!({"steps": 6, "decay": "constant", "warmup_steps": 4, "keep_state": true});
    params.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    bench.run(Attempt::of(&bench.params(params))).unwrap()
}

/// What a longer training says that goes on from the part of a shorter one.
fn refused(bench: &Bench, shorter: &Outputs, changed: Value) -> String {
    let mut params = json!({"steps": 12, "decay": "constant", "warmup_steps": 4});
    params.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    let params = bench.params(params);
    let error = bench.run(Attempt::of(&params).going_on_from(shorter, "00000006")).unwrap_err();
    format!("{error:?}")
}

#[test]
fn twice_six_steps_are_twelve() {
    let bench = Bench::new();
    for schedule in [
        json!({"decay_steps": 40, "dropout": 0.1, "clip": 1.0, "validate_every": 3}),
        json!({"decay": "constant", "warmup_steps": 4, "objective": "bert", "learning_rate": 0.001}),
    ] {
        let params = |steps: u64, more: Value| {
            let mut params = json!({"steps": steps, "keep": [6], "validation_rows": 8, "test_rows": 8});
            for all in [&schedule, &more] {
                params.as_object_mut().unwrap().extend(all.as_object().unwrap().clone());
            }
            bench.params(params)
        };
        let straight = bench.run(Attempt::of(&params(12, json!({})))).unwrap();
        let shorter = bench.run(Attempt::of(&params(6, json!({"keep_state": true})))).unwrap();
        let longer = params(12, json!({}));
        let longer = bench.run(Attempt::of(&longer).going_on_from(&shorter, "00000006")).unwrap();
        assert_eq!((straight.steps_run, longer.steps_run), (12, 6));
        assert!(longer.notes.iter().any(|note| note == "going on from step 6 of 12"), "{:?}", longer.notes);
        for (name, bytes) in straight.files() {
            assert!(longer.files().get(&name) == Some(&bytes), "{schedule}: {name} differs");
        }
        assert_eq!(longer.names(), straight.names(), "{schedule}");
    }
}

#[test]
fn the_state_lies_beside_the_network_only_where_it_is_asked_for() {
    let bench = Bench::new();
    let kept = trained(&bench, json!({"keep": [3], "keep_powers_from": 4}));
    let has = |outputs: &Outputs, part: &str| {
        outputs.names().iter().any(|name| name.starts_with(&format!("checkpoints/{part}/step-")))
    };
    assert!(has(&kept, "00000003") && has(&kept, "00000006") && !has(&kept, "00000004"));
    let plain = trained(&bench, json!({"keep_state": false}));
    assert!(!has(&plain, "00000006"));
    let error = refused(&bench, &plain, json!({}));
    assert!(error.contains("has no state to go on from") && error.contains("keep_state: true"), "{error}");
}

#[test]
fn another_course_is_refused_by_the_name_of_what_differs() {
    let bench = Bench::new();
    let shorter = trained(&bench, json!({}));
    for (changed, what) in [
        (json!({"batch": 8}), "`batch` is 16 there and 8 here"),
        (json!({"lanes": 4}), "`lanes` is 1 there and 4 here"),
        (json!({"learning_rate": 0.02}), "`learning_rate` is 0.01 there and 0.02 here"),
        (json!({"decay": "cosine"}), "`decay` is constant there and cosine here"),
        (json!({"warmup_steps": 5}), "`warmup_steps` is 4 there and 5 here"),
        (json!({"train_rows": 100}), "it was trained on other images"),
        (json!({"steps": 5}), "has done 6 steps, `steps` is 5"),
        (json!({"model": {"preset": "tiny", "n_layer": 3, "n_embd": 32, "n_head": 2}}), "the same network"),
    ] {
        let error = refused(&bench, &shorter, changed.clone());
        assert!(error.contains(what), "{changed}: {error}");
    }
    let cosine = trained(&bench, json!({"decay": "cosine"}));
    let error = refused(&bench, &cosine, json!({"decay": "cosine"}));
    assert!(
        error.contains("`decay_steps` is 6 there and 12 here") && error.contains("a cosine ends"),
        "{error}"
    );
}

#[test]
fn an_interrupted_continuation_goes_on_from_its_own_checkpoint() {
    let bench = Bench::new();
    let shorter = trained(&bench, json!({}));
    let params = bench.params(json!({"steps": 12, "decay": "constant", "warmup_steps": 4}));
    let whole = bench.run(Attempt::of(&params).going_on_from(&shorter, "00000006")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let attempt = Attempt::of(&params).going_on_from(&shorter, "00000006").resuming(folder.path());
    bench.run(Attempt { stop_at: Some(9), ..attempt.clone() }).unwrap_err();
    let rest = bench.run(attempt).unwrap();
    assert_eq!(rest.steps_run, 3);
    assert_eq!(rest.files(), whole.files());
}

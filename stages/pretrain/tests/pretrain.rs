//! The stage end to end on generated tokens: a small network learns, and the same inputs, parameters
//! and seed make the same bytes, whatever the thread count and however often it is interrupted.

mod continuation;
mod lanes;
mod ranks;
mod support;

use std::fs;

use igpt_contract::{DynStage as _, StageError};
use igpt_dataset::{Fold, Split};
use igpt_pretrain::Pretrain;
use igpt_testing::Trial;
use serde_json::json;
use support::{Attempt, Bench};

#[test]
fn the_contract_is_kept() {
    let bench = Bench::new();
    let mut trial = Trial::new(Pretrain).seed(7);
    trial.input_at("tokens", &bench.another_set(16, 2));
    trial.check(&bench.params(json!({"steps": 3})));
}

#[test]
fn the_loss_falls_well_below_that_of_guessing() {
    let bench = Bench::new();
    let metrics = bench.metrics(Attempt::of(&bench.params(json!({"steps": 120}))));
    let guessing = 16f64.ln();
    assert!(metrics.values["loss.valid"] < 0.5 * guessing, "{:?}", metrics.values);
    assert!(metrics.values["loss.test"] < 0.5 * guessing, "{:?}", metrics.values);
    assert_eq!(metrics.values["images.train"] + metrics.values["images.valid"], 288.0);
    let curve = &metrics.curves["loss.train"];
    assert_eq!(curve.len(), 120);
    assert!((curve[0].1 - guessing).abs() < 0.01, "a zero head guesses: {curve:?}");
}

#[test]
fn bert_learns_under_both_normalisations() {
    let bench = Bench::new();
    for (reduction, rate) in [("mean", 0.003), ("sum", 0.003)] {
        let params = bench.params(json!({
            "steps": 200, "objective": "bert", "bert_loss": reduction, "learning_rate": rate
        }));
        let metrics = bench.metrics(Attempt::of(&params));
        assert!(metrics.values["loss.valid"] < 0.75 * 16f64.ln(), "{reduction}: {:?}", metrics.values);
    }
}

/// The only token is predicted from nothing: what can be learnt is how often each colour is.
#[test]
fn images_of_one_pixel_train() {
    let bench = Bench::of_side(1);
    for params in
        [json!({"steps": 60}), json!({"steps": 4, "batch": 1}), json!({"steps": 4, "recompute": true})]
    {
        let metrics = bench.metrics(Attempt::of(&bench.params(params)));
        assert!((metrics.values["loss.valid"] - 16f64.ln()).abs() < 0.2, "{:?}", metrics.values);
    }
}

#[test]
fn bert_leaves_out_images_without_a_mask_and_refuses_steps_without_any() {
    // One token an image: an image is masked whole, or not at all.
    let bench = Bench::of_side(1);
    let of = |changed: serde_json::Value| {
        let mut params = json!({"steps": 1, "objective": "bert", "mask_probability": 0.5, "batch": 64});
        params.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        bench.run(Attempt::of(&bench.params(params)))
    };
    // A zero head guesses: every masked token costs ln 16, and the images without one nothing at all.
    let loss = |changed| of(changed).unwrap().metrics().curves["loss.train"][0].1;
    assert!((loss(json!({})) - 16f64.ln()).abs() < 1e-4);
    let error = of(json!({"mask_probability": 1e-6})).unwrap_err().to_string();
    assert!(error.contains("step 1: none of the 1 tokens of each of 64 images is masked"), "{error}");
    let error = of(json!({"steps": 0, "mask_probability": 1e-6})).unwrap_err().to_string();
    assert!(error.contains("evaluation: none of the 1 tokens"), "{error}");
    // The gradient is that of the masked images alone, in however many parts it is computed.
    let model = |parts: u64| of(json!({"accumulation": parts, "steps": 3})).unwrap().metrics();
    let (whole, parts) = (model(1), model(16));
    for (a, b) in whole.curves["loss.train"].iter().zip(&parts.curves["loss.train"]) {
        assert!((a.1 - b.1).abs() < 1e-5, "{a:?} {b:?}");
    }
}

#[test]
fn every_image_of_every_set_has_a_fold() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 0, "train_rows": 100, "validation_rows": 20, "test_rows": 10}));
    let attempt = Attempt { more_tokens: vec![bench.another_set(16, 2)], ..Attempt::of(&params) };
    let outputs = bench.run(attempt).unwrap();
    let (folds, metrics) = (outputs.folds(), outputs.metrics());
    let count = |fold| folds.iter().filter(|row| row.fold == fold).count();
    assert_eq!((folds.len(), count(Fold::Train), count(Fold::Valid), count(Fold::Test)), (640, 100, 20, 10));
    assert_eq!(metrics.values["images.valid"], 20.0);
    let set = |row: usize| (&*folds[row].set, folds[row].image);
    assert_eq!((set(0), set(320), set(639)), (("diagonals 1", 0), ("diagonals 2", 0), ("diagonals 2", 319)));
    for row in &folds {
        let official = if row.fold == Fold::Test { Split::Test } else { Split::Train };
        assert!(row.fold == Fold::Unused || row.split == official);
    }
}

/// Appendix A.1 and its neighbours: each is a parameter, and each matters.
#[test]
fn the_ablations_can_be_asked_for() {
    let bench = Bench::new();
    let losses = |changed: serde_json::Value| {
        let mut params = bench.params(json!({"steps": 6, "batch": 8}));
        let (params_of, changed) = (params.as_object_mut().unwrap(), changed.as_object().unwrap().clone());
        for (name, value) in changed {
            match (params_of.get_mut(&name), value) {
                (Some(serde_json::Value::Object(model)), serde_json::Value::Object(more)) => {
                    model.extend(more)
                }
                (_, value) => drop(params_of.insert(name, value)),
            }
        }
        bench.metrics(Attempt::of(&params)).curves["loss.train"].clone()
    };
    let base = losses(json!({}));
    for changed in [
        json!({"beta2": 0.999}),
        json!({"weight_decay": 0.01}),
        json!({"model": {"tied": true}}),
        json!({"model": {"zero_head": false}}),
        json!({"dropout": 0.1}),
    ] {
        assert_ne!(losses(changed.clone()), base, "{changed}");
    }
    let bert = |rate: f64| losses(json!({"objective": "bert", "mask_probability": rate}));
    let rates: Vec<_> = [0.15, 0.2, 0.25, 0.3, 0.35].map(bert).into();
    assert!(rates.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn no_steps_leave_the_network_untrained() {
    let bench = Bench::new();
    let outputs = bench.run(Attempt::of(&bench.params(json!({"steps": 0})))).unwrap();
    assert_eq!(outputs.names(), outputs.expected(&["00000000"]));
    let loss = outputs.metrics().values["loss.valid"];
    assert!((loss - 16f64.ln()).abs() < 1e-5, "{loss}");
}

#[test]
fn kept_steps_are_parts_and_the_last_is_the_model() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 20, "keep": [3], "keep_powers_from": 8}));
    let outputs = bench.run(Attempt::of(&params)).unwrap();
    assert_eq!(outputs.names(), outputs.expected(&["00000003", "00000008", "00000016", "00000020"]));
    let file = |name: &str| outputs.file(name);
    for name in ["model.safetensors", "config.json"] {
        assert_eq!(file(&format!("checkpoints/00000020/{name}")), file(&format!("model/{name}")));
    }
    assert_ne!(file("checkpoints/00000016/model.safetensors"), file("model/model.safetensors"));
}

#[test]
fn the_same_bytes_twice_and_for_every_thread_count() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 12, "dropout": 0.1, "clip": 1.0, "validate_every": 5}));
    let one = bench.run(Attempt::of(&params)).unwrap();
    assert_eq!(one.files(), bench.run(Attempt::of(&params)).unwrap().files());
    assert_eq!(one.files(), bench.run(Attempt { threads: 2, ..Attempt::of(&params) }).unwrap().files());
    assert_ne!(one.files(), bench.run(Attempt { seed: 8, ..Attempt::of(&params) }).unwrap().files());
}

#[test]
fn an_interrupted_training_ends_in_the_same_bytes() {
    for objective in ["autoregressive", "bert"] {
        let bench = Bench::new();
        let params = bench.params(json!({
            "steps": 30, "validate_every": 7, "keep_powers_from": 4, "objective": objective, "dropout": 0.1
        }));
        let straight = bench.run(Attempt::of(&params)).unwrap();
        let checkpoints = tempfile::tempdir().unwrap();
        for stop in [5, 14, 15, 30] {
            let stopped =
                Attempt { stop_at: Some(stop), ..Attempt::of(&params).resuming(checkpoints.path()) };
            let error = bench.run(stopped).unwrap_err();
            assert!(matches!(error, StageError::Cancelled), "{error}");
        }
        let resumed = bench.run(Attempt::of(&params).resuming(checkpoints.path())).unwrap();
        assert_eq!(resumed.steps_run, 0, "the last interruption was after the last step");
        assert_eq!(resumed.files(), straight.files());
    }
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 20, "checkpoint_every": 4, "keep_powers_from": 4}));
    let straight = bench.run(Attempt::of(&params)).unwrap();
    let checkpoints = tempfile::tempdir().unwrap();
    let stopped = Attempt { stop_at: Some(14), ..Attempt::of(&params).resuming(checkpoints.path()) };
    bench.run(stopped).unwrap_err();
    let newest = checkpoints.path().join("training/step-00000014.safetensors");
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    let resumed = bench.run(Attempt::of(&params).resuming(checkpoints.path())).unwrap();
    assert_eq!(resumed.steps_run, 8, "from step 12");
    assert!(resumed.notes.iter().any(|note| note.contains("was skipped")), "{:?}", resumed.notes);
    assert_eq!(resumed.files(), straight.files());
}

#[test]
fn a_damaged_kept_model_starts_anew() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 10, "keep_powers_from": 4}));
    let straight = bench.run(Attempt::of(&params)).unwrap();
    let checkpoints = tempfile::tempdir().unwrap();
    let stopped = Attempt { stop_at: Some(6), ..Attempt::of(&params).resuming(checkpoints.path()) };
    bench.run(stopped).unwrap_err();
    fs::write(checkpoints.path().join("kept/00000004/model.safetensors"), "cut").unwrap();
    let resumed = bench.run(Attempt::of(&params).resuming(checkpoints.path())).unwrap();
    assert_eq!(resumed.steps_run, 10);
    assert_eq!(resumed.files(), straight.files());
}

#[test]
fn micro_batches_change_nothing_but_rounding() {
    let bench = Bench::new();
    for objective in ["autoregressive", "bert"] {
        let params = |accumulation: usize| {
            bench.params(json!({"steps": 10, "objective": objective, "accumulation": accumulation}))
        };
        let whole = bench.metrics(Attempt::of(&params(1)));
        for accumulation in [2, 3] {
            let split = bench.metrics(Attempt::of(&params(accumulation)));
            for (one, other) in whole.curves["loss.train"].iter().zip(&split.curves["loss.train"]) {
                assert!((one.1 - other.1).abs() < 1e-5, "{accumulation}: {one:?} {other:?}");
            }
        }
    }
}

#[test]
fn a_diverging_loss_ends_the_step_and_says_why() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 1000, "learning_rate": 1e30, "warmup_steps": 0}));
    let error = bench.run(Attempt::of(&params)).unwrap_err();
    assert!(error.to_string().contains("training loss"), "{error}");
    let StageError::Failed { hint: Some(hint), .. } = error else { panic!("no hint") };
    assert!(hint.contains("learning rate"), "{hint}");
}

/// Also where it is too short for the patience with a spike.
#[test]
fn a_training_that_ends_diverged_is_no_success() {
    let bench = Bench::new();
    for (steps, rate) in [(40, 5.0), (2, 1e30)] {
        let params = json!({"steps": steps, "learning_rate": rate, "warmup_steps": 0, "decay": "constant"});
        let error = bench.run(Attempt::of(&bench.params(params))).unwrap_err().to_string();
        assert!(error.contains("loss"), "{steps} steps at {rate}: {error}");
    }
}

#[test]
fn several_sets_are_trained_on_together_and_must_belong_together() {
    let bench = Bench::new();
    let params = bench.params(json!({"steps": 3}));
    let second = bench.another_set(16, 2);
    let attempt = || Attempt { more_tokens: vec![second.clone()], ..Attempt::of(&params) };
    let metrics = bench.metrics(attempt());
    assert_eq!(metrics.values["images.train"] + metrics.values["images.valid"], 2.0 * 288.0);
    let other = bench.another_set(12, 3);
    let error = bench.run(Attempt { more_tokens: vec![other], ..Attempt::of(&params) }).unwrap_err();
    assert!(error.to_string().contains("do not belong together"), "{error}");
}

#[test]
fn tokens_that_do_not_fit_the_memory_are_trained_on_all_the_same() {
    let bench = Bench::new();
    let second = bench.another_set(16, 2);
    let files = |memory_mib: u64| {
        let params = bench.params(json!({"steps": 12, "validate_every": 4, "memory_mib": memory_mib}));
        bench.run(Attempt { more_tokens: vec![second.clone()], ..Attempt::of(&params) }).unwrap().files()
    };
    assert!(files(0) == files(1), "from a scratch file and from memory");
}

#[test]
fn unknown_parameters_are_refused() {
    assert!(Pretrain.complete(&json!({"learningrate": 0.1})).unwrap_err().what.contains("unknown field"));
    assert_eq!(Pretrain.complete(&json!({"batch": 0})).unwrap_err().path, "batch");
}

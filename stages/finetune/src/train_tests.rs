//! The training on images in memory.

use super::*;
use crate::start::{Start, head, start};
use igpt_contract::{Digest, Signal, Validation, stream};
use igpt_dataset::{Split, TokenTable, TokensInfo};
use igpt_model::{ModelParams, Preset, named_parameters};
use rand::Rng as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SIDE: usize = 8;
const CLASSES: usize = 3;

/// Noise with a class-dependent pattern: class c prefers colours near 5 c.
fn images(params: &Params) -> Images {
    let mut random = stream(3, "test images");
    let (n, n_train) = (150, 120);
    let labels: Vec<i32> = (0..n).map(|i| i % CLASSES as i32).collect();
    let mut token = |label: i32| {
        let noise = random.next_u32();
        (if noise.is_multiple_of(4) { label as u32 * 5 } else { (noise >> 8) % 16 }) as u16
    };
    let tokens = labels.iter().flat_map(|label| [*label; SIDE * SIDE]).map(&mut token).collect();
    let info = TokensInfo {
        name: "patterns".to_owned(),
        height: SIDE,
        width: SIDE,
        vocab: 16,
        palette: Some(Digest::of(b"palette")),
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        sets: Vec::new(),
    };
    let split = |i| if i < n_train { Split::Train } else { Split::Test };
    let table = TokenTable {
        info,
        ids: (0..n as u64).collect(),
        splits: (0..n).map(split).collect(),
        labels,
        views: vec![0; n as usize],
        tokens,
    };
    Images::new(table.into(), params).unwrap()
}

fn params() -> Params {
    let model =
        ModelParams { preset: Preset::Tiny, n_layer: Some(2), n_embd: Some(32), ..ModelParams::default() };
    Params {
        model: Some(model),
        learning_rates: vec![0.003].into(),
        steps: 30,
        batch: 16,
        validate_every: 10,
        checkpoint_every: 7,
        validation: Validation { fraction: 0.2, seed: 0 },
        ..Params::default()
    }
}

/// Trains in a checkpoint folder until `stop` signals of progress have been heard.
fn tuned(params: &Params, folder: &Path, stop: u64) -> Result<FineTuned, StageError> {
    let images = images(params);
    let flag = Arc::new(AtomicBool::new(false));
    let (heard, raised) = (AtomicU64::new(0), flag.clone());
    let cx = StageContext::new(5, 1, folder.to_owned(), move |signal| {
        if matches!(signal, Signal::Progress { .. }) && heard.fetch_add(1, Ordering::Relaxed) + 1 == stop {
            raised.store(true, Ordering::Relaxed);
        }
    })
    .cancelled_by(flag);
    let device = Device::flex().autodiff();
    let head = head(params, &[])?;
    let Start { gpt, card, .. } = start(params, None, head, images.info(), &device, &cx)?;
    let evaluator = Evaluator::new(card.objective, params.mask_probability, &cx, Device::flex());
    let objective = card.objective;
    let (params, cx) = (params, &cx);
    Training { params, images: &images, objective, start: gpt, device, evaluator: &evaluator, cx }.search()
}

fn straight(params: &Params) -> FineTuned {
    tuned(params, tempfile::tempdir().unwrap().path(), 0).unwrap()
}

fn same(a: &FineTuned, b: &FineTuned) {
    assert_eq!(named_parameters(&a.gpt), named_parameters(&b.gpt));
    let text = |tuned: &FineTuned| serde_json::to_string(&tuned.search).unwrap();
    assert_eq!(text(a), text(b));
}

#[test]
fn a_training_learns_its_classes() {
    for loss in [Loss::Joint, Loss::Classifier] {
        let tuned = straight(&Params { loss, ..params() });
        let accuracy = tuned.search.winner().unwrap().accuracy();
        assert!(accuracy > 0.8, "{loss:?}: {accuracy}");
    }
}

#[test]
fn a_training_that_was_stopped_anywhere_ends_in_the_same_bytes() {
    let params = Params { learning_rates: vec![0.003, 0.001].into(), dropout: 0.1, ..params() };
    let expected = straight(&params);
    let dir = tempfile::tempdir().unwrap();
    for stop in [1, 6, 3, 20, 15] {
        let error = tuned(&params, dir.path(), stop).err().expect("it was cancelled");
        assert!(matches!(error, StageError::Cancelled), "{error}");
    }
    same(&tuned(&params, dir.path(), 0).unwrap(), &expected);
}

#[test]
fn a_killed_training_goes_on_from_a_periodic_checkpoint() {
    let params = Params { objective: Some(Objective::Bert), ..params() };
    let dir = tempfile::tempdir().unwrap();
    let first = tuned(&params, dir.path(), 0).unwrap();
    // What is left is the checkpoint of step 28, as after a kill at a later step.
    same(&tuned(&params, dir.path(), 0).unwrap(), &first);
}

#[test]
fn no_validation_keeps_the_last_weights_and_a_worse_rate_ends_the_search() {
    let validation = Validation { fraction: 0.0, seed: 0 };
    let last = straight(&Params { validation, ..params() });
    assert_eq!(last.search.winner().unwrap().best.unwrap().step, 30);
    let rates = vec![0.003, 1e-9, 1e-10];
    let tuned = straight(&Params { learning_rates: rates.into(), ..params() });
    assert_eq!((tuned.search.tried.len(), tuned.search.winner().unwrap().index), (2, 0));
    same_weights(&tuned, &straight(&params()));
}

fn same_weights(a: &FineTuned, b: &FineTuned) {
    assert_eq!(named_parameters(&a.gpt), named_parameters(&b.gpt));
}

#[test]
fn accumulation_changes_the_result_by_rounding_alone() {
    let loss = |accumulation| {
        let tuned = straight(&Params { accumulation, steps: 5, ..params() });
        tuned.search.tried[0].curves.train_classification.curve()[0].1
    };
    assert!((loss(1) - loss(3)).abs() < 1e-4);
}

#[test]
fn a_rate_that_diverges_is_an_error_only_where_it_is_alone() {
    let error = tuned(
        &Params { learning_rates: vec![1e6].into(), steps: 400, validate_every: 400, ..params() },
        tempfile::tempdir().unwrap().path(),
        0,
    )
    .err()
    .expect("it diverges")
    .to_string();
    assert!(error.contains("training failed at every learning rate: the training loss"), "{error}");
}

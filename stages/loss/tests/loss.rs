//! The stage from artifacts to a metrics artifact.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use igpt_contract::{Digest, DynStage as _, MetricValues, StageError, stream};
use igpt_dataset::{RowKey, Split, TokensInfo, TokensWriter};
use igpt_loss::Loss;
use igpt_model::{Gpt, GptConfig, ModelCard, Objective, Preset, save_model};
use igpt_testing::Trial;
use serde_json::{Value, json};

const VOCAB: usize = 16;

/// Tokens of 40 training and 10 test images of 4x4 colours.
fn tokens(folder: &Path, palette: &[u8]) -> PathBuf {
    let path = folder.join("tokens");
    std::fs::create_dir_all(&path).unwrap();
    let info = TokensInfo {
        name: "ramps".into(),
        height: 4,
        width: 4,
        vocab: VOCAB,
        palette: Some(Digest::of(palette)),
        classes: Vec::new(),
        sets: Vec::new(),
    };
    let mut writer = TokensWriter::create(&path, &info).unwrap();
    for id in 0..50u64 {
        let split = if id < 40 { Split::Train } else { Split::Test };
        let row: Vec<u16> = (0..16).map(|t| ((id as usize + t) % VOCAB) as u16).collect();
        writer.append(RowKey { id, split, label: -1, view: 0 }, &row).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// An untrained network; with a head at zero it guesses.
fn model(folder: &Path, objective: Objective, zero_head: bool) -> PathBuf {
    let path = folder.join(format!("model {objective:?} {zero_head}"));
    std::fs::create_dir_all(&path).unwrap();
    let config = GptConfig { zero_head, ..GptConfig::preset(Preset::Tiny, 16, VOCAB).unwrap() };
    let gpt = Gpt::init(&config, &mut stream(0, "init"), &Device::flex());
    let palette = Some(Digest::of(b"palette"));
    let card = ModelCard { palette, step: 1000, ..ModelCard::new(&config, objective, 4, 4) };
    save_model(&path, &gpt, &card).unwrap();
    path
}

fn trial(model: &Path, tokens: &Path) -> Trial {
    let mut trial = Trial::new(Loss).seed(3);
    trial.input_at("model", model);
    trial.input_at("tokens", tokens);
    trial
}

fn run(model: &Path, tokens: &Path, params: Value) -> Result<MetricValues, StageError> {
    let outputs = trial(model, tokens).run(&params)?;
    Ok(MetricValues::read(outputs.folder("metrics")).unwrap())
}

#[test]
fn the_contract_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path(), Objective::Bert, false);
    trial(&model, &tokens(dir.path(), b"palette")).check(&json!({ "train_rows": 7 }));
}

#[test]
fn a_network_that_guesses_has_the_loss_of_guessing() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens(dir.path(), b"palette");
    for objective in [Objective::Autoregressive, Objective::Bert] {
        let model = model(dir.path(), objective, true);
        let metrics = run(&model, &tokens, json!({ "train_rows": 7 })).unwrap();
        for part in ["valid", "test", "train"] {
            let nats = metrics.values[&format!("loss.{part}")];
            assert!((nats - (VOCAB as f64).ln()).abs() < 1e-5, "{part}: {nats}");
            assert!((metrics.values[&format!("bits.{part}")] - 4.0).abs() < 1e-5);
        }
        let images = ["valid", "test", "train"].map(|part| metrics.values[&format!("images.{part}")]);
        assert_eq!(images, [4.0, 10.0, 7.0]);
        assert_eq!(
            (metrics.values["steps"], metrics.facts["objective"].as_str()),
            (1000.0, objective.as_str())
        );
    }
}

#[test]
fn only_what_is_there_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path(), Objective::Autoregressive, false);
    let tokens = tokens(dir.path(), b"palette");
    let metrics = run(&model, &tokens, json!({ "validation": { "fraction": 0 } })).unwrap();
    assert!(!metrics.values.contains_key("loss.valid") && !metrics.values.contains_key("loss.train"));
    assert!((metrics.values["loss.test"] - (VOCAB as f64).ln()).abs() > 1e-4, "the head is not at zero");
}

#[test]
fn tokens_of_another_palette_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path(), Objective::Autoregressive, true);
    let tokens = tokens(dir.path(), b"another palette");
    let error = run(&model, &tokens, json!({})).unwrap_err().to_string();
    assert!(error.contains("does not belong to these tokens"), "{error}");
    assert_eq!(Loss.complete(&json!({ "batch": 0 })).unwrap_err().path, "batch");
}

//! The stage from artifacts to artifacts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{
    Digest, DynStage, LabelledInput, MetricValues, Signal, StageContext, StageError, StageIo, stream,
};
use igpt_dataset::{PredictionTable, RowKey, Split, TokenTable, TokensInfo, TokensWriter};
use igpt_finetune::Finetune;
use igpt_model::{Gpt, GptConfig, Input, ModelCard, ModelParams, Objective, Preset, load_model, save_model};
use igpt_testing::Trial;
use rand::Rng as _;
use serde_json::{Value, json};
use tempfile::TempDir;

const SIDE: usize = 8;
const VOCAB: usize = 16;
const CLASSES: usize = 3;
const TRAIN: u64 = 300;
const TEST: u64 = 90;

/// Artifacts in a folder of their own.
struct Bench {
    dir: TempDir,
    tokens: PathBuf,
}

/// How a run goes.
struct Attempt<'a> {
    model: Option<&'a Path>,
    params: Value,
    /// Stop at that sign of progress.
    stop: Option<u64>,
}

impl Bench {
    /// Images whose class is in how colour goes with place: in every second place class c has the
    /// colour (2 c + 1) x place, so that all classes have nearly the same colours.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let info = TokensInfo {
            name: "patterns".to_owned(),
            height: SIDE,
            width: SIDE,
            vocab: VOCAB,
            palette: Some(palette()),
            classes: (0..CLASSES).map(|class| format!("class {class}")).collect(),
            sets: Vec::new(),
        };
        let mut random = stream(1, "tokens");
        let mut writer = TokensWriter::create(&tokens, &info).unwrap();
        for id in 0..TRAIN + TEST {
            let label = (id % CLASSES as u64) as i32;
            let split = if id < TRAIN { Split::Train } else { Split::Test };
            let row: Vec<u16> = (0..SIDE * SIDE)
                .map(|place| {
                    let noise = random.next_u32() as usize;
                    let pattern = (2 * label as usize + 1) * place;
                    (if noise.is_multiple_of(2) { pattern } else { noise >> 8 } % VOCAB) as u16
                })
                .collect();
            writer.append(RowKey { id, split, label, view: 0 }, &row).unwrap();
        }
        writer.finish().unwrap();
        Self { dir, tokens }
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// An untrained network.
    fn model(&self, objective: Objective, palette: Digest) -> PathBuf {
        let config = ModelParams {
            preset: Preset::Tiny,
            n_layer: Some(2),
            n_embd: Some(32),
            ..ModelParams::default()
        };
        let config: GptConfig = config.config(SIDE * SIDE, VOCAB).unwrap();
        let gpt = Gpt::init(&config, &mut stream(0, "init"), &Device::flex());
        let card =
            ModelCard { palette: Some(palette), step: 10, ..ModelCard::new(&config, objective, SIDE, SIDE) };
        let folder = self.folder(&format!("model {objective:?} {}", palette.short()));
        save_model(&folder, &gpt, &card).unwrap();
        folder
    }

    /// Runs the stage into the folder `name`; its checkpoints are those of that name.
    fn run(&self, name: &str, attempt: Attempt) -> Result<PathBuf, StageError> {
        let input = |path: &Path| vec![LabelledInput { path: path.to_owned(), labels: BTreeMap::new() }];
        let mut inputs = BTreeMap::from([("tokens".to_owned(), input(&self.tokens))]);
        inputs.extend(attempt.model.map(|model| ("model".to_owned(), input(model))));
        let out = self.folder(name);
        let outputs = ["model", "metrics", "predictions", "folds"]
            .map(|port| (port.to_owned(), self.folder(&format!("{name}/{port}"))));
        let io = StageIo { inputs, outputs: outputs.into() };
        let cancelled = Arc::new(AtomicBool::new(false));
        let (raise, heard) = (cancelled.clone(), AtomicU64::new(0));
        let checkpoints = self.folder(&format!("checkpoints of {name}"));
        let cx = StageContext::new(3, 2, checkpoints, move |signal| {
            let step = matches!(signal, Signal::Progress { .. });
            if step && Some(heard.fetch_add(1, Ordering::Relaxed) + 1) == attempt.stop {
                raise.store(true, Ordering::Relaxed);
            }
        })
        .on_device("cpu")
        .cancelled_by(cancelled);
        let params = Finetune.complete(&attempt.params).unwrap();
        DynStage::run(&Finetune, &params, &io, &cx).map(|()| out)
    }

    /// The share of test images whose frozen features are nearest to their class's mean.
    fn frozen(&self, model: &Path) -> f64 {
        let (gpt, _) = load_model(model, &Device::flex()).unwrap();
        let table = TokenTable::read(&self.tokens).unwrap();
        let tokens: Vec<i64> = table.tokens.iter().map(|token| i64::from(*token)).collect();
        let tokens = TensorData::new(tokens, [table.len(), SIDE * SIDE]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &Device::flex());
        let features = gpt.features(tokens, &Input::Autoregressive).pop().unwrap();
        let d = features.dims()[1];
        let features: Vec<f32> = features.into_data().iter::<f32>().collect();
        let row = |row: usize| &features[row * d..][..d];
        let mut means = vec![vec![0f32; d]; CLASSES];
        for i in table.rows_of(Split::Train) {
            means[table.labels[i] as usize].iter_mut().zip(row(i)).for_each(|(m, x)| *m += x);
        }
        let n = TRAIN as f32 / CLASSES as f32;
        let distance = |i: usize, mean: &[f32]| -> f32 {
            mean.iter().zip(row(i)).map(|(m, x)| (m / n - x).powi(2)).sum()
        };
        let right = table.rows_of(Split::Test).filter(|i| {
            let nearest =
                (0..CLASSES).min_by(|a, b| distance(*i, &means[*a]).total_cmp(&distance(*i, &means[*b])));
            nearest == Some(table.labels[*i] as usize)
        });
        right.count() as f64 / TEST as f64
    }
}

fn palette() -> Digest {
    Digest::of(b"palette")
}

/// A small network and a short training.
fn params(more: Value) -> Value {
    let mut params = json!({
        "learning_rates": [0.01],
        "steps": 12,
        "batch": 16,
        "validate_every": 5,
        "checkpoint_every": 4,
        "validation": { "fraction": 0.2 },
    });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn small() -> Value {
    json!({ "preset": "tiny", "n_layer": 2, "n_embd": 32 })
}

fn straight(params: Value) -> Attempt<'static> {
    Attempt { model: None, params, stop: None }
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (name.join(below), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn the_contract_is_kept() {
    let bench = Bench::new();
    let mut trial = Trial::new(Finetune).seed(3);
    trial.input_at("tokens", &bench.tokens);
    trial.input_at("model", &bench.model(Objective::Autoregressive, palette()));
    trial.check(&params(json!({"steps": 3})));
}

#[test]
fn tokens_that_do_not_fit_the_memory_are_trained_on_all_the_same() {
    let bench = Bench::new();
    let run = |name: &str, memory_mib: u64| {
        let params = params(json!({"model": small(), "augment": "pad_crop_flip", "memory_mib": memory_mib}));
        files(&bench.run(name, straight(params)).unwrap())
    };
    assert!(run("file", 0) == run("memory", 1), "from a scratch file and from memory");
}

#[test]
fn fine_tuning_beats_the_frozen_network() {
    let bench = Bench::new();
    let model = bench.model(Objective::Autoregressive, palette());
    let frozen = bench.frozen(&model);
    let params = params(json!({ "steps": 200, "validate_every": 20, "checkpoint_every": 0 }));
    let out = bench.run("tuned", Attempt { model: Some(&model), params, stop: None }).unwrap();

    let metrics = MetricValues::read(&out.join("metrics")).unwrap();
    let accuracy = metrics.values["accuracy.test"];
    assert!(accuracy > 0.8 && accuracy > frozen + 0.2, "fine-tuned {accuracy}, frozen {frozen}");
    assert_eq!(metrics.values["images.train"], 240.0);
    assert_eq!(metrics.curves["accuracy.valid"].len(), 10);
    assert_eq!(metrics.facts["start"], "pretrained");

    let predictions = PredictionTable::read(&out.join("predictions")).unwrap();
    assert_eq!(predictions.keys.len() as u64, TEST);
    assert!((predictions.accuracy().unwrap() - accuracy).abs() < 1e-12);
    let (gpt, card) = load_model(&out.join("model"), &Device::flex()).unwrap();
    let head = gpt.class_head().unwrap();
    assert_eq!((head.classes(), head.layer()), (CLASSES, 2));
    assert_eq!(card.step, 10 + metrics.values["steps.best"] as u64);
    assert_eq!(card.palette, Some(palette()));
}

#[test]
fn both_losses_train_random_weights_and_only_one_is_generative() {
    let bench = Bench::new();
    let run = |loss: &str| {
        let more = json!({ "loss": loss, "model": small(), "head_layer": 1, "augment": "pad_crop_flip" });
        let out = bench.run(loss, straight(params(more))).unwrap();
        let (gpt, _) = load_model(&out.join("model"), &Device::flex()).unwrap();
        assert_eq!(gpt.class_head().unwrap().layer(), 1);
        MetricValues::read(&out.join("metrics")).unwrap()
    };
    let (joint, classifier) = (run("joint"), run("classifier"));
    assert!(joint.values["loss.train.generative"] > 0.0);
    assert!(!classifier.values.contains_key("loss.train.generative"));
    assert_eq!(joint.facts["start"], "random");
    assert!((classifier.values["loss.train"] - (CLASSES as f64).ln()).abs() < 0.2);
}

#[test]
fn a_run_that_was_stopped_ends_in_the_same_bytes_on_any_number_of_threads() {
    let bench = Bench::new();
    for objective in [Objective::Autoregressive, Objective::Bert] {
        let model = bench.model(objective, palette());
        let params = params(json!({
            "learning_rates": [0.01, 0.003], "dropout": 0.1, "clip": 1.0, "accumulation": 2,
            "evaluation_masks": 3, "augment": "pad_crop_flip",
        }));
        let attempt = |stop| Attempt { model: Some(&model), params: params.clone(), stop };
        let on = |threads: usize, name: &str, stop| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bench.run(&format!("{objective:?} {name}"), attempt(stop)))
        };
        let straight = on(1, "straight", None).unwrap();
        for stop in [3, 4, 9] {
            assert!(matches!(on(2, "stopped", Some(stop)), Err(StageError::Cancelled)));
        }
        assert_eq!(files(&on(2, "stopped", None).unwrap()), files(&straight));
    }
}

#[test]
fn a_model_of_another_palette_is_refused_with_both_digests() {
    let bench = Bench::new();
    let other = Digest::of(b"other");
    let model = bench.model(Objective::Autoregressive, other);
    let refused = |more: Value| {
        let attempt = Attempt { model: Some(&model), params: params(more), stop: None };
        bench.run("refused", attempt).unwrap_err().to_string()
    };
    let error = refused(json!({}));
    assert!(error.contains(&other.to_string()) && error.contains(&palette().to_string()), "{error}");
    let error = refused(json!({ "model": small() }));
    assert!(error.contains("parameter `model` cannot be combined with the input `model`"), "{error}");
}

#[test]
fn subsets_and_layers_that_cannot_be_had_are_named() {
    let bench = Bench::new();
    let refused = |more: Value| bench.run("refused", straight(params(more))).unwrap_err().to_string();
    let error = refused(json!({ "labels_per_class": 101 }));
    assert!(error.contains("`labels_per_class`: expected 101 labelled images of class 0"), "{error}");
    let error = refused(json!({ "head_layer": 3, "model": small() }));
    assert!(error.contains("`head_layer` is 3, expected -1 or a layer from 0 to 2"), "{error}");
    let out =
        bench.run("few", straight(params(json!({ "labels_per_class": 20, "model": small() })))).unwrap();
    let metrics = MetricValues::read(&out.join("metrics")).unwrap();
    let used = metrics.values["images.train"] + metrics.values["images.valid"];
    assert_eq!(used, 20.0 * CLASSES as f64);
}

/// Section 4.6: one mask and five, of the same weights.
#[test]
fn several_masks_are_told_beside_one() {
    let bench = Bench::new();
    let model = bench.model(Objective::Bert, palette());
    let run = |masks: u16| {
        let params = params(json!({ "evaluation_masks": masks, "steps": 100, "validate_every": 50 }));
        let attempt = Attempt { model: Some(&model), params, stop: None };
        let out = bench.run(&format!("{masks} masks"), attempt).unwrap();
        let predictions = PredictionTable::read(&out.join("predictions")).unwrap();
        (MetricValues::read(&out.join("metrics")).unwrap().values, predictions)
    };
    let ((one, single), (five, all)) = (run(1), run(5));
    assert_eq!((one["accuracy.test"], one["loss.test"]), (five["accuracy.test"], five["loss.test"]));
    assert!(!one.contains_key("accuracy.test.masks"));
    assert_eq!((all.keys.len() as u64, all.views(), five["masks.test"]), (5 * TEST, 5, 5.0));
    assert_eq!(all.first_views(), single);
    let voted = all.voted(&stream(3, "evaluation ties"));
    assert_eq!(voted.accuracy(), Some(five["accuracy.test.masks"]));
    assert!(five["loss.test.masks"] < five["loss.test"], "a mean of probabilities is never worse on average");
}

#[test]
fn a_class_head_may_start_from_random_weights() {
    let bench = Bench::new();
    let first_loss = |name: &str, more: Value| {
        let mut all = json!({ "steps": 1, "validate_every": 1, "model": small(), "learning_rates": 1e-9 });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let out = bench.run(name, straight(params(all))).unwrap();
        MetricValues::read(&out.join("metrics")).unwrap().values["loss.train"]
    };
    let guessing = (CLASSES as f64).ln();
    let (zero, drawn) = (first_loss("zero", json!({})), first_loss("drawn", json!({ "zero_head": false })));
    assert!((zero - guessing).abs() < 1e-6, "{zero}");
    assert!((drawn - guessing).abs() > 1e-5 && (drawn - guessing).abs() < 0.1, "{drawn}");
    assert_eq!(drawn, first_loss("drawn again", json!({ "zero_head": false })));
}

#[test]
fn unknown_parameters_are_refused() {
    let error = Finetune.complete(&json!({ "learning_rate": 0.1 })).unwrap_err();
    assert!(error.what.contains("unknown field `learning_rate`"), "{error}");
}

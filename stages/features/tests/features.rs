//! The stage from artifacts to artifacts, against the network itself and the reference fixture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{Digest, DynStage, LabelledInput, StageContext, StageError, StageIo, stream};
use igpt_dataset::{FeatureTable, RowKey, Split, TokensInfo, TokensWriter};
use igpt_features::Features;
use igpt_model::{
    Activation, Gpt, GptConfig, Init, Input, ModelCard, NamedTensor, Objective, Preset, Variant,
    assign_parameters, save_model,
};
use igpt_testing::Trial;
use rand::Rng as _;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;

const SIDE: usize = 8;
const VOCAB: usize = 16;

/// Artifacts in a folder of their own.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Tokens of 20 training and 7 test images, two views of each training image.
    fn tokens(&self, palette: Option<Digest>) -> PathBuf {
        let mut random = stream(1, "tokens");
        let rows = (0..27u64).flat_map(|id| {
            let split = if id < 20 { Split::Train } else { Split::Test };
            (0..if id < 20 { 2 } else { 1 }).map(move |view| RowKey {
                id,
                split,
                label: (id % 3) as i32,
                view,
            })
        });
        let rows = rows.map(|key| {
            let tokens = (0..SIDE * SIDE).map(|_| (random.next_u32() % VOCAB as u32) as u16);
            (key, tokens.collect::<Vec<u16>>())
        });
        self.write_tokens(palette, rows.collect())
    }

    fn write_tokens(&self, palette: Option<Digest>, rows: Vec<(RowKey, Vec<u16>)>) -> PathBuf {
        self.write_tokens_of(SIDE, VOCAB, palette, rows)
    }

    fn write_tokens_of(
        &self,
        side: usize,
        vocab: usize,
        palette: Option<Digest>,
        rows: Vec<(RowKey, Vec<u16>)>,
    ) -> PathBuf {
        let folder = self.folder("tokens");
        let info = TokensInfo {
            name: "noise".to_owned(),
            height: side,
            width: side,
            vocab,
            palette,
            classes: (0..10).map(|class| format!("class {class}")).collect(),
            sets: Vec::new(),
        };
        let mut writer = TokensWriter::create(&folder, &info).unwrap();
        for (key, tokens) in rows {
            writer.append(key, &tokens).unwrap();
        }
        writer.finish().unwrap();
        folder
    }

    fn model(&self, objective: Objective, palette: Option<Digest>) -> (PathBuf, Gpt) {
        let config = GptConfig::preset(Preset::Tiny, SIDE * SIDE, VOCAB).unwrap();
        let gpt = Gpt::init(&config, &mut stream(0, "init"), &Device::flex());
        let card = ModelCard { palette, ..ModelCard::new(&config, objective, SIDE, SIDE) };
        let folder = self.folder("model");
        save_model(&folder, &gpt, &card).unwrap();
        (folder, gpt)
    }

    fn run(&self, name: &str, model: &Path, tokens: &Path, params: Value) -> Result<PathBuf, StageError> {
        let input = |path: &Path| vec![LabelledInput { path: path.to_owned(), labels: BTreeMap::new() }];
        let out = self.folder(name);
        let io = StageIo {
            inputs: [("model".to_owned(), input(model)), ("tokens".to_owned(), input(tokens))].into(),
            outputs: [("layers".to_owned(), out.clone())].into(),
        };
        let cx = StageContext::new(0, 2, self.folder("checkpoints"), |_| {}).on_device("cpu");
        let params = Features.complete(&params).unwrap();
        DynStage::run(&Features, &params, &io, &cx).map(|()| out)
    }
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

fn expected(gpt: &Gpt, tokens: &[u16], images: usize) -> Vec<Vec<f32>> {
    let values: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
    let tokens = TensorData::new(values, [images, SIDE * SIDE]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &Device::flex());
    let features = gpt.features(tokens, &Input::Autoregressive);
    features.into_iter().map(|f| f.into_data().iter::<f32>().collect()).collect()
}

#[test]
fn each_part_holds_the_networks_features_and_stands_alone() {
    let bench = Bench::new();
    let palette = Some(Digest::of(b"palette"));
    let tokens = bench.tokens(palette);
    let (model, gpt) = bench.model(Objective::Autoregressive, palette);
    let out = bench.run("layers", &model, &tokens, json!({})).unwrap();
    let table = igpt_dataset::TokenTable::read(&tokens).unwrap();
    for (l, expected) in expected(&gpt, &table.tokens, table.len()).into_iter().enumerate() {
        // A part is moved away from its fellows, as the store does.
        let part = bench.dir.path().join(format!("part {l}"));
        std::fs::rename(out.join(l.to_string()), &part).unwrap();
        let layer = FeatureTable::read(&part).unwrap();
        assert_eq!(layer.values, expected);
        assert_eq!((&layer.ids, &layer.labels, &layer.views), (&table.ids, &table.labels, &table.views));
        assert_eq!(layer.splits, table.splits);
        assert_eq!((layer.info.layer, layer.info.n_layer, layer.dim), (l, 4, 64));
        assert_eq!(layer.info.classes, table.info.classes);
    }
    assert!(files(&out).is_empty(), "there is one part for each layer, and nothing else");
}

#[test]
fn the_contract_is_kept() {
    let bench = Bench::new();
    let (model, _) = bench.model(Objective::Bert, None);
    let mut trial = Trial::new(Features);
    trial.input_at("model", &model);
    trial.input_at("tokens", &bench.tokens(None));
    trial.check(&json!({ "layers": [0, 2] }));
}

#[test]
fn batches_and_threads_change_no_byte() {
    let bench = Bench::new();
    let tokens = bench.tokens(None);
    for objective in [Objective::Autoregressive, Objective::Bert] {
        let (model, _) = bench.model(objective, None);
        let name = |case: &str| format!("{objective:?} {case}");
        let first = bench.run(&name("first"), &model, &tokens, json!({})).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let params = json!({ "batch": 5 * threads });
            let again = pool.install(|| bench.run(&name(&threads.to_string()), &model, &tokens, params));
            assert_eq!(files(&first), files(&again.unwrap()));
        }
        let other = bench.run(&name("other"), &model, &tokens, json!({ "mask_seed": 1 })).unwrap();
        assert_eq!(files(&first) == files(&other), objective == Objective::Autoregressive);
    }
}

#[test]
fn layers_and_images_can_be_chosen() {
    let bench = Bench::new();
    let tokens = bench.tokens(None);
    let (model, _) = bench.model(Objective::Autoregressive, None);
    let all = bench.run("all", &model, &tokens, json!({})).unwrap();
    let params = json!({ "layers": [1, 3], "train_images": 4, "test_images": 2 });
    let some = bench.run("some", &model, &tokens, params).unwrap();
    assert!(!some.join("0").exists() && !some.join("2").exists());
    let (all, some) =
        (FeatureTable::read(&all.join("3")).unwrap(), FeatureTable::read(&some.join("3")).unwrap());
    let drawn = igpt_dataset::draw_images((0..20).collect(), 4, &stream(0, "labels"));
    let mut expected: Vec<u64> = drawn.iter().flat_map(|image| [*image as u64; 2]).collect();
    expected.extend([20, 23]);
    assert_eq!(some.ids, expected);
    assert_eq!(some.row(7), all.row(2 * drawn[3] + 1));
    assert_eq!(some.row(9), all.row(43));
    let error = bench.run("none", &model, &tokens, json!({ "layers": [5] })).unwrap_err().to_string();
    assert!(error.contains("layer 5, expected 0 to 4"), "{error}");
}

/// The paper's section 4.6: several independent masks at evaluation.
#[test]
fn a_bert_network_sees_each_test_image_under_several_masks() {
    let bench = Bench::new();
    let tokens = bench.tokens(None);
    for objective in [Objective::Autoregressive, Objective::Bert] {
        let (model, _) = bench.model(objective, None);
        let run = |masks: u16| {
            let name = format!("{objective:?} {masks}");
            let params = json!({ "layers": [2], "evaluation_masks": masks });
            FeatureTable::read(&bench.run(&name, &model, &tokens, params).unwrap().join("2")).unwrap()
        };
        let (one, three) = (run(1), run(3));
        if objective == Objective::Autoregressive {
            assert_eq!(one, three);
            continue;
        }
        assert_eq!((one.len(), three.len()), (47, 40 + 3 * 7));
        assert_eq!(one.values[..40 * one.dim], three.values[..40 * one.dim], "training images");
        for image in 0..7 {
            let rows: Vec<usize> = (0..3).map(|view| 40 + 3 * image + view).collect();
            assert_eq!(rows.iter().map(|row| three.views[*row]).collect::<Vec<_>>(), [0, 1, 2]);
            assert!(rows.iter().all(|row| three.ids[*row] == 20 + image as u64));
            assert_eq!(three.row(rows[0]), one.row(40 + image), "the first mask is that of one");
            assert_ne!(three.row(rows[1]), three.row(rows[0]));
            assert_ne!(three.row(rows[1]), three.row(rows[2]));
        }
    }
}

#[test]
fn tokens_of_another_palette_are_refused_with_both_digests() {
    let bench = Bench::new();
    let (ours, theirs) = (Digest::of(b"ours"), Digest::of(b"theirs"));
    let tokens = bench.tokens(Some(theirs));
    let (model, _) = bench.model(Objective::Autoregressive, Some(ours));
    let error = bench.run("layers", &model, &tokens, json!({})).unwrap_err().to_string();
    assert!(error.contains(&ours.to_string()) && error.contains(&theirs.to_string()), "{error}");
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let refused = |params: Value| Features.complete(&params).unwrap_err();
    assert!(refused(json!({ "layer": 3 })).what.contains("unknown field `layer`"));
    assert_eq!(refused(json!({ "layers": [3, 1] })).path, "layers");
    assert_eq!(refused(json!({ "batch": 0 })).path, "batch");
    assert_eq!(refused(json!({ "evaluation_masks": 0 })).path, "evaluation_masks");
    assert_eq!(refused(json!({ "mask_probability": 1.0 })).path, "mask_probability");
}

/// The reference network, its tokens and its features, by way of the stage's own artifacts.
#[test]
fn the_reference_features_are_reproduced() {
    igpt_fixtures::fixtures("gpt2_ln_tiny").for_each(|dir| check_reference(&dir));
}

fn check_reference(dir: &Path) {
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let (weights, inputs, outputs) =
        (read("weights.safetensors"), read("inputs.safetensors"), read("outputs_f64.safetensors"));
    let weights = SafeTensors::deserialize(&weights).unwrap();
    let outputs = SafeTensors::deserialize(&outputs).unwrap();
    let floats = |data: &[u8]| data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>();
    let summary: Value = serde_json::from_slice(&read("summary.json")).unwrap();
    let shape = |name: &str| weights.tensor(name).unwrap().shape().to_vec();
    let n_layer = weights.names().iter().filter(|name| name.ends_with("ln_1.weight")).count();
    let config = GptConfig {
        n_layer,
        n_head: summary["config"]["heads"].as_u64().unwrap() as usize,
        n_embd: shape("wte")[1],
        n_positions: shape("wpe")[0],
        vocab: shape("wte")[0],
        variant: Variant::Paper,
        activation: Activation::GeluTanh,
        biases: None,
        tied: false,
        zero_head: true,
        init: Init::default(),
    };
    let tensors = weights.tensors().into_iter().map(|(name, view)| NamedTensor {
        name,
        shape: view.shape().to_vec(),
        values: floats(view.data()),
    });
    let gpt = Gpt::init(&config, &mut stream(0, "init"), &Device::flex())
        .with_class_head(shape("clf.weight")[0], n_layer);
    let gpt = assign_parameters(gpt, tensors.collect()).unwrap();
    let bench = Bench::new();
    let model = bench.folder("model");
    let side = config.n_positions.isqrt();
    save_model(&model, &gpt, &ModelCard::new(&config, Objective::Autoregressive, side, side)).unwrap();

    let inputs = SafeTensors::deserialize(&inputs).unwrap();
    let integers = |name: &str| {
        let data = inputs.tensor(name).unwrap().data().to_vec();
        data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect::<Vec<_>>()
    };
    let (tokens, labels) = (integers("tokens"), integers("labels"));
    let rows = tokens.chunks_exact(side * side).zip(&labels).enumerate().map(|(i, (tokens, label))| {
        let key = RowKey { id: i as u64, split: Split::Train, label: *label as i32, view: 0 };
        (key, tokens.iter().map(|token| *token as u16).collect())
    });
    let tokens = bench.write_tokens_of(side, config.vocab, None, rows.collect());
    let out = bench.run("layers", &model, &tokens, json!({})).unwrap();
    for l in 0..=n_layer {
        let found = FeatureTable::read(&out.join(l.to_string())).unwrap();
        let expected = outputs.tensor(&format!("ar.feature.{l}")).unwrap().data().as_chunks().0;
        assert_eq!(found.values.len(), expected.len());
        for (found, expected) in found.values.iter().zip(expected) {
            let expected = f64::from_le_bytes(*expected);
            assert!((f64::from(*found) - expected).abs() < 1e-4, "layer {l}: {found} {expected}");
        }
    }
}

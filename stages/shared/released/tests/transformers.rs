//! Hugging Face's layout: the reference network, a round trip to the byte, and what is refused.

mod support;

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_fixtures::fixtures;
use igpt_model::{
    Activation, ClassHeadCard, Gpt, Input, ModelCard, ModelParams, NamedTensor, Objective, Variant,
    named_parameters, write_tensors,
};
use igpt_released::{ReadOptions, read, write};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use support::{Reference, VOCAB, artifact, network, palette, params, read_folder, refusal, write_palette};

/// The logits of two images of a pattern.
fn logits(gpt: &Gpt) -> Vec<f32> {
    let t = gpt.config().n_positions;
    let values: Vec<i64> = (0..2 * t).map(|i| (i * i % gpt.config().vocab) as i64).collect();
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(values, [2, t]), &Device::flex());
    gpt.logits(tokens, &Input::Autoregressive, None).into_data().iter::<f32>().collect()
}

#[test]
fn the_reference_networks_have_the_reference_logits_and_hidden_states() {
    for (name, biases) in [("hf_imagegpt_tiny", Some(true)), ("hf_imagegpt_tiny_zerobias", None)] {
        for folder in fixtures(name) {
            let sizes = std::fs::read(folder.join("config.json")).unwrap();
            let sizes: Value = serde_json::from_slice(&sizes).unwrap();
            let size = |key: &str| sizes[key].as_u64().unwrap() as usize;
            let (vocab, side) = (size("vocab_size") - 1, size("n_positions").isqrt());
            let dir = tempfile::tempdir().unwrap();
            let colours = write_palette(dir.path(), vocab);
            let options = ReadOptions { palette: Some(&colours), ..ReadOptions::default() };
            let released = read(&folder, options).unwrap();
            let card = &released.card;
            assert_eq!(released.gpt.config().biases, biases, "{name}");
            assert_eq!((card.height, card.width, card.config.vocab), (side, side, vocab));
            assert_eq!(card.palette, Some(palette(vocab).digest()));
            let reference = Reference::read(&folder);
            reference.check_layers(&released.gpt);
        }
    }
}

#[test]
fn what_was_published_comes_back_to_the_byte() {
    let networks = [
        params(),
        ModelParams { biases: Some(true), activation: Some(Activation::GeluTanh), ..params() },
        ModelParams { tied: true, zero_head: false, ..params() },
    ];
    for params in networks {
        for head in [None, Some(ClassHeadCard { classes: 5, layer: 2, names: Vec::new() })] {
            let (mut gpt, mut card) = network(&params);
            if let Some(head) = &head {
                gpt = support::noisy(gpt.with_class_head(head.classes, head.layer));
            }
            card.class_head = head;
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap();
            let back = read_folder(dir.path()).unwrap();
            assert_eq!(artifact(&gpt, &card), artifact(&back.gpt, &back.card), "{:?}", card.config);
            assert_eq!(back.palette, palette(VOCAB));
        }
    }
}

#[test]
fn biases_of_zero_without_a_card_are_none() {
    let (gpt, card) = network(&params());
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap();
    edit(&dir.path().join("config.json"), |config| {
        config.as_object_mut().unwrap().remove("igpt_flow");
    });
    let back = read_folder(dir.path()).unwrap();
    assert_eq!((back.card.step, back.card.config.biases), (0, None));
    assert_eq!(logits(&gpt), logits(&back.gpt));
    assert_eq!(
        artifact(&gpt, &card)["model.safetensors"],
        artifact(&back.gpt, &back.card)["model.safetensors"]
    );
}

#[test]
fn what_imagegpt_has_no_word_for_is_not_published() {
    let refused = |params: &ModelParams, change: &dyn Fn(&mut ModelCard)| {
        let (gpt, mut card) = network(params);
        change(&mut card);
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap_err().to_string();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        error
    };
    let paper = ModelParams { variant: Variant::Paper, ..params() };
    assert!(refused(&paper, &|_| ()).contains("subtracts no mean"));
    assert!(refused(&params(), &|card| card.objective = Objective::Bert).contains("BERT"));
    let head = |card: &mut ModelCard| {
        card.class_head = Some(ClassHeadCard { classes: 2, layer: 1, names: Vec::new() })
    };
    assert!(refused(&params(), &head).contains("class head on layer 1: its own is on the last, 2"));
    let other = |card: &mut ModelCard| card.palette = Some(palette(9).digest());
    assert!(refused(&params(), &other).contains("expected the network's palette"));
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// A published network without our card.
fn published() -> tempfile::TempDir {
    let (gpt, card) = network(&params());
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap();
    edit(&dir.path().join("config.json"), |config| {
        config.as_object_mut().unwrap().remove("igpt_flow");
    });
    dir
}

/// The tensors of a published network, in single precision.
fn tensors(folder: &Path) -> Vec<NamedTensor> {
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, TensorView)| {
        let values = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        NamedTensor { name, shape: view.shape().to_vec(), values }
    };
    file.tensors().into_iter().map(tensor).collect()
}

#[test]
fn shards_and_masks_of_older_files_are_read() {
    let dir = published();
    let whole = read_folder(dir.path()).unwrap();
    let mut all = tensors(dir.path());
    std::fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    let mask = |name: &str| NamedTensor { name: name.to_owned(), shape: vec![1], values: vec![0.0] };
    all.push(mask("transformer.h.0.attn.bias"));
    all.push(mask("transformer.h.1.attn.masked_bias"));
    let (one, two) = all.split_at(9);
    let mut weight_map = serde_json::Map::new();
    for (shard, tensors) in [("model-1.safetensors", one), ("model-2.safetensors", two)] {
        write_tensors(&dir.path().join(shard), tensors, None).unwrap();
        weight_map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), json!(shard))));
    }
    let index = dir.path().join("model.safetensors.index.json");
    std::fs::write(&index, json!({"metadata": {}, "weight_map": weight_map}).to_string()).unwrap();
    let sharded = read_folder(dir.path()).unwrap();
    assert_eq!(artifact(&whole.gpt, &whole.card), artifact(&sharded.gpt, &sharded.card));

    std::fs::write(&index, json!({"weight_map": {"x": "../model.safetensors"}}).to_string()).unwrap();
    assert!(refusal(dir.path()).contains("`../model.safetensors` is not a valid name of a shard"));
}

#[test]
fn half_floats_become_whole_ones() {
    let dir = published();
    let all = tensors(dir.path());
    for (dtype, keep) in [(Dtype::F16, half_bits as fn(f32) -> [u8; 2]), (Dtype::BF16, brain_bits)] {
        let halves: Vec<Vec<u8>> =
            all.iter().map(|tensor| tensor.values.iter().flat_map(|v| keep(*v)).collect()).collect();
        let views: HashMap<&str, TensorView> = all
            .iter()
            .zip(&halves)
            .map(|(tensor, bytes)| {
                (tensor.name.as_str(), TensorView::new(dtype, tensor.shape.clone(), bytes).unwrap())
            })
            .collect();
        let bytes = safetensors::serialize(views, None).unwrap();
        std::fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
        let read = read_folder(dir.path()).unwrap();
        let (exact, _) = network(&params());
        let pairs = logits(&exact).into_iter().zip(logits(&read.gpt));
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst > 0.0 && worst < 0.1, "{dtype:?}: {worst}");
    }
}

fn half_bits(value: f32) -> [u8; 2] {
    half::f16::from_f32(value).to_le_bytes()
}

fn brain_bits(value: f32) -> [u8; 2] {
    half::bf16::from_f32(value).to_le_bytes()
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let dir = published();
    let mut all = tensors(dir.path());
    all.retain(|tensor| tensor.name != "transformer.h.1.mlp.c_fc.weight");
    let wte = all.iter_mut().find(|tensor| tensor.name == "transformer.wte.weight").unwrap();
    wte.shape[0] -= 1;
    wte.values.truncate(VOCAB * 24);
    all.push(NamedTensor { name: "transformer.extra".to_owned(), shape: vec![1], values: vec![0.0] });
    write_tensors(&dir.path().join("model.safetensors"), &all, None).unwrap();
    let error = refusal(dir.path());
    for part in [
        "1 missing (`transformer.h.1.mlp.c_fc.weight` [24, 96])",
        "`transformer.wte.weight`: expected [7, 24], found [6, 24]",
        "1 unexpected (`transformer.extra` [1])",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(error.trim_end().lines().count(), 2, "{error}");
}

/// What transformers' `ImageGPTModel` and `ImageGPTForImageClassification` write: no head over the
/// colours, the one without a prefix, the other with a class head.
#[test]
fn networks_without_a_head_over_the_colours_come_in() {
    let (whole, _) = network(&params());
    let bare = |all: &mut Vec<NamedTensor>| {
        for tensor in all {
            tensor.name = tensor.name.strip_prefix("transformer.").unwrap().to_owned();
        }
    };
    let classifier = |all: &mut Vec<NamedTensor>| {
        all.push(NamedTensor { name: "score.weight".to_owned(), shape: vec![3, 24], values: vec![0.5; 72] });
    };
    type Change<'a> = &'a dyn Fn(&mut Vec<NamedTensor>);
    let cases: [(Change<'_>, usize); 2] = [(&bare, 1), (&classifier, 2)];
    for (change, notes) in cases {
        let dir = published();
        let mut all = tensors(dir.path());
        all.retain(|tensor| tensor.name != "lm_head.weight");
        change(&mut all);
        write_tensors(&dir.path().join("model.safetensors"), &all, None).unwrap();
        let back = read_folder(dir.path()).unwrap();
        assert_eq!(back.notes.len(), notes, "{:?}", back.notes);
        assert!(back.notes[0].contains("no output head"), "{:?}", back.notes);
        assert_eq!(back.card.class_head, None);
        assert!(logits(&back.gpt).iter().all(|logit| *logit == 0.0));
        let mut expected = named_parameters(&whole);
        expected.retain(|tensor| tensor.name != "head.weight");
        let mut found = named_parameters(&back.gpt);
        found.retain(|tensor| tensor.name != "head.weight");
        assert_eq!(expected, found);
    }
}

#[test]
fn a_published_classifier_names_its_classes_and_puts_the_start_token_first() {
    let (gpt, mut card) = network(&params());
    let gpt = support::noisy(gpt.with_class_head(2, 2));
    let names = vec!["cat".to_owned(), "dog".to_owned()];
    card.class_head = Some(ClassHeadCard { classes: 2, layer: 2, names });
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap();
    let config = std::fs::read(dir.path().join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["id2label"], json!({"0": "cat", "1": "dog"}));
    assert_eq!(config["label2id"], json!({"cat": 0, "dog": 1}));
    let code = std::fs::read_to_string(dir.path().join("modeling_igpt_flow.py")).unwrap();
    let class = config["auto_map"]["AutoModelForImageClassification"].as_str().unwrap();
    let class = class.strip_prefix("modeling_igpt_flow.").unwrap();
    assert!(code.contains(&format!("class {class}(ImageGPTForImageClassification)")), "{code}");
    let readme = std::fs::read_to_string(dir.path().join("README.md")).unwrap();
    assert!(readme.contains("trust_remote_code=True"), "{readme}");
    let back = read_folder(dir.path()).unwrap();
    assert_eq!(artifact(&gpt, &card), artifact(&back.gpt, &back.card));
}

#[test]
fn configurations_that_we_cannot_compute_are_refused_by_their_key() {
    for (key, value, part) in [
        ("model_type", json!("gpt2"), "expected the `model_type` `imagegpt`, found `gpt2`"),
        ("n_inner", json!(50), "expected 4 * `n_embd` 24 as `n_inner`, found 50"),
        ("layer_norm_epsilon", json!(1e-6), "expected 1e-5 as `layer_norm_epsilon`, found 1e-6"),
        ("scale_attn_by_inverse_layer_idx", json!(true), "inverse_layer_idx`, found true"),
        ("tie_word_embeddings", json!(true), "expected false as `tie_word_embeddings`, found true"),
        ("activation_function", json!("relu"), "as `activation_function`, found `relu`"),
        ("vocab_size", json!(1), "as `vocab_size`, found 1"),
        ("n_head", json!(5), "not a multiple of `n_head` 5"),
        ("n_layer", json!("two"), "not a valid configuration of ImageGPT"),
        ("n_layer", json!(3), "missing (`transformer.h.2."),
    ] {
        let dir = published();
        edit(&dir.path().join("config.json"), |config| config[key] = value);
        let error = refusal(dir.path());
        assert!(error.contains(part), "{key}: {error}");
    }
    let dir = published();
    std::fs::write(dir.path().join("config.json"), "{").unwrap();
    assert!(refusal(dir.path()).contains("not valid JSON"));
}

#[test]
fn a_card_or_palette_that_is_not_the_networks_is_refused() {
    let (gpt, card) = network(&params());
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap();
    let config = dir.path().join("config.json");
    edit(&config, |config| config["igpt_flow"]["config"]["n_layer"] = json!(9));
    assert!(refusal(dir.path()).contains("`igpt_flow` contradicts the other keys"));
    write(dir.path(), &gpt, &card, &palette(VOCAB)).unwrap();
    let colours = dir.path().join("preprocessor_config.json");
    edit(&colours, |config| config["clusters"][0] = json!([0.5, 0.5, 0.5]));
    assert!(refusal(dir.path()).contains("expected the network's palette"), "{}", refusal(dir.path()));
    edit(&colours, |config| config["clusters"] = json!([[0.5, 0.5, 0.5]]));
    assert!(refusal(dir.path()).contains("expected 6 colours as in the network, found 1"));
    std::fs::remove_file(&colours).unwrap();
    assert!(refusal(dir.path()).contains("set the input `palette`"));
}

#[test]
fn other_kinds_of_weights_say_how_to_convert_them() {
    let dir = published();
    let weights = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 5]).unwrap();
    assert!(refusal(dir.path()).contains("bytes of tensors"), "{}", refusal(dir.path()));
    std::fs::write(&weights, b"PK").unwrap();
    assert!(refusal(dir.path()).contains("not a valid safetensors file"));
    std::fs::write(&weights, [&(1u64 << 60).to_le_bytes()[..], &b"{}"[..]].concat()).unwrap();
    assert!(refusal(dir.path()).contains("not a valid safetensors file"));
    std::fs::remove_file(&weights).unwrap();
    assert!(refusal(dir.path()).contains("expected weights"));
    std::fs::write(dir.path().join("pytorch_model.bin"), b"PK").unwrap();
    let error = refusal(dir.path());
    assert!(error.contains("reading one runs code") && error.contains("safe_serialization"), "{error}");

    let (gpt, card) = network(&params());
    let own = tempfile::tempdir().unwrap();
    igpt_model::save_model(own.path(), &gpt, &card).unwrap();
    assert!(refusal(own.path()).contains("needs no import"));
    let tensorflow = tempfile::tempdir().unwrap();
    std::fs::write(tensorflow.path().join("model.ckpt-1000000.index"), b"").unwrap();
    let error = refusal(tensorflow.path());
    assert!(
        error.contains("TensorFlow checkpoints are not supported") && error.contains("numpy.savez"),
        "{error}"
    );
    assert!(refusal(&own.path().join("gone")).contains("expected a folder with a network, found none"));
}

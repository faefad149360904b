//! The network against the reference outputs and gradients of the fixtures, by both
//! implementations of its operations.

mod support;

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor};
use igpt_contract::stream;
use igpt_fixtures::fixtures;
use igpt_model::loss::{self, BertReduction};
use igpt_model::{Activation, Gpt, GptConfig, Init, Input, Ops, Variant, assign_parameters, param_count};
use serde_json::Value;
use support::{Tensors, devices, worst};

/// The outputs' tolerance, absolute; the gradients', relative to each tensor's largest.
const TOLERANCE: f64 = 1e-4;

/// Every device with both implementations.
fn ways() -> impl Iterator<Item = (Device, Ops)> {
    devices().into_iter().flat_map(|device| [Ops::Plain, Ops::Fused].map(|ops| (device.clone(), ops)))
}

/// The network of `gpt2_ln_tiny` with its weights, on a device that differentiates.
fn gpt2(f: &Fixture, activation: Activation, ops: Ops, device: &Device) -> Gpt {
    let (weights, device) = (&f.weights, device.clone().autodiff());
    let [vocab, n_embd] = *weights.shape("wte") else { panic!("wte is no matrix") };
    let n_layer = weights.names().filter(|name| name.ends_with("ln_1.weight")).count();
    let config = GptConfig {
        n_layer,
        n_head: f.heads,
        n_embd,
        n_positions: weights.shape("wpe")[0],
        vocab,
        variant: Variant::Paper,
        activation,
        biases: None,
        tied: false,
        zero_head: true,
        init: Init::default(),
    };
    let gpt = Gpt::init(&config, &mut stream(0, "init"), &device)
        .with_class_head(weights.shape("clf.weight")[0], n_layer)
        .with_ops(ops);
    assign_parameters(gpt, weights.parameters(|name| Some(name.to_owned()))).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

struct Fixture {
    heads: usize,
    weights: Tensors,
    outputs: Tensors,
    tokens: Tensor<2, Int>,
    labels: Tensor<1, Int>,
    masked: Tensor<2>,
    dir: PathBuf,
}

fn gpt2_fixture(dir: PathBuf, device: &Device) -> Fixture {
    let inputs = Tensors::read(&dir.join("inputs.safetensors"));
    let device = device.clone().autodiff();
    Fixture {
        heads: json(&dir.join("summary.json"))["config"]["heads"].as_u64().unwrap() as usize,
        weights: Tensors::read(&dir.join("weights.safetensors")),
        outputs: Tensors::read(&dir.join("outputs_f64.safetensors")),
        tokens: inputs.ints("tokens", &device),
        labels: inputs.ints("labels", &device),
        masked: inputs.floats("bert_mask", &device),
        dir,
    }
}

/// Every set of the fixture, on every device, with both implementations.
fn gpt2_fixtures() -> impl Iterator<Item = (Fixture, Device, Ops)> {
    fixtures("gpt2_ln_tiny")
        .flat_map(|dir| ways().map(move |(device, ops)| (gpt2_fixture(dir.clone(), &device), device, ops)))
}

#[test]
fn the_paper_variant_reproduces_the_reference_outputs() {
    for (f, device, ops) in gpt2_fixtures() {
        let gpt = gpt2(&f, Activation::GeluTanh, ops, &device);
        for (name, input) in [("ar", Input::Autoregressive), ("bert", Input::Bert(f.masked.clone()))] {
            for (l, feature) in gpt.features(f.tokens.clone(), &input).into_iter().enumerate() {
                f.outputs.assert_close(&format!("{name}.feature.{l}"), feature, TOLERANCE);
            }
            if matches!(input, Input::Autoregressive) {
                for (l, layer) in gpt.trace(f.tokens.clone(), &input).into_iter().enumerate() {
                    f.outputs.assert_close(&format!("{name}.h.{l}"), layer.h, TOLERANCE);
                    f.outputs.assert_close(&format!("{name}.n.{l}"), layer.n, TOLERANCE);
                }
            }
            let both = gpt.joint(f.tokens.clone(), &input, None);
            f.outputs.assert_close(&format!("{name}.clf_logits"), both.class_logits.clone(), TOLERANCE);
            f.outputs.assert_close(
                &format!("{name}.clf_logits"),
                gpt.class_logits(f.tokens.clone(), &input, None),
                TOLERANCE,
            );
            f.outputs.assert_close(&format!("{name}.logits"), both.logits.clone(), TOLERANCE);
            let nll = loss::token_nll_with(ops, both.logits, f.tokens.clone());
            f.outputs.assert_close(&format!("{name}.per_position_nll"), nll, TOLERANCE);
            let clf = loss::classification(both.class_logits, f.labels.clone());
            f.outputs.assert_close(&format!("{name}.clf_loss"), clf, TOLERANCE);
        }
    }
}

#[test]
fn the_other_activations_reproduce_the_reference_outputs() {
    for (f, device, ops) in gpt2_fixtures() {
        for (name, activation) in [("gelu_erf", Activation::GeluErf), ("quick_gelu", Activation::QuickGelu)] {
            let gpt = gpt2(&f, activation, ops, &device);
            let logits = gpt.logits(f.tokens.clone(), &Input::Autoregressive, None);
            f.outputs.assert_close(&format!("ar.logits.{name}"), logits.clone(), TOLERANCE);
            let nll = loss::token_nll_with(ops, logits, f.tokens.clone());
            let loss = loss::autoregressive(nll);
            f.outputs.assert_close(&format!("ar.loss.{name}"), loss, TOLERANCE);
        }
    }
}

#[test]
fn losses_and_all_gradients_agree_with_the_reference() {
    for (f, device, ops) in gpt2_fixtures() {
        let gpt = gpt2(&f, Activation::GeluTanh, ops, &device);
        let bert = Input::Bert(f.masked.clone());
        let both = |input: &Input| {
            let both = gpt.joint(f.tokens.clone(), input, None);
            let nll = loss::token_nll_with(ops, both.logits, f.tokens.clone());
            (nll, loss::classification(both.class_logits, f.labels.clone()))
        };
        let images = f.masked.dims()[0]; // each has a masked position
        // A graph is consumed by its backward pass: each loss gets one of its own.
        let (nll, _) = both(&Input::Autoregressive);
        check_loss(&f, &gpt, "ar.loss", loss::autoregressive(nll), Some("grads_ar_f64"));
        let (nll, clf) = both(&Input::Autoregressive);
        let joint = loss::autoregressive(nll) + clf;
        check_loss(&f, &gpt, "ar.joint_loss", joint, Some("grads_ar_joint_f64"));

        let (nll, _) = both(&bert);
        let sum = loss::bert(nll.clone(), f.masked.clone(), BertReduction::Sum, images);
        check_loss(&f, &gpt, "bert.loss_sum_per_example_mean_batch", sum, None);
        let mean = loss::bert(nll, f.masked.clone(), BertReduction::Mean, images);
        let name = "bert.loss_openai_mean_per_example_mean_batch";
        check_loss(&f, &gpt, name, mean, Some("grads_bert_f64"));
        let (nll, clf) = both(&bert);
        let joint = loss::bert(nll, f.masked.clone(), BertReduction::Mean, images) + clf;
        check_loss(&f, &gpt, "bert.joint_loss_openai", joint, Some("grads_bert_joint_f64"));
    }
}

fn check_loss(f: &Fixture, gpt: &Gpt, name: &str, loss: Tensor<1>, gradients: Option<&str>) {
    f.outputs.assert_close(name, loss.clone(), TOLERANCE);
    let Some(file) = gradients else { return };
    let expected = Tensors::read(&f.dir.join(format!("{file}.safetensors")));
    let mut check = CheckGradients { path: Vec::new(), found: loss.backward(), expected, seen: 0 };
    gpt.visit(&mut check);
    assert_eq!(check.seen, check.expected.names().count(), "every tensor of `{file}`");
}

struct CheckGradients {
    path: Vec<String>,
    found: Gradients,
    expected: Tensors,
    seen: usize,
}

impl ModuleVisitor for CheckGradients {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        let expected = self.expected.values(&name);
        let largest = expected.iter().fold(0f64, |m, v| m.max(v.abs()));
        self.seen += 1;
        let Some(found) = param.val().grad(&self.found) else {
            assert_eq!(largest, 0.0, "no gradient for `{name}`");
            return;
        };
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        // A tensor whose true gradient is 0 (the keys' bias, in theory) has no largest: absolute.
        let tolerance = TOLERANCE * if largest < 1e-6 { 1.0 } else { largest };
        let worst = worst(expected, &found);
        assert!(worst <= tolerance, "gradient of `{name}` is off by {worst:e} of {largest:e}");
    }
}

#[test]
fn the_released_variant_reproduces_the_reference_outputs() {
    fixtures("hf_imagegpt_tiny_zerobias").for_each(|dir| check_released(&dir));
}

fn check_released(dir: &Path) {
    let weights = Tensors::read(&dir.join("model.safetensors"));
    let score = Tensors::read(&dir.join("classifier_score.safetensors"));
    let outputs = Tensors::read(&dir.join("outputs_f64.safetensors"));
    let inputs = Tensors::read(&dir.join("inputs.safetensors"));
    let sizes = json(&dir.join("config.json"));
    let size = |key: &str| sizes[key].as_u64().unwrap() as usize;
    let config = GptConfig {
        n_layer: size("n_layer"),
        n_head: size("n_head"),
        n_embd: size("n_embd"),
        n_positions: size("n_positions"),
        vocab: size("vocab_size") - 1, // the last one is the start token
        variant: Variant::Released,
        activation: Activation::QuickGelu,
        biases: None,
        tied: false,
        zero_head: true,
        init: Init::default(),
    };
    let mut parameters = weights.parameters(|name| {
        if name.ends_with(".bias") {
            assert!(weights.values(name).iter().all(|v| *v == 0.0), "`{name}` is not zero");
            return None;
        }
        let name = name.trim_start_matches("transformer.");
        Some(match name {
            "wte.weight" => "wte".to_owned(),
            "wpe.weight" => "wpe".to_owned(),
            "lm_head.weight" => "head.weight".to_owned(),
            _ => name.replace("c_attn", "qkv").replace("c_proj", "proj").replace("c_fc", "fc"),
        })
    });
    // Their last token embedding is our start vector.
    let wte = parameters.iter_mut().find(|tensor| tensor.name == "wte").unwrap();
    let sos = wte.values.split_off(config.vocab * config.n_embd);
    wte.shape[0] -= 1;
    parameters.push(igpt_model::NamedTensor {
        name: "sos".to_owned(),
        shape: vec![config.n_embd],
        values: sos,
    });
    parameters.extend(score.parameters(|_| Some("clf.weight".to_owned())));
    for (device, ops) in ways() {
        let gpt = Gpt::init(&config, &mut stream(0, "init"), &device)
            .with_class_head(score.shape("score.weight")[0], config.n_layer)
            .with_ops(ops);
        let gpt = assign_parameters(gpt, parameters.clone()).unwrap();
        let tokens = inputs.ints("tokens", &device);
        let input = Input::Autoregressive;
        let logits = gpt.logits(tokens.clone(), &input, None);
        outputs.assert_close("logits", logits.clone(), TOLERANCE);
        let nll = loss::token_nll_with(ops, logits, tokens.clone());
        outputs.assert_close("per_position_nll", nll.clone(), TOLERANCE);
        let name = format!("loss_full_{}_targets", config.n_positions);
        outputs.assert_close(&name, loss::autoregressive(nll), TOLERANCE);
        for (l, feature) in gpt.features(tokens.clone(), &input).into_iter().enumerate() {
            let kind = if l == config.n_layer { "lnf" } else { "ln1" };
            outputs.assert_close(&format!("feature_{kind}.{l}"), feature, TOLERANCE);
        }
        for (l, layer) in gpt.trace(tokens.clone(), &input).into_iter().enumerate() {
            // Transformers' last hidden state is the normalised one.
            let hidden = if l == config.n_layer { layer.n } else { layer.h };
            outputs.assert_close(&format!("hidden_states.{l}"), hidden, TOLERANCE);
        }
        let classes = gpt.class_logits(tokens, &input, None);
        outputs.assert_close("clf_logits_sos_shifted_input", classes, TOLERANCE);
    }
}

#[test]
fn parameter_counts_are_those_of_the_paper() {
    fixtures("igpt_param_counts.json").for_each(|path| check_counts(&json(&path)));
}

fn check_counts(counts: &Value) {
    let mut checked = 0;
    for size in ["S", "M", "L", "XL"] {
        let entry = &counts[size];
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let count = |variant: Variant, n_positions: usize, tied: bool| {
            param_count(&GptConfig {
                n_layer: number(&entry["L"]),
                n_head: number(&entry["heads"]),
                n_embd: number(&entry["d"]),
                n_positions,
                vocab: number(&entry["vocab"]),
                variant,
                activation: variant.activation(),
                biases: None,
                tied,
                zero_head: true,
                init: Init::default(),
            })
        };
        let n_ctx = number(&entry["n_ctx"]);
        for (key, variant, n) in [
            ("openai_code_nobias_rmsgain_untied_sos", Variant::Released, n_ctx),
            ("gpt2_style_bias_untied_sos", Variant::Paper, n_ctx),
        ] {
            assert_eq!(count(variant, n, false), entry[key]["total"].as_u64().unwrap(), "{size}");
            checked += 1;
        }
        for (key, variant) in [
            ("openai_code_nobias_untied_sos_with_n_ctx_1024", Variant::Released),
            ("gpt2_style_bias_untied_sos_with_n_ctx_1024", Variant::Paper),
        ] {
            if let Some(total) = entry[key]["total"].as_u64() {
                assert_eq!(count(variant, 1024, false), total, "{size} `{key}`");
                checked += 1;
            }
        }
    }
    assert!(checked >= 8);
}

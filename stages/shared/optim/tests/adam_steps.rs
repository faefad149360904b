//! Parity with the reference fixtures `adam_steps`: twenty steps of Adam, with and without weight decay.

use std::collections::BTreeMap;
use std::path::Path;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_fixtures::fixtures;
use igpt_model::{
    Activation, Gpt, GptConfig, Init, Input, NamedTensor, Variant, assign_parameters, loss, named_parameters,
    pick_device,
};
use igpt_optim::{Adam, AdamParams, Decay, Schedule, clip_global_norm};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Float tensors by name, as f64.
fn floats(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let data = match view.dtype() {
                Dtype::F32 => {
                    view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect()
                }
                Dtype::F64 => view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                other => panic!("{name} is {other:?}"),
            };
            (name.to_owned(), (view.shape().to_vec(), data))
        })
        .collect()
}

/// The network of the fixture with its initial weights; sizes are read off the tensors.
fn network(folder: &Path, device: &Device) -> Gpt {
    let mut weights = floats(&folder.join("weights.safetensors"));
    weights.remove("clf.weight"); // fine-tuning's head, not trained here
    let config = GptConfig {
        n_layer: weights.keys().filter(|name| name.ends_with("attn.qkv.weight")).count(),
        // The one size that no tensor shows.
        n_head: json(&folder.join("summary.json"))["config"]["heads"].as_u64().unwrap() as usize,
        n_embd: weights["wte"].0[1],
        n_positions: weights["wpe"].0[0],
        vocab: weights["wte"].0[0],
        variant: Variant::Paper,
        activation: Activation::GeluTanh,
        biases: None,
        tied: false,
        zero_head: true,
        init: Init::default(),
    };
    let network = Gpt::init(&config, &mut igpt_contract::stream(0, "init"), device);
    let weights = weights
        .into_iter()
        .map(|(name, (shape, data))| NamedTensor {
            name,
            shape,
            values: data.into_iter().map(|x| x as f32).collect(),
        })
        .collect();
    assign_parameters(network, weights).unwrap()
}

fn batches(folder: &Path, device: &Device) -> Vec<Tensor<2, Int>> {
    let bytes = std::fs::read(folder.join("batches.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor("tokens").unwrap();
    let &[_, b, t] = view.shape() else { panic!("tokens have three axes") };
    let ids: Vec<i64> = view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    ids.chunks(b * t).map(|ids| Tensor::from_data(TensorData::new(ids.to_vec(), [b, t]), device)).collect()
}

/// On the processor, and on LibTorch's devices where the build and the machine have them.
#[test]
fn twenty_adam_steps_agree_with_the_reference() {
    for folder in fixtures("adam_steps") {
        let start = folder.with_file_name("gpt2_ln_tiny");
        let processors: &[&str] = if cfg!(feature = "tch") { &["cpu", "tch-cpu"] } else { &["cpu"] };
        let devices =
            processors.iter().map(|name| pick_device(name).unwrap()).chain(pick_device("cuda").ok());
        for picked in devices {
            agree_with_the_reference(&folder, &start, &picked.device.autodiff());
        }
    }
}

fn agree_with_the_reference(folder: &Path, start: &Path, device: &Device) {
    let expected = json(&folder.join("expected.json"));
    let mut model = network(start, device);
    let batches = batches(folder, device);
    let loss_of = |model: &Gpt, batch: &Tensor<2, Int>| {
        let logits = model.logits(batch.clone(), &Input::Autoregressive, None);
        loss::autoregressive(loss::token_nll(logits, batch.clone()))
    };
    let constant = |name: &str| expected[name].as_f64().unwrap();
    let mut adam = Adam::new(AdamParams {
        beta1: constant("beta1"),
        beta2: constant("beta2"),
        epsilon: constant("eps"),
        weight_decay: constant("weight_decay"),
    });
    let rates = numbers(&expected["lr_per_step"]);
    let losses = numbers(&expected["loss_before_each_step_f64"]);
    let norms = numbers(&expected["grad_norm_f64"]);
    for (step, rate) in rates.iter().enumerate() {
        let loss = loss_of(&model, &batches[step % batches.len()]);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        assert!((value - losses[step]).abs() < 1e-5, "step {step}: {value} for {}", losses[step]);
        let mut grads = GradientsParams::from_grads(loss.backward(), &model);
        let norm = clip_global_norm(&model, &mut grads, None);
        assert!((norm / norms[step] - 1.0).abs() < 1e-4, "step {step}: norm {norm} for {}", norms[step]);
        model = adam.step(*rate, model, grads);
    }
    for (batch, expected) in batches.iter().zip(numbers(&expected["final_loss_per_batch_f64"])) {
        let value = f64::from(loss_of(&model, batch).into_scalar::<f32>());
        assert!((value - expected).abs() < 1e-5, "{value} for {expected}");
    }
    let found: BTreeMap<String, Vec<f32>> =
        named_parameters(&model).into_iter().map(|tensor| (tensor.name, tensor.values)).collect();
    let truth = floats(&folder.join("final_weights_f64.safetensors"));
    assert_eq!(found.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
    for (name, (_, truth)) in &truth {
        let d = truth.len() / 3;
        for (i, (found, truth)) in found[name].iter().zip(truth).enumerate() {
            // The gradient of the key bias is 0 but for rounding, which Adam magnifies.
            if name.ends_with("attn.qkv.bias") && (d..2 * d).contains(&i) {
                continue;
            }
            assert!((f64::from(*found) - truth).abs() < 1e-4, "{name}[{i}]: {found} for {truth}");
        }
    }
}

#[test]
fn the_schedule_agrees_with_the_reference() {
    for folder in fixtures("adam_steps") {
        let expected = json(&folder.join("expected.json"));
        let schedule = Schedule {
            peak: expected["peak_lr"].as_f64().unwrap(),
            warmup_steps: expected["warmup"].as_u64().unwrap(),
            total_steps: expected["steps"].as_u64().unwrap(),
            decay: Decay::Cosine,
        };
        for (t, rate) in (1..).zip(numbers(&expected["lr_per_step"])) {
            assert!((schedule.at(t) - rate).abs() < 1e-15, "step {t}: {} for {rate}", schedule.at(t));
        }
    }
}

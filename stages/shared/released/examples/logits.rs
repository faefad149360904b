//! The logits and hidden states of a network of ours, for `benches/published.py`.
//!
//! `logits MODEL TOKENS OUT`: MODEL is the export of a `pretrain` step's `model`, TOKENS a
//! safetensors file with `tokens` (64-bit integers `[B,T]`), OUT becomes one with `logits` `[B,T,V]`
//! and `hidden.0` to `hidden.L` `[B,T,C]` (the last behind the final norm, as transformers has it).

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_model::{Input, NamedTensor, load_model, write_tensors};
use safetensors::SafeTensors;

fn named(name: String, tensor: Tensor<3>) -> NamedTensor {
    let shape = tensor.dims().to_vec();
    NamedTensor { name, shape, values: tensor.into_data().iter::<f32>().collect() }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, tokens, out] = &arguments[..] else { panic!("usage: logits MODEL TOKENS OUT") };
    let (gpt, _) = load_model(Path::new(model), &Device::flex()).expect("a model");
    let bytes = std::fs::read(tokens).expect("a file of tokens");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let view = file.tensor("tokens").expect("the tensor `tokens`");
    let ids: Vec<i64> = view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    let tokens = TensorData::new(ids, view.shape().to_vec());
    let tokens = Tensor::<2, Int>::from_data(tokens, &Device::flex());
    let input = Input::Autoregressive;
    let mut tensors = vec![named("logits".to_owned(), gpt.logits(tokens.clone(), &input, None))];
    let layers = gpt.trace(tokens, &input);
    let last = layers.len() - 1;
    for (l, layer) in layers.into_iter().enumerate() {
        tensors.push(named(format!("hidden.{l}"), if l == last { layer.n } else { layer.h }));
    }
    write_tensors(Path::new(out), &tensors, None).expect("the file of the logits");
}

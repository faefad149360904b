//! The names of OpenAI's released code (`openai/image-gpt`, src/model.py): `model/h0/attn/q_proj`.
//!
//! Queries, keys and values are three tensors `[heads, C/heads, C]` that map the last dimension to the
//! first two; the attention's output is `[heads, C/heads, C]` the other way round. There are no biases. A
//! network that was trained with BERT's objective has no start vector.

use std::path::Path;

use igpt_model::{Activation, GptConfig, Init, NamedTensor, Objective, Variant};

use crate::error::ReleasedError;
use crate::taker::Taker;
use crate::tensors::{Tensor, Tensors};

/// A network in our names and layout.
pub(crate) struct OpenAiNetwork {
    pub(crate) config: GptConfig,
    pub(crate) objective: Objective,
    pub(crate) classes: Option<usize>,
    pub(crate) tensors: Vec<NamedTensor>,
}

/// The weights, under names without `model/` and `:0`; the optimiser's state is dropped.
fn weights(tensors: Tensors) -> Tensors {
    const OPTIMISER: [&str; 7] =
        ["adam_m", "adam_v", "Adam", "Adam_1", "AdamWeightDecayOptimizer", "global_step", "beta1_power"];
    let mut weights = Tensors::new();
    for (name, array) in tensors {
        if name.split('/').any(|part| OPTIMISER.contains(&part) || part == "_step" || part == "beta2_power") {
            continue;
        }
        let short = name.strip_suffix(":0").unwrap_or(&name);
        let short = short.strip_prefix("model/").unwrap_or(short);
        weights.insert(short.to_owned(), array);
    }
    weights
}

/// Whether the tensors have OpenAI's names.
pub(crate) fn is_openai(tensors: &Tensors) -> bool {
    tensors.keys().any(|name| name.contains("h0/attn/"))
}

/// Converts their tensors to our tensors and structure. The number of heads follows from the tensors'
/// shapes, else it is `heads`.
///
/// # Errors
/// Every tensor that is missing, unexpected or of another shape; an unknown number of heads.
pub(crate) fn from_theirs(
    path: &Path,
    tensors: Tensors,
    heads: Option<usize>,
) -> Result<OpenAiNetwork, ReleasedError> {
    let mut taker = Taker::new(weights(tensors));
    let matrix = |taker: &Taker, name: &str| match taker.tensors.get(name).map(|array| &array.shape[..]) {
        Some(&[rows, columns]) => Ok((rows, columns)),
        found => {
            let what = format!("expected a matrix `model/{name}`, found {found:?}");
            Err(ReleasedError::new(path, what))
        }
    };
    let (vocab, c) = matrix(&taker, "wte")?;
    let (n_positions, _) = matrix(&taker, "wpe")?;
    let n_layer = (0..).take_while(|l| taker.tensors.contains_key(&format!("h{l}/ln_1/g"))).count();
    let by_shape = match taker.tensors.get("h0/attn/c_proj").map(|array| &array.shape[..]) {
        Some(&[heads, _, _]) => Some(heads),
        _ => None,
    };
    let n_head = by_shape.or(heads).ok_or_else(|| {
        ReleasedError::new(path, "cannot tell the number of attention heads from the shapes of the tensors")
            .hint("set `heads`: 8 for iGPT-S and iGPT-M, 16 for iGPT-L")
    })?;
    let config = GptConfig {
        n_layer,
        n_head,
        n_embd: c,
        n_positions,
        vocab,
        variant: Variant::Released,
        activation: Activation::QuickGelu,
        biases: None,
        tied: false,
        zero_head: true,
        init: Init::Released,
    };
    config
        .check()
        .map_err(|error| ReleasedError::caused(path, "does not describe a valid network", error))?;

    let mut ours = Vec::new();
    let mut put = |name: String, shape: &[usize], values: Option<Vec<f32>>| {
        ours.extend(values.map(|values| NamedTensor { name, shape: shape.to_vec(), values }));
    };
    put("wte".into(), &[vocab, c], taker.take("wte", &[vocab, c]));
    put("wpe".into(), &[n_positions, c], taker.take("wpe", &[n_positions, c]));
    put("head.weight".into(), &[vocab, c], taker.take("wtet", &[vocab, c]));
    put("ln_f.weight".into(), &[c], taker.take("ln_f/g", &[c]));
    let objective = match taker.tensors.contains_key("sos") {
        true => Objective::Autoregressive,
        false => Objective::Bert,
    };
    let sos = match objective {
        Objective::Autoregressive => taker.take("sos", &[c]),
        Objective::Bert => Some(vec![0.0; c]),
    };
    put("sos".into(), &[c], sos);
    for l in 0..n_layer {
        for norm in ["ln_1", "ln_2"] {
            put(format!("h.{l}.{norm}.weight"), &[c], taker.take(&format!("h{l}/{norm}/g"), &[c]));
        }
        let qkv =
            ["q_proj", "k_proj", "v_proj"].map(|part| square(&mut taker, &format!("h{l}/attn/{part}"), c));
        let [q, k, v] = qkv;
        let qkv = q.zip(k).zip(v).map(|((q, k), v)| side_by_side([&q, &k, &v], c));
        put(format!("h.{l}.attn.qkv.weight"), &[c, 3 * c], qkv);
        let proj = square(&mut taker, &format!("h{l}/attn/c_proj"), c);
        put(format!("h.{l}.attn.proj.weight"), &[c, c], proj);
        for (theirs, name, k, n) in [("c_fc", "fc", c, 4 * c), ("c_proj", "proj", 4 * c, c)] {
            let values = taker.take(&format!("h{l}/mlp/{theirs}/w"), &[k, n]);
            put(format!("h.{l}.mlp.{name}.weight"), &[k, n], values);
        }
    }
    let classes = taker.tensors.get("clf/wclf").and_then(|array| array.shape.first().copied());
    if let Some(classes) = classes {
        put("clf.weight".into(), &[classes, c], taker.take("clf/wclf", &[classes, c]));
    }
    taker.finish(path)?;
    Ok(OpenAiNetwork { config, objective, classes, tensors: ours })
}

/// A matrix `[C, C]` whose first dimension may be split into heads.
fn square(taker: &mut Taker, name: &str, c: usize) -> Option<Vec<f32>> {
    if let Some(Tensor { shape, .. }) = taker.tensors.get_mut(name)
        && let [heads, width, last] = shape[..]
        && (heads.checked_mul(width), last) == (Some(c), c)
    {
        *shape = vec![c, c];
    }
    taker.take(name, &[c, c])
}

/// `[C, 3C]` from the transposes of three matrices `[C, C]`.
fn side_by_side(parts: [&[f32]; 3], c: usize) -> Vec<f32> {
    let mut joined = Vec::with_capacity(3 * c * c);
    for input in 0..c {
        for part in parts {
            joined.extend((0..c).map(|output| part[output * c + input]));
        }
    }
    joined
}

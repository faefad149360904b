//! Maps tensors between our names and those of Hugging Face's ImageGPT.
//!
//! Theirs differ from ours in three ways: the start vector is the last row of the token embeddings, every
//! linear layer has a bias (zero in the released weights), and names are longer. Both store weights of
//! linear layers as `[in, out]` and the output head as `[out, in]`.

use std::path::Path;

use igpt_model::{GptConfig, NamedTensor};

use crate::error::ReleasedError;
use crate::taker::Taker;
use crate::tensors::{Tensor, Tensors, is_buffer};

/// A tensor under both names.
struct NamePair {
    theirs: String,
    ours: String,
    shape: Vec<usize>,
}

/// The token embeddings, with the start vector as the last row.
const EMBEDDINGS: &str = "transformer.wte.weight";
/// The output head.
const LM_HEAD: &str = "lm_head.weight";
/// The class head.
const SCORE: &str = "score.weight";

/// Every tensor but the token embeddings and the class head: weights, and biases of linear layers.
fn pairs(config: &GptConfig) -> (Vec<NamePair>, Vec<NamePair>) {
    let c = config.n_embd;
    let pair =
        |theirs: String, ours: String, shape: &[usize]| NamePair { theirs, ours, shape: shape.to_vec() };
    let mut weights = vec![
        pair("transformer.wpe.weight".into(), "wpe".into(), &[config.n_positions, c]),
        pair("transformer.ln_f.weight".into(), "ln_f.weight".into(), &[c]),
        pair(LM_HEAD.into(), "head.weight".into(), &[config.vocab, c]),
    ];
    let mut biases = Vec::new();
    for l in 0..config.n_layer {
        for norm in ["ln_1", "ln_2"] {
            let name = format!("h.{l}.{norm}.weight");
            weights.push(pair(format!("transformer.{name}"), name, &[c]));
        }
        for (theirs, ours, k, n) in [
            ("attn.c_attn", "attn.qkv", c, 3 * c),
            ("attn.c_proj", "attn.proj", c, c),
            ("mlp.c_fc", "mlp.fc", c, 4 * c),
            ("mlp.c_proj", "mlp.proj", 4 * c, c),
        ] {
            let (theirs, ours) = (format!("transformer.h.{l}.{theirs}"), format!("h.{l}.{ours}"));
            weights.push(pair(format!("{theirs}.weight"), format!("{ours}.weight"), &[k, n]));
            biases.push(pair(format!("{theirs}.bias"), format!("{ours}.bias"), &[n]));
        }
    }
    (weights, biases)
}

/// A network's tensors in our names.
pub(crate) struct TheirTensors {
    pub(crate) tensors: Vec<NamedTensor>,
    /// The number of classes of the class head, if there is one.
    pub(crate) classes: Option<usize>,
    /// Whether the output head is missing, so that ours is zero.
    pub(crate) headless: bool,
}

/// Converts their tensors to ours. A network whose biases are all zero has none, unless `config.biases`
/// says otherwise.
///
/// # Errors
/// Every tensor that is missing, unexpected or of another shape.
pub(crate) fn from_theirs(
    path: &Path,
    mut theirs: Tensors,
    config: &mut GptConfig,
) -> Result<TheirTensors, ReleasedError> {
    theirs.retain(|name, _| !is_buffer(name));
    // A bare `ImageGPTModel` has no `transformer.` in its names.
    if !theirs.keys().any(|name| name.starts_with("transformer.")) {
        theirs = theirs.into_iter().map(|(name, array)| (format!("transformer.{name}"), array)).collect();
    }
    // Features and fine-tuning need no output head.
    let headless = !theirs.contains_key(LM_HEAD);
    if headless {
        theirs.insert(
            LM_HEAD.to_owned(),
            Tensor {
                shape: vec![config.vocab, config.n_embd],
                values: vec![0.0; config.vocab * config.n_embd],
            },
        );
    }
    let mut taker = Taker::new(theirs);
    let c = config.n_embd;
    let (weights, biases) = pairs(config);
    let mut ours = Vec::new();
    for NamePair { theirs, ours: name, shape } in weights {
        ours.extend(taker.take(&theirs, &shape).map(|values| NamedTensor { name, shape, values }));
    }
    let mut bias_tensors = Vec::new();
    for NamePair { theirs, ours: name, shape } in biases {
        bias_tensors.extend(taker.take(&theirs, &shape).map(|values| NamedTensor { name, shape, values }));
    }
    if let Some(mut wte) = taker.take(EMBEDDINGS, &[config.vocab + 1, c]) {
        let sos = wte.split_off(config.vocab * c);
        ours.push(NamedTensor { name: "wte".to_owned(), shape: vec![config.vocab, c], values: wte });
        ours.push(NamedTensor { name: "sos".to_owned(), shape: vec![c], values: sos });
    }
    let classes = taker.tensors.get(SCORE).and_then(|score| score.shape.first().copied());
    if let Some(classes) = classes {
        let values = taker.take(SCORE, &[classes, c]);
        ours.extend(values.map(|values| NamedTensor {
            name: "clf.weight".to_owned(),
            shape: vec![classes, c],
            values,
        }));
    }
    taker.finish(path)?;
    if config.biases.is_none() && bias_tensors.iter().any(|bias| bias.values.iter().any(|v| *v != 0.0)) {
        config.biases = Some(true);
    }
    if config.linear_biases() {
        ours.extend(bias_tensors);
    }
    Ok(TheirTensors { tensors: ours, classes, headless })
}

/// Converts our tensors to theirs; missing biases are zero, a tied head is written out.
pub(crate) fn to_theirs(config: &GptConfig, ours: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let mut ours: Tensors = ours
        .into_iter()
        .map(|tensor| (tensor.name, Tensor { shape: tensor.shape, values: tensor.values }))
        .collect();
    if config.tied
        && let Some(wte) = ours.get("wte").cloned()
    {
        ours.insert("head.weight".to_owned(), wte);
    }
    let (weights, biases) = pairs(config);
    let mut theirs = Vec::new();
    for NamePair { theirs: name, ours: own, shape } in weights.into_iter().chain(biases) {
        let values =
            ours.remove(&own).map_or_else(|| vec![0.0; shape.iter().product()], |array| array.values);
        theirs.push(NamedTensor { name, shape, values });
    }
    let mut rows = |name: &str| ours.remove(name).map(|array| array.values).unwrap_or_default();
    let mut embeddings = rows("wte");
    embeddings.extend(rows("sos"));
    let shape = vec![config.vocab + 1, config.n_embd];
    theirs.push(NamedTensor { name: EMBEDDINGS.to_owned(), shape, values: embeddings });
    if let Some(score) = ours.remove("clf.weight") {
        theirs.push(NamedTensor { name: SCORE.to_owned(), shape: score.shape, values: score.values });
    }
    theirs
}

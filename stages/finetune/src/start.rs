//! The network that fine-tuning starts from: pre-trained or random weights, and a new class head.

use std::path::Path;

use burn::tensor::Device;
use igpt_contract::{LabelledInput, StageContext, StageError, best_layer};
use igpt_dataset::TokensInfo;
use igpt_model::{Gpt, ModelCard, ModelError, Ops, assign_parameters, input_model, named_parameters};
use rand_distr::{Distribution as _, StandardNormal};

use crate::params::Params;

/// The metric of the probes that decides which layer is the best.
pub(crate) const BEST_BY: &str = "accuracy.valid";

/// The start of a fine-tuning.
pub(crate) struct Start {
    /// The network with its new class head.
    pub(crate) gpt: Gpt,
    /// The description of the network.
    pub(crate) card: ModelCard,
    /// The layer that the class head reads.
    pub(crate) layer: usize,
    /// How that layer was chosen.
    pub(crate) chosen: LayerChoice,
}

/// How the layer of the class head is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerChoice {
    /// The last layer, by default.
    Last,
    /// The parameter `head_layer`.
    Given,
    /// The best of the probes by validation accuracy (section 4.5).
    Best,
}

impl LayerChoice {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last layer",
            Self::Given => "given layer",
            Self::Best => "best layer",
        }
    }
}

/// The layer that parameters or probes choose; none is the last.
pub(crate) fn head(
    params: &Params,
    probes: &[LabelledInput],
) -> Result<Option<(usize, LayerChoice)>, StageError> {
    match (params.head_layer, probes) {
        (None, []) | (Some(-1), []) => Ok(None),
        (Some(layer), []) => Ok(usize::try_from(layer).ok().map(|layer| (layer, LayerChoice::Given))),
        (None, probes) => Ok(Some((best_layer(probes, BEST_BY, false)?.layer, LayerChoice::Best))),
        (Some(layer), _) => {
            let what = format!("`head_layer` is {layer}, but the input `probes` chooses the layer");
            Err(StageError::new(what).hint("remove one of them"))
        }
    }
}

/// The network on `device`: that of the folder `model`, which must belong to the tokens, or else one
/// with random weights. Its class head is new, on the layer `head`.
pub(crate) fn start(
    params: &Params,
    model: Option<&Path>,
    head: Option<(usize, LayerChoice)>,
    tokens: &TokensInfo,
    device: &Device,
    cx: &StageContext,
) -> Result<Start, StageError> {
    let TokensInfo { palette, height, width, vocab, ref classes, .. } = *tokens;
    let (gpt, card) = match model {
        Some(folder) => {
            for (name, given) in
                [("model", params.model.is_some()), ("objective", params.objective.is_some())]
            {
                if given {
                    let what = format!("the parameter `{name}` cannot be combined with the input `model`");
                    return Err(StageError::new(what).hint("remove one of them"));
                }
            }
            let (gpt, card) = input_model(folder, device)?;
            card.check_tokens(palette, height, width, vocab)?;
            (gpt, card)
        }
        None => {
            let config = params
                .model
                .clone()
                .unwrap_or_default()
                .config(height * width, vocab)
                .map_err(|error| StageError::caused("the parameter `model` is not valid", error))?;
            let objective = params.objective.unwrap_or_default();
            let card =
                ModelCard { palette, seed: cx.seed(), ..ModelCard::new(&config, objective, height, width) };
            (Gpt::init(&config, &mut cx.stream("init"), device), card)
        }
    };
    let n_layer = card.config.n_layer;
    let (layer, chosen) = head.unwrap_or((n_layer, LayerChoice::Last));
    if layer > n_layer {
        let what = match chosen {
            LayerChoice::Best => format!("the best of the `probes` is layer {layer}"),
            _ => no_layer(layer, n_layer),
        };
        return Err(StageError::new(what).hint(format!("the network has layers 0 to {n_layer}")));
    }
    let ops = Ops::with(device, params.precision)
        .map_err(|error| StageError::caused("the device does not support `precision`", error))?;
    let mut gpt = gpt.with_ops(ops).with_class_head(classes.len(), layer);
    if !params.zero_head {
        gpt = random_head(gpt, cx)
            .map_err(|error| StageError::caused("the class head cannot be initialised", error))?;
    }
    Ok(Start { gpt, card, layer, chosen })
}

/// The error for a `head_layer` that the network does not have.
pub(crate) fn no_layer(layer: impl std::fmt::Display, n_layer: usize) -> String {
    format!("`head_layer` is {layer}, expected -1 or a layer from 0 to {n_layer}")
}

/// The network with normal weights of standard deviation 0.02 in its class head, as GPT-2 has them
/// elsewhere.
fn random_head(gpt: Gpt, cx: &StageContext) -> Result<Gpt, ModelError> {
    let mut random = cx.stream("class head");
    let mut tensors = named_parameters(&gpt);
    for tensor in tensors.iter_mut().filter(|tensor| tensor.name == "clf.weight") {
        for value in &mut tensor.values {
            let normal: f64 = StandardNormal.sample(&mut random);
            *value = (0.02 * normal) as f32;
        }
    }
    Ok(assign_parameters(gpt, tensors)?)
}

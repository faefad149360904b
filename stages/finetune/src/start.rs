//! The weights that fine-tuning starts from: a checkpoint's, or random ones; and a new class head.

use std::path::Path;

use burn::tensor::Device;
use igpt_contract::{StageContext, StageError};
use igpt_dataset::TokensInfo;
use igpt_model::{Gpt, ModelCard, load_model};

use crate::params::Params;

/// The network on `device` and its card: that of the folder `model`, which must belong to the
/// tokens, or else one with random weights. Its class head is new, at zero.
pub(crate) fn start(
    params: &Params,
    model: Option<&Path>,
    tokens: &TokensInfo,
    device: &Device,
    cx: &StageContext,
) -> Result<(Gpt, ModelCard), StageError> {
    let TokensInfo { palette, height, width, vocab, ref classes, .. } = *tokens;
    let (gpt, card) = match model {
        Some(folder) => {
            for (name, given) in
                [("model", params.model.is_some()), ("objective", params.objective.is_some())]
            {
                if given {
                    let what = format!("the parameter `{name}` has no meaning beside the input `model`");
                    return Err(StageError::new(what).hint("leave one of them out"));
                }
            }
            let (gpt, card) = load_model(folder, device)
                .map_err(|error| StageError::caused("the input `model` cannot be used", error))?;
            card.check_tokens(palette, height, width, vocab)
                .map_err(|error| StageError::new(error.to_string()))?;
            (gpt, card)
        }
        None => {
            let config = params
                .model
                .clone()
                .unwrap_or_default()
                .config(height * width, vocab)
                .map_err(|error| StageError::caused("the parameters describe no network", error))?;
            let objective = params.objective.unwrap_or_default();
            let card =
                ModelCard { palette, seed: cx.seed(), ..ModelCard::new(&config, objective, height, width) };
            (Gpt::init(&config, &mut cx.stream("init"), device), card)
        }
    };
    let n_layer = card.config.n_layer;
    let layer = usize::try_from(params.head_layer).unwrap_or(n_layer);
    if layer > n_layer {
        let what = format!("`head_layer` is {layer}, expected -1 or a layer from 0 to {n_layer}");
        return Err(StageError::new(what));
    }
    Ok((gpt.with_class_head(classes.len(), layer), card))
}

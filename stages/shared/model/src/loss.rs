//! What the network is trained on, in nats: the two objectives of the paper (section 2.1) and the
//! classification loss of fine-tuning (section 2.4).

use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops::Ops;

/// How the BERT losses of masked positions are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BertReduction {
    /// The mean over an image's masked positions, then the mean over images: the released code.
    #[default]
    Mean,
    /// The sum over an image's masked positions, then the mean over images: the paper's formula
    /// (section 2.1).
    Sum,
}

/// The negative log-likelihood of each token: `logits` `[B,T,V]` and `tokens` `[B,T]` to `[B,T]`, nats.
pub fn token_nll(logits: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
    token_nll_with(Ops::of(&logits.device()), logits, tokens)
}

/// [`token_nll`] by a chosen implementation.
pub fn token_nll_with(ops: Ops, logits: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
    let [b, t, v] = logits.dims();
    let nll = ops.cross_entropy(logits.reshape([b * t, v]), tokens.reshape([b * t]));
    nll.reshape([b, t])
}

/// The autoregressive loss: mean nats a token of [`token_nll`] `[B,T]`.
pub fn autoregressive(nll: Tensor<2>) -> Tensor<1> {
    nll.mean()
}

/// The BERT loss of [`token_nll`] `[B,T]` at the positions where `masked` `[B,T]` is 1. An image
/// without a masked position counts as loss 0.
pub fn bert(nll: Tensor<2>, masked: Tensor<2>, reduction: BertReduction) -> Tensor<1> {
    let sum = (nll * masked.clone()).sum_dim(1); // [B,1]
    match reduction {
        BertReduction::Sum => sum.mean(),
        BertReduction::Mean => (sum / masked.sum_dim(1).clamp_min(1.0)).mean(),
    }
}

/// The mean cross entropy of `class_logits` `[B,K]` against `labels` `[B]`, nats.
pub fn classification(class_logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    Ops::of(&class_logits.device()).cross_entropy(class_logits, labels).mean()
}

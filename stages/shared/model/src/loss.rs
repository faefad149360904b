//! What the network is trained on, in nats: the two objectives of the paper (section 2.1) and the
//! classification loss of fine-tuning (section 2.3).

use burn::tensor::{Int, Tensor};
use igpt_contract::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops::Ops;

/// How the BERT losses of masked positions are reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BertReduction {
    /// The mean over an image's masked positions, then the mean over the images that have any: the
    /// released code.
    #[default]
    Mean,
    /// The sum over an image's masked positions, then the mean over all images: the paper's formula
    /// (section 2.1). An image without a masked position contributes 0, as in the formula.
    Sum,
}

impl BertReduction {
    /// How many images of `mask` (rows of `positions`, 1 where masked) the loss is a mean over.
    pub fn images(self, mask: &[f32], positions: usize) -> usize {
        let rows = mask.chunks(positions.max(1));
        match self {
            Self::Mean => rows.filter(|row| row.iter().any(|masked| *masked > 0.0)).count(),
            Self::Sum => rows.count(),
        }
    }
}

/// Refuses a mask over a whole batch that hides nothing: there is nothing to predict, and a loss of 0
/// would be no measurement. `what` says where: `step 3`.
///
/// # Errors
/// If nothing is masked.
pub fn check_mask(mask: &[f32], positions: usize, what: &str) -> Result<(), StageError> {
    if mask.iter().any(|masked| *masked > 0.0) {
        return Ok(());
    }
    let images = mask.len() / positions.max(1);
    let found = format!("{what}: none of the {positions} tokens of each of {images} images is masked");
    Err(StageError::new(found)
        .hint("raise `mask_probability`, take a larger `batch`, or images of more pixels"))
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

/// The autoregressive loss: the mean of [`token_nll`] `[B,T]`, in nats/token.
pub fn autoregressive(nll: Tensor<2>) -> Tensor<1> {
    nll.mean()
}

/// The BERT loss of [`token_nll`] `[B,T]` at the positions where `masked` `[B,T]` is 1; `images` are
/// those that it is a mean over, see [`BertReduction::images`]. 0 where there are none of these.
pub fn bert(nll: Tensor<2>, masked: Tensor<2>, reduction: BertReduction, images: usize) -> Tensor<1> {
    let rows = nll.dims()[0];
    let sum = (nll * masked.clone()).sum_dim(1); // [B,1]
    let mean = match reduction {
        BertReduction::Sum => sum.mean(),
        // An image without a masked position adds 0 here, and is taken out of the mean below.
        BertReduction::Mean => (sum / masked.sum_dim(1).clamp_min(1.0)).mean(),
    };
    if images == rows || images == 0 { mean } else { mean * (rows as f64 / images as f64) }
}

/// The mean cross entropy of `class_logits` `[B,K]` against `labels` `[B]`, nats.
pub fn classification(class_logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    Ops::of(&class_logits.device()).cross_entropy(class_logits, labels).mean()
}

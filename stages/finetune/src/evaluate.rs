//! Evaluates a network with a class head on held-out or test images.

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError, Stream};
use igpt_model::{Gpt, Input, Objective, bert_mask};

use crate::images::Images;

/// Images per forward pass. Fixed: a matrix product may round differently with other sizes, so it
/// must not be a parameter outside the cache key.
const BATCH: usize = 64;

/// The predictions on some rows, in their order, and their scores.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// ln p of each class, row by row.
    pub(crate) log_probs: Vec<f64>,
    /// The share of rows whose class was predicted.
    pub(crate) accuracy: f64,
    /// The mean cross entropy, nats.
    pub(crate) loss: f64,
}

/// The settings of evaluation.
#[derive(Debug)]
pub(crate) struct Evaluator {
    objective: Objective,
    /// The share of tokens masked for a BERT network.
    mask_probability: f64,
    /// The random stream of the masks.
    masks: Stream,
    /// The device, without automatic differentiation.
    device: Device,
}

impl Evaluator {
    pub(crate) fn new(
        objective: Objective,
        mask_probability: f64,
        cx: &StageContext,
        device: Device,
    ) -> Self {
        Self { objective, mask_probability, masks: cx.stream("evaluation masks"), device }
    }

    /// Evaluates `gpt` (without automatic differentiation) on `rows`, for a BERT network under one draw
    /// of the masks.
    pub(crate) fn evaluate(
        &self,
        gpt: &Gpt,
        images: &Images,
        rows: &[usize],
        draw: usize,
        cx: &StageContext,
    ) -> Result<Evaluation, StageError> {
        let classes = images.classes();
        let mut evaluation = Evaluation { log_probs: Vec::new(), accuracy: 0.0, loss: 0.0 };
        for batch in rows.chunks(BATCH) {
            cx.check()?;
            let log_probs = self.log_probs(gpt, images, batch, draw)?;
            for (row, of_row) in batch.iter().zip(log_probs.chunks_exact(classes)) {
                let label = images.label(*row);
                evaluation.accuracy += f64::from(u8::from(largest(of_row) == label));
                evaluation.loss -= of_row[label];
            }
            evaluation.log_probs.extend(log_probs);
        }
        let n = rows.len().max(1) as f64;
        evaluation.accuracy /= n;
        evaluation.loss /= n;
        Ok(evaluation)
    }

    /// ln p of each class [rows x classes] under one draw of the masks.
    fn log_probs(
        &self,
        gpt: &Gpt,
        images: &Images,
        rows: &[usize],
        draw: usize,
    ) -> Result<Vec<f64>, StageError> {
        let positions = images.positions();
        let tokens = images.tokens(rows.iter().copied())?;
        let input = match self.objective {
            Objective::Autoregressive => Input::Autoregressive,
            Objective::Bert => {
                let mask = |row: &usize| {
                    let index = (draw as u64) << 48 | *row as u64;
                    bert_mask(&self.masks, index, positions, self.mask_probability)
                };
                let masks: Vec<f32> = rows.iter().flat_map(mask).collect();
                Input::Bert(Tensor::from_data(TensorData::new(masks, [rows.len(), positions]), &self.device))
            }
        };
        let logits = gpt.class_logits(token_tensor(&tokens, positions, &self.device), &input, None);
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        Ok(logits.chunks_exact(images.classes()).flat_map(log_softmax).collect())
    }
}

/// Tokens of whole images as a tensor [B,T].
pub(crate) fn token_tensor(tokens: &[u16], positions: usize, device: &Device) -> Tensor<2, Int> {
    let values: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
    Tensor::from_data(TensorData::new(values, [tokens.len() / positions, positions]), device)
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, x| max.max(*x));
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    logits.iter().map(|x| f64::from(x - max) - sum.ln()).collect()
}

/// The index of the first largest value.
fn largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_of_equals_the_first_is_named() {
        let log_probs = log_softmax(&[0.5, 2.0, 2.0]);
        let sum: f64 = log_probs.iter().map(|x| x.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        assert_eq!(largest(&log_probs), 1);
    }
}

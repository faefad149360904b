//! What a network with a class head says of images it is not trained on.

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError, Stream};
use igpt_model::{Gpt, Input, Objective, bert_mask};
use rand::Rng as _;

use crate::images::Images;

/// Images in a forward pass. Fixed: a product of matrices may round differently with other sizes,
/// so it must not be a parameter that stays outside the key.
const BATCH: usize = 64;

/// The verdicts on some rows, in their order.
#[derive(Debug)]
pub(crate) struct Verdicts {
    /// The class that was named.
    pub(crate) predicted: Vec<usize>,
    /// ln p of each class, row by row: the mean of the probabilities over the masks, where there
    /// are several.
    pub(crate) log_probs: Vec<f64>,
    /// The share of the rows whose class was named.
    pub(crate) accuracy: f64,
    /// The mean cross entropy, nats.
    pub(crate) loss: f64,
}

/// How a network is shown images that it is not trained on.
#[derive(Debug)]
pub(crate) struct Showing {
    objective: Objective,
    /// The share of tokens hidden from a BERT network.
    mask_probability: f64,
    /// Where those masks come from.
    masks: Stream,
    /// Where ties between masks are broken.
    ties: Stream,
    /// The device, without automatic differentiation.
    device: Device,
}

impl Showing {
    pub(crate) fn new(
        objective: Objective,
        mask_probability: f64,
        cx: &StageContext,
        device: Device,
    ) -> Self {
        let (masks, ties) = (cx.stream("evaluation masks"), cx.stream("evaluation ties"));
        Self { objective, mask_probability, masks, ties, device }
    }

    /// The verdicts of `gpt` (without automatic differentiation) on `rows`, under `n_masks` masks
    /// each for a BERT network.
    pub(crate) fn judge(
        &self,
        gpt: &Gpt,
        images: &Images,
        rows: &[usize],
        n_masks: usize,
        cx: &StageContext,
    ) -> Result<Verdicts, StageError> {
        let classes = images.classes();
        let n_masks = if self.objective == Objective::Bert { n_masks } else { 1 };
        let mut verdicts = Verdicts {
            predicted: Vec::with_capacity(rows.len()),
            log_probs: Vec::with_capacity(rows.len() * classes),
            accuracy: 0.0,
            loss: 0.0,
        };
        for batch in rows.chunks(BATCH) {
            cx.check()?;
            let passes =
                (0..n_masks).map(|draw| self.log_probs(gpt, images, batch, draw)).collect::<Vec<_>>();
            for (i, row) in batch.iter().enumerate() {
                let of_row = |pass: &Vec<f64>| pass[i * classes..][..classes].to_vec();
                let (predicted, log_probs) = self.vote(*row, passes.iter().map(of_row).collect());
                let label = images.label(*row);
                verdicts.accuracy += f64::from(u8::from(predicted == label));
                verdicts.loss -= log_probs[label];
                verdicts.predicted.push(predicted);
                verdicts.log_probs.extend(log_probs);
            }
        }
        let n = rows.len().max(1) as f64;
        verdicts.accuracy /= n;
        verdicts.loss /= n;
        Ok(verdicts)
    }

    /// ln p of each class [rows x classes] under one draw of the masks.
    fn log_probs(&self, gpt: &Gpt, images: &Images, rows: &[usize], draw: usize) -> Vec<f64> {
        let positions = images.positions();
        let tokens: Vec<u16> = rows.iter().flat_map(|row| images.tokens(*row)).copied().collect();
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
        logits.chunks_exact(images.classes()).flat_map(log_softmax).collect()
    }

    /// The class that most masks name (ties broken by a draw) and the logarithm of the mean
    /// probability.
    fn vote(&self, row: usize, passes: Vec<Vec<f64>>) -> (usize, Vec<f64>) {
        let classes = passes[0].len();
        let mut votes = vec![0u32; classes];
        passes.iter().for_each(|log_probs| votes[largest(log_probs)] += 1);
        let most = votes.iter().copied().max().unwrap_or_default();
        let tied: Vec<usize> = (0..classes).filter(|class| votes[*class] == most).collect();
        let predicted = match tied[..] {
            [one] => one,
            _ => {
                let mut random = self.ties.clone();
                random.set_stream(row as u64);
                tied[(random.next_u32() as usize) % tied.len()]
            }
        };
        let n = passes.len() as f64;
        let log_mean = |class: usize| match &passes[..] {
            [one] => one[class],
            several => (several.iter().map(|pass| pass[class].exp()).sum::<f64>() / n).ln(),
        };
        (predicted, (0..classes).map(log_mean).collect())
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

/// The place of the first largest value.
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
    use igpt_contract::stream;

    fn showing() -> Showing {
        let objective = Objective::Bert;
        let (masks, ties) = (stream(0, "masks"), stream(0, "ties"));
        Showing { objective, mask_probability: 0.15, masks, ties, device: Device::flex() }
    }

    fn naming(class: usize) -> Vec<f64> {
        log_softmax(&(0..3).map(|c| if c == class { 2.0 } else { 0.0 }).collect::<Vec<f32>>())
    }

    #[test]
    fn most_masks_decide_and_ties_are_drawn_among_the_tied() {
        assert_eq!(showing().vote(0, vec![naming(2), naming(1), naming(2)]).0, 2);
        let drawn: Vec<usize> =
            (0..64).map(|row| showing().vote(row, vec![naming(0), naming(2)]).0).collect();
        assert!(drawn.contains(&0) && drawn.contains(&2) && !drawn.contains(&1), "{drawn:?}");
    }

    #[test]
    fn probabilities_sum_to_one() {
        let (_, log_probs) = showing().vote(0, vec![naming(0), naming(2)]);
        let sum: f64 = log_probs.iter().map(|x| x.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        assert!((log_probs[0] - log_probs[2]).abs() < 1e-12);
    }
}

//! How much memory a network takes: what a step claims before anything runs.
//!
//! The factors are fitted to the measured peaks of docs/performance.md, from 420 MiB on a processor to 68 GiB
//! on a GPU, and lie from 4 % below to 17 % above them.

use igpt_contract::{Known, Memory, Shape};

use crate::ops::Precision;

/// Colours, where a network's are not known: the paper's 512 (section 3.2).
const COLOURS: f64 = 512.0;
/// Bytes of a 32-bit float.
const F32: f64 = 4.0;
/// Copies of the weights in training, in bytes of each: weights, gradients, Adam's two moments.
const TRAINED: f64 = 4.0 * F32;
/// What a block keeps for the backward pass in 32 bits, in numbers of its width for each token: the residual stream before
/// each branch, queries, keys and values, what attention yields, what the activation is given (4); 10 in all, and 2 for what
/// the backward pass has at a time.
const KEPT: f64 = 12.0;
/// The same with bfloat16 inside blocks, where a GPU's kernels keep the norms' results, too: 14, and the residual stream
/// in 32 bits.
const KEPT_HALF: f64 = 14.0;
/// What a block needs at a time without a backward pass, in the same unit.
const TRANSIENT: f64 = 16.0;

/// A training step: how many images are computed at a time, and how.
#[derive(Debug, Clone, Copy)]
pub struct TrainingStep {
    /// Images of a step.
    pub batch: usize,
    /// The parts of it that are computed one after another.
    pub parts: usize,
    /// The precision inside blocks.
    pub precision: Precision,
    /// Whether blocks are computed again for their gradients.
    pub recompute: bool,
}

/// Tokens in memory, in bytes: all of a set, two bytes each, or as much as is allowed where it is larger.
pub fn tokens(set: Shape, most_mib: u64) -> f64 {
    set.bytes(2.0).min(most_mib as f64 * 1024.0 * 1024.0)
}

/// The weights of what is known of a network, in 32-bit floats, in bytes.
pub fn weights(network: &Known) -> Option<f64> {
    let (layers, d, n) = sizes(network)?;
    Some(F32 * (12.0 * layers * d * d + d * (n + 2.0 * COLOURS)))
}

/// Training: weights, gradients, moments, and what the backward pass needs of a micro-batch, in bytes.
pub fn training(network: &Known, step: TrainingStep) -> Option<f64> {
    // The gradients of several parts are summed up in a copy of their own.
    let trained = if step.parts > 1 { TRAINED + F32 } else { TRAINED };
    Some(weights(network)? / F32 * trained + activations(network, step)?)
}

/// What the backward pass needs of a micro-batch, in bytes.
pub fn activations(network: &Known, step: TrainingStep) -> Option<f64> {
    let (layers, d, n) = sizes(network)?;
    let tokens = step.batch.div_ceil(step.parts.max(1)) as f64 * n;
    let of_token = match step.precision {
        Precision::F32 => KEPT * F32,
        Precision::Bf16 => KEPT_HALF * F32 / 2.0 + 2.0 * F32,
    };
    let block = tokens * d * of_token;
    let blocks = match step.recompute {
        false => layers * block,
        // The input of each, and one block with what it is computed from.
        true => layers * tokens * d * F32 + 2.0 * block,
    };
    Some(blocks + 2.0 * logits(tokens))
}

/// A training with its checkpoints, as a step's claim, from the bytes of its tokens and weights and of what it
/// computes with. While a checkpoint is written, weights and moments lie in the machine's memory twice: as tensors
/// and as the bytes of the file. On the processor this is measured at less than 8 times the weights in all.
pub fn with_checkpoints(tokens: f64, weights: f64, computes: f64) -> Memory {
    let processor = (weights + computes).max(8.0 * weights);
    Memory::of_bytes(tokens + processor, tokens + 2.0 * 3.0 * weights, computes)
}

/// A step that only computes with a network, so many images at a time, as its claim; from the bytes of the tokens that it
/// holds. The weights lie in the machine's memory once as they are read and once as they are used.
pub fn of_inference(tokens: f64, network: &Known, images: usize) -> Option<Memory> {
    let (weights, computes) = (weights(network)?, inference(network, images)?);
    Some(Memory::of_bytes(tokens + weights + computes, tokens + 2.0 * weights, computes))
}

/// A forward pass over so many images at a time: weights, and what a block needs, in bytes.
pub fn inference(network: &Known, images: usize) -> Option<f64> {
    let (_, d, n) = sizes(network)?;
    let tokens = images as f64 * n;
    Some(weights(network)? + tokens * d * TRANSIENT * F32 + logits(tokens))
}

fn logits(tokens: f64) -> f64 {
    tokens * COLOURS * F32
}

fn sizes(network: &Known) -> Option<(f64, f64, f64)> {
    Some((network.n_layer? as f64, network.shape.width? as f64, network.shape.positions? as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1024.0 * 1024.0;

    fn network(n_layer: usize, width: u64, positions: u64) -> Known {
        let shape = Shape { positions: Some(positions), width: Some(width), ..Shape::default() };
        Known::network(Some(n_layer)).shaped(shape)
    }

    fn step(batch: usize, parts: usize, precision: Precision, recompute: bool) -> TrainingStep {
        TrainingStep { batch, parts, precision, recompute }
    }

    #[test]
    fn estimates_are_near_what_was_measured() {
        let f32 = |batch| step(batch, 1, Precision::F32, false);
        let bf16 = |batch, parts, recompute| step(batch, parts, Precision::Bf16, recompute);
        // Measured peaks in MiB; those of processes hold some 40 MiB more than the training.
        for (network, step, measured) in [
            (network(8, 128, 256), f32(32), 420.0 - 40.0),
            (network(12, 256, 1024), f32(4), 737.0 - 40.0),
            (network(24, 512, 1024), bf16(128, 1, false), 58_743.0),
            (network(48, 1536, 1024), bf16(32, 2, false), 69_835.0),
            (network(48, 1536, 1024), bf16(32, 2, true), 32_081.0),
        ] {
            let ratio = training(&network, step).unwrap() / MIB / measured;
            assert!((0.95..1.2).contains(&ratio), "{ratio} of {measured} MiB");
        }
    }

    #[test]
    fn of_an_unknown_network_nothing_is_known() {
        assert_eq!(training(&Known::network(Some(8)), step(1, 1, Precision::F32, false)), None);
        assert_eq!(inference(&Known::network(None), 1), None);
        let small = network(8, 128, 64);
        assert!(inference(&small, 64) < training(&small, step(64, 1, Precision::F32, true)));
    }
}

//! Attention of one query over the keys and values of the positions before it, which are caches.

use crate::ops::kernel::{CHAINS, Width, weighted};
use crate::ops::simd::{exp, max, sum, vectorised};

/// Positions whose scores are computed together; room for keys is a multiple of it.
const POSITIONS: usize = 64;
/// Room for a value is a multiple of so many channels.
const CHANNELS: usize = 16;

/// The keys and values of one head of one image: keys `[T/64][C/H][64]`, so that scores of
/// neighbouring positions are computed side by side, values `[T][C/H]`; T and C/H rounded up.
#[derive(Debug, Clone)]
pub(crate) struct KeyValueCache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl KeyValueCache {
    /// Room for `positions` keys and values of `head` channels.
    pub(crate) fn new(positions: usize, head: usize) -> Self {
        let room = padded_positions(positions);
        Self { keys: vec![0.0; head * room], values: vec![0.0; room * head.next_multiple_of(CHANNELS)] }
    }

    /// Keeps the key and the value of the position `at`.
    pub(crate) fn push(&mut self, at: usize, key: &[f32], value: &[f32]) {
        let group = &mut self.keys[at / POSITIONS * POSITIONS * key.len()..];
        for (row, key) in group.as_chunks_mut::<POSITIONS>().0.iter_mut().zip(key) {
            row[at % POSITIONS] = *key;
        }
        let width = value.len().next_multiple_of(CHANNELS);
        self.values[at * width..][..value.len()].copy_from_slice(value);
    }

    /// What the query of the position `at` sees of all up to it. `scores` is room for
    /// [`padded_positions`] floats.
    pub(crate) fn attend(&self, at: usize, query: &[f32], scores: &mut [f32], out: &mut [f32]) {
        let (seen, width) = (at + 1, Width::of_processor());
        let groups = self.keys.chunks_exact(POSITIONS * query.len());
        for (scores, keys) in
            scores[..padded_positions(seen)].as_chunks_mut::<POSITIONS>().0.iter_mut().zip(groups)
        {
            let mut sums = [[[0f32; 16]; POSITIONS / 16]; 1];
            weighted(width, query, keys, POSITIONS, &mut sums);
            scores.copy_from_slice(sums[0].as_flattened());
        }
        let inverse = softmax(&mut scores[..seen], 1.0 / (query.len() as f32).sqrt());
        // The positions that fill up the last group weigh nothing.
        let filled = seen.next_multiple_of(CHAINS);
        scores[seen..filled].fill(0.0);
        let stride = query.len().next_multiple_of(CHANNELS);
        let weights = &scores[..filled];
        for (group, out) in out.chunks_mut(2 * CHANNELS).enumerate() {
            let values = &self.values[2 * CHANNELS * group..];
            if out.len() > CHANNELS {
                let mut sums = [[[0f32; 16]; 2]; CHAINS];
                weighted(width, weights, values, stride, &mut sums);
                gather(sums, inverse, out);
            } else {
                let mut sums = [[[0f32; 16]; 1]; CHAINS];
                weighted(width, weights, values, stride, &mut sums);
                gather(sums, inverse, out);
            }
        }
    }
}

/// The sum of the chains, times `scale`.
fn gather<const W: usize>(sums: [[[f32; 16]; W]; CHAINS], scale: f32, out: &mut [f32]) {
    let [a, b, c, d] = &sums;
    let (a, b, c, d) = (a.as_flattened(), b.as_flattened(), c.as_flattened(), d.as_flattened());
    for (i, out) in out.iter_mut().enumerate() {
        *out = ((a[i] + b[i]) + (c[i] + d[i])) * scale;
    }
}

/// Positions rounded up to whole groups.
pub(crate) fn padded_positions(positions: usize) -> usize {
    positions.next_multiple_of(POSITIONS)
}

vectorised! {
    /// Scores to weights; returns the reciprocal of their sum.
    fn softmax(scores: &mut [f32], scale: f32) -> f32 {
        let highest = max(scores) * scale;
        for v in scores.iter_mut() {
            *v = exp(v.mul_add(scale, -highest));
        }
        1.0 / sum(scores)
    }
}

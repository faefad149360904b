//! Attention of one query over the keys and values of the positions before it, which are kept.

use crate::ops::simd::{exp, max, sum, vectorised};

/// Positions whose scores are computed together; room for keys is a multiple of it.
const POSITIONS: usize = 64;
/// Channels of a value that are summed together; room for a value is a multiple of it.
const CHANNELS: usize = 16;
/// Partial sums over positions.
const LANES: usize = 4;

/// The keys and values of one head of one image: keys `[C/H][T]`, so that scores of neighbouring
/// positions are computed side by side, values `[T][C/H]`; T and C/H rounded up.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Kept {
    /// Room for `positions` keys and values of `head` channels.
    pub(crate) fn new(positions: usize, head: usize) -> Self {
        let room = padded_positions(positions);
        Self { keys: vec![0.0; head * room], values: vec![0.0; room * head.next_multiple_of(CHANNELS)] }
    }

    /// Keeps the key and the value of the position `at`.
    pub(crate) fn push(&mut self, at: usize, key: &[f32], value: &[f32]) {
        let room = self.keys.len() / key.len();
        for (row, key) in self.keys.chunks_exact_mut(room).zip(key) {
            row[at] = *key;
        }
        let width = value.len().next_multiple_of(CHANNELS);
        self.values[at * width..][..value.len()].copy_from_slice(value);
    }

    /// What the query of the position `at` sees of all up to it. `scores` is room for
    /// [`padded_positions`] floats.
    pub(crate) fn attend(&self, at: usize, query: &[f32], scores: &mut [f32], out: &mut [f32]) {
        attend(&self.keys, &self.values, at + 1, query, scores, out);
    }
}

/// Positions rounded up to whole groups.
pub(crate) fn padded_positions(positions: usize) -> usize {
    positions.next_multiple_of(POSITIONS)
}

vectorised! {
    fn attend(keys: &[f32], values: &[f32], seen: usize, query: &[f32], scores: &mut [f32], out: &mut [f32]) {
        let room = scores.len();
        let scale = 1.0 / (query.len() as f32).sqrt();
        let used = seen.next_multiple_of(POSITIONS);
        for first in (0..used).step_by(POSITIONS) {
            let mut sums = [0f32; POSITIONS];
            for (row, q) in keys.chunks_exact(room).zip(query) {
                let row = &row[first..first + POSITIONS];
                for i in 0..POSITIONS {
                    sums[i] = q.mul_add(row[i], sums[i]);
                }
            }
            scores[first..first + POSITIONS].copy_from_slice(&sums);
        }
        let highest = max(&scores[..seen]) * scale;
        for v in scores[..seen].iter_mut() {
            *v = exp(v.mul_add(scale, -highest));
        }
        let inverse = 1.0 / sum(&scores[..seen]);
        // The positions that fill up the last group weigh nothing.
        let filled = seen.next_multiple_of(LANES);
        scores[seen..filled].fill(0.0);
        let width = query.len().next_multiple_of(CHANNELS);
        for (group, out) in out.chunks_mut(CHANNELS).enumerate() {
            let mut lanes = [[0f32; CHANNELS]; LANES];
            let rows = values.chunks_exact(LANES * width);
            for (scores, rows) in scores[..filled].as_chunks::<LANES>().0.iter().zip(rows) {
                for (lane, sums) in lanes.iter_mut().enumerate() {
                    let value = &rows[lane * width + group * CHANNELS..][..CHANNELS];
                    for i in 0..CHANNELS {
                        sums[i] = scores[lane].mul_add(value[i], sums[i]);
                    }
                }
            }
            let [a, b, c, d] = lanes;
            for (i, out) in out.iter_mut().enumerate() {
                *out = ((a[i] + b[i]) + (c[i] + d[i])) * inverse;
            }
        }
    }
}

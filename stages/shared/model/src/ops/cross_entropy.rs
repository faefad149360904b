//! Cross entropy of rows of logits against target indices, without ever storing probabilities.

use crate::ops::parallel::{chunk_rows, fill, fill_pair};
use crate::ops::simd::{exp, max, vectorised};

vectorised! {
    fn forward_rows(logits: &[f32], targets: &[u32], nll: &mut [f32], lse: &mut [f32]) {
        let v = logits.len() / targets.len();
        for (((row, target), nll), lse) in logits.chunks_exact(v).zip(targets).zip(nll).zip(lse) {
            let m = max(row);
            let mut lanes = [0f32; 16];
            let (chunks, rest) = row.as_chunks::<16>();
            for chunk in chunks {
                for i in 0..16 {
                    lanes[i] += exp(chunk[i] - m);
                }
            }
            let mut z = lanes.iter().sum::<f32>();
            for v in rest {
                z += exp(v - m);
            }
            *lse = m + z.ln();
            *nll = *lse - row[*target as usize];
        }
    }
}

vectorised! {
    fn backward_rows(logits: &[f32], targets: &[u32], lse: &[f32], dnll: &[f32], dlogits: &mut [f32]) {
        let v = logits.len() / targets.len();
        let rows = logits.chunks_exact(v).zip(dlogits.chunks_exact_mut(v));
        for ((((row, drow), target), lse), dnll) in rows.zip(targets).zip(lse).zip(dnll) {
            for (d, x) in drow.iter_mut().zip(row) {
                *d = exp(x - lse) * dnll;
            }
            drow[*target as usize] -= dnll;
        }
    }
}

/// `-log softmax(row)[target]` of each row of `logits`, and log sum exp of each row for the backward
/// pass. Targets are below the rows' length.
pub(super) fn forward(logits: &[f32], targets: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let n = targets.len();
    let v = logits.len() / n.max(1);
    let chunk = chunk_rows(v);
    fill_pair((n, chunk), (n, chunk), |i, nll, lse, _| {
        let first = i * chunk;
        let rows = nll.len();
        forward_rows(&logits[first * v..][..rows * v], &targets[first..][..rows], nll, lse);
    })
}

/// The gradient of the logits from that of each row's loss.
pub(super) fn backward(logits: &[f32], targets: &[u32], lse: &[f32], dnll: &[f32]) -> Vec<f32> {
    let v = logits.len() / targets.len().max(1);
    let chunk = chunk_rows(v);
    fill(logits.len(), chunk * v, |i, dlogits, _| {
        let first = i * chunk;
        let range = first..first + dlogits.len() / v;
        let logits = &logits[first * v..][..dlogits.len()];
        backward_rows(logits, &targets[range.clone()], &lse[range.clone()], &dnll[range], dlogits);
    })
}

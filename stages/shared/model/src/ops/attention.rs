//! Multi-head attention in blocks of queries, without ever storing the T x T probabilities.
//!
//! The forward pass keeps the logarithm of each row's normaliser, from which the backward pass
//! computes the probabilities again (FlashAttention's scheme, Dao et al. 2022, on a CPU's terms:
//! a block's scores fit the level-2 cache, and causal attention skips what lies above the diagonal).

use rayon::prelude::*;

use crate::ops::matmul::{Matrix, matmul, matmul_strided, transpose};
use crate::ops::simd::{dot, exp, max, sum, vectorised};

/// Queries whose scores are computed together.
const BLOCK: usize = 64;

/// The sizes of an attention: images, positions, channels, heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) b: usize,
    pub(super) t: usize,
    pub(super) c: usize,
    pub(super) heads: usize,
    pub(super) causal: bool,
}

impl Sizes {
    fn head(&self) -> usize {
        self.c / self.heads
    }

    fn scale(&self) -> f32 {
        (self.head() as f32).powf(-0.5)
    }

    /// The sizes, after checking that heads divide the channels: every column has its head.
    fn checked(self) -> Self {
        assert!(self.heads > 0 && self.c.is_multiple_of(self.heads), "{self:?}");
        self
    }

    /// How many keys a query sees.
    fn seen(&self, query: usize) -> usize {
        if self.causal { query + 1 } else { self.t }
    }

    /// Queries, keys and values of a head: views into `qkv` from its first element on, `[T, C/H]`
    /// with rows 3C apart.
    fn parts<'a>(&self, qkv: &'a [f32], first: usize) -> [&'a [f32]; 3] {
        [0, 1, 2].map(|part| &qkv[first + part * self.c..])
    }

    /// Rows of one head in a tensor whose rows are `stride` long.
    fn rows<'a>(&self, data: &'a [f32], from: usize, rows: usize, stride: usize) -> Matrix<'a> {
        Matrix::strided(&data[from * stride..], rows, self.head(), stride)
    }
}

/// The start of a tensor that many tasks write into, each other elements: the columns of its head
/// in the rows of its image. The tensor starts uninitialised; products write it before they add.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: tasks get disjoint elements, see `Shared`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// `offset` must lie within the tensor.
    unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(offset) }
    }
}

vectorised! {
    /// Scores of a query to its probabilities; returns the log of the normaliser.
    fn softmax(scores: &mut [f32], scale: f32) -> f32 {
        let m = max(scores) * scale;
        for v in scores.iter_mut() {
            *v = exp(v.mul_add(scale, -m));
        }
        let z = sum(scores);
        let inverse = 1.0 / z;
        for v in scores.iter_mut() {
            *v *= inverse;
        }
        m + z.ln()
    }
}

vectorised! {
    /// Scores p to probabilities by their normaliser, and the gradient d of the probabilities to
    /// that of the scores: p (d - delta) scale.
    fn softmax_backward(p: &mut [f32], d: &mut [f32], lse: f32, delta: f32, scale: f32) {
        for (p, d) in p.iter_mut().zip(d) {
            *p = exp(p.mul_add(scale, -lse));
            *d = *p * (*d - delta) * scale;
        }
    }
}

vectorised! {
    /// The inner products of the heads of a row: the gradient's with what attention yielded.
    fn inner(out: &[f32], dout: &[f32], head: usize, deltas: &mut [f32]) {
        for ((delta, out), dout) in deltas.iter_mut().zip(out.chunks_exact(head)).zip(dout.chunks_exact(head)) {
            *delta = dot(out, dout);
        }
    }
}

/// What softmax takes away from the gradient of each probability, `[B,T,H]`: for each head of each row the inner product
/// of what attention yielded and its gradient. In the order of memory: both come from afar.
fn deltas(out: &[f32], dout: &[f32], sizes: Sizes) -> Vec<f32> {
    let Sizes { b, t, c, heads, .. } = sizes;
    let mut deltas = vec![0f32; b * t * heads];
    deltas.par_chunks_mut(BLOCK * heads).enumerate().for_each(|(block, deltas)| {
        let rows = block * BLOCK..block * BLOCK + deltas.len() / heads;
        for (row, deltas) in rows.zip(deltas.chunks_exact_mut(heads)) {
            let row = row * c..(row + 1) * c;
            inner(&out[row.clone()], &dout[row], sizes.head(), deltas);
        }
    });
    deltas
}

/// What attention yields `[B,T,C]`, and the log normalisers `[B,H,T]`.
pub(super) fn forward(qkv: &[f32], sizes: Sizes) -> (Vec<f32>, Vec<f32>) {
    let Sizes { b, t, c, heads, .. } = sizes.checked();
    let (head, scale) = (sizes.head(), sizes.scale());
    assert_eq!(qkv.len(), b * t * 3 * c);
    let mut out = Vec::with_capacity(b * t * c);
    let mut lse = vec![0f32; b * heads * t];
    let shared = Shared(out.as_mut_ptr());
    let scratch = || (vec![0f32; BLOCK * t], vec![0f32; head * t]);
    lse.par_chunks_exact_mut(t).enumerate().for_each_init(scratch, |(scores, turned), (task, lse)| {
        let (image, h) = (task / heads, task % heads);
        let [q, k, v] = sizes.parts(qkv, image * t * 3 * c + h * head);
        transpose(sizes.rows(k, 0, t, 3 * c), turned);
        let keys = Matrix::new(turned, t); // [C/H,T]
        for first in (0..t).step_by(BLOCK) {
            let rows = BLOCK.min(t - first);
            let seen = sizes.seen(first + rows - 1);
            let scores = &mut scores[..rows * seen];
            let queries = sizes.rows(q, first, rows, 3 * c);
            matmul(scores, queries, keys.columns(0, seen), false);
            for (i, row) in scores.chunks_exact_mut(seen).enumerate() {
                let (row, hidden) = row.split_at_mut(sizes.seen(first + i));
                lse[first + i] = softmax(row, scale);
                hidden.fill(0.0);
            }
            // SAFETY: this head's columns in these rows of `out`, which no other task touches.
            unsafe {
                let out = shared.at((image * t + first) * c + h * head);
                let scores = Matrix::new(scores, seen);
                matmul_strided(out, c, scores, sizes.rows(v, 0, seen, 3 * c), false);
            }
        }
    });
    // SAFETY: the tasks wrote every column of every row: heads x head of them, b x t.
    unsafe { out.set_len(b * t * c) };
    (out, lse)
}

/// The gradient of qkv `[B,T,3C]` from that of the result.
pub(super) fn backward(qkv: &[f32], out: &[f32], lse: &[f32], dout: &[f32], sizes: Sizes) -> Vec<f32> {
    let Sizes { b, t, c, heads, .. } = sizes.checked();
    let (head, scale) = (sizes.head(), sizes.scale());
    assert_eq!((qkv.len(), out.len(), dout.len()), (b * t * 3 * c, b * t * c, b * t * c));
    let deltas = deltas(out, dout, sizes);
    let mut dqkv = Vec::with_capacity(b * t * 3 * c);
    let shared = Shared(dqkv.as_mut_ptr());
    let scratch = || [BLOCK * t, BLOCK * t, head * t, head * t].map(|n| vec![0f32; n]);
    (0..b * heads).into_par_iter().for_each_init(scratch, |[p, d, keys, values], task| {
        let (image, h) = (task / heads, task % heads);
        let origin = image * t * 3 * c + h * head;
        let [q, k, v] = sizes.parts(qkv, origin);
        let lse = &lse[task * t..][..t];
        transpose(sizes.rows(k, 0, t, 3 * c), keys);
        transpose(sizes.rows(v, 0, t, 3 * c), values);
        let (turned_keys, turned_values) = (Matrix::new(keys, t), Matrix::new(values, t)); // [C/H,T]
        // From the last block, which sees every key and so starts all of their sums, to the first.
        for first in (0..t).step_by(BLOCK).rev() {
            let started = first + BLOCK < t;
            let rows = BLOCK.min(t - first);
            let seen = sizes.seen(first + rows - 1);
            let (p, d) = (&mut p[..rows * seen], &mut d[..rows * seen]);
            let queries = sizes.rows(q, first, rows, 3 * c);
            let keys = sizes.rows(k, 0, seen, 3 * c);
            let at = (image * t + first) * c + h * head;
            let douts = Matrix::strided(&dout[at..], rows, head, c);
            matmul(p, queries, turned_keys.columns(0, seen), false);
            matmul(d, douts, turned_values.columns(0, seen), false);
            for (i, (p, d)) in p.chunks_exact_mut(seen).zip(d.chunks_exact_mut(seen)).enumerate() {
                let delta = deltas[(image * t + first + i) * heads + h];
                let visible = sizes.seen(first + i);
                softmax_backward(&mut p[..visible], &mut d[..visible], lse[first + i], delta, scale);
                p[visible..].fill(0.0);
                d[visible..].fill(0.0);
            }
            let (p, d) = (Matrix::new(p, seen), Matrix::new(d, seen));
            // SAFETY: this head's columns in this image's rows of `dqkv`, which no other task touches.
            unsafe {
                matmul_strided(shared.at(origin + first * 3 * c), 3 * c, d, keys, false);
                matmul_strided(shared.at(origin + c), 3 * c, d.t(), queries, started);
                matmul_strided(shared.at(origin + 2 * c), 3 * c, p.t(), douts, started);
            }
        }
    });
    // SAFETY: the tasks wrote every column of every row: queries block by block, keys and values in
    // the first block of each head, which sees them all.
    unsafe { dqkv.set_len(b * t * 3 * c) };
    dqkv
}

//! Linear maps with their bias and residual, and the whole MLP, row by row in cache.

use std::ops::Range;

use crate::config::Activation;
use crate::ops::matmul::{Matrix, matmul, transpose};
use crate::ops::parallel::{chunk_rows, chunks, fill, fill_and_sum, fill_pair, lane_rows};
use crate::ops::simd::{add_to, vectorised};
use crate::ops::{activation, norm};

/// A weight matrix: `[inputs, outputs]`, or the transpose of it for heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight<'a> {
    pub(super) data: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) transposed: bool,
}

impl<'a> Weight<'a> {
    fn matrix(&self) -> Matrix<'a> {
        if self.transposed {
            Matrix::new(self.data, self.inputs).t()
        } else {
            Matrix::new(self.data, self.outputs)
        }
    }
}

/// The rows that a map multiplies: as they are, or normed anew each time that they are read, so that no copy of
/// them has to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows<'a> {
    Given(&'a [f32]),
    Normed { x: &'a [f32], gain: &'a [f32], bias: Option<&'a [f32]> },
}

impl<'a> Rows<'a> {
    /// All floats.
    fn len(&self) -> usize {
        let (Self::Given(x) | Self::Normed { x, .. }) = self;
        x.len()
    }

    /// The floats of room that so many of them take for as long as they are read.
    fn room(&self, floats: usize) -> usize {
        match self {
            Self::Given(_) => 0,
            Self::Normed { .. } => floats,
        }
    }

    /// Some of the rows, of `width`, where there is `room` for them.
    fn matrix<'b>(&self, rows: Range<usize>, width: usize, room: &'b mut [f32]) -> Matrix<'b>
    where
        'a: 'b,
    {
        let floats = rows.start * width..rows.end * width;
        match *self {
            Self::Given(x) => Matrix::new(&x[floats], width),
            Self::Normed { x, gain, bias } => {
                let room = &mut room[..floats.len()];
                norm::forward_rows(&x[floats], gain, bias, room);
                Matrix::new(room, width)
            }
        }
    }
}

/// y = residual + bias, the start of a sum that a product is added to. Returns whether there was
/// anything to start from.
fn start(y: &mut [f32], bias: Option<&[f32]>, residual: Option<&[f32]>) -> bool {
    if let Some(residual) = residual {
        y.copy_from_slice(residual);
    }
    if let Some(bias) = bias {
        add_bias(y, bias);
    }
    bias.is_some() || residual.is_some()
}

vectorised! {
    /// Adds the bias to each row.
    fn add_bias(y: &mut [f32], bias: &[f32]) {
        for row in y.chunks_exact_mut(bias.len()) {
            add_to(row, bias);
        }
    }
}

vectorised! {
    /// Adds each row to the sums: the gradient of a bias.
    fn add_rows(sums: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(sums.len()) {
            add_to(sums, row);
        }
    }
}

/// x W + bias + residual.
pub(super) fn forward(
    x: Rows<'_>,
    w: Weight<'_>,
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
) -> Vec<f32> {
    let (k, n) = (w.inputs, w.outputs);
    let rows = x.len() / k;
    let chunk = chunk_rows(k.max(n));
    fill(rows * n, chunk * n, |i, y, rooms| {
        let first = i * chunk;
        let rows = y.len() / n;
        let [room] = rooms.of([x.room(rows * k)]);
        let started = start(y, bias, residual.map(|r| &r[first * n..][..rows * n]));
        matmul(y, x.matrix(first..first + rows, k, room), w.matrix(), started);
    })
}

/// The transpose of a matrix of rows of `cols`.
fn turned(a: &[f32], cols: usize) -> Vec<f32> {
    let rows = a.len() / cols;
    let chunk = chunk_rows(rows);
    fill(a.len(), chunk * rows, |i, out, _| {
        let first = i * chunk;
        transpose(Matrix::new(a, cols).columns(first, first + out.len() / rows), out);
    })
}

/// The gradients of [`forward`]'s x, W and bias, of which the last is empty unless wanted, from
/// that of its result. The residual's gradient is the result's.
pub(super) fn backward(
    x: Rows<'_>,
    w: Weight<'_>,
    dy: &[f32],
    with_bias: bool,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (k, n) = (w.inputs, w.outputs);
    let rows = x.len() / k;
    let chunk = chunk_rows(k.max(n));
    let lane = lane_rows(rows, chunk, k * n);
    let turned = if w.transposed { Vec::new() } else { turned(w.data, n) };
    let back = Matrix::new(if w.transposed { w.data } else { &turned }, k); // [n,k]
    let sums = [k * n, if with_bias { n } else { 0 }];
    let (dx, [dw, db]) = fill_and_sum(rows * k, lane * k, sums, |i, dx, [dw, db], rooms| {
        db.fill(0.0);
        let [room] = rooms.of([x.room(chunk * k)]);
        let first = i * lane;
        for range in chunks(dx.len() / k, chunk) {
            let dx = &mut dx[range.start * k..range.end * k];
            let started = range.start > 0;
            let range = first + range.start..first + range.end;
            let dy = &dy[range.start * n..range.end * n];
            let (x, dy_rows) = (x.matrix(range, k, room), Matrix::new(dy, n));
            matmul(dx, dy_rows, back, false);
            if w.transposed {
                matmul(dw, dy_rows.t(), x, started);
            } else {
                matmul(dw, x.t(), dy_rows, started);
            }
            if with_bias {
                add_rows(db, dy);
            }
        }
    });
    (dx, dw, db)
}

/// The MLP's parameters: two maps, C to `hidden` and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mlp<'a> {
    pub(super) fc: &'a [f32],
    pub(super) fc_bias: Option<&'a [f32]>,
    pub(super) proj: &'a [f32],
    pub(super) proj_bias: Option<&'a [f32]>,
    pub(super) hidden: usize,
    pub(super) activation: Activation,
}

/// The gradients of the MLP's input and parameters; those of biases empty where it has none.
#[derive(Debug)]
pub(super) struct MlpGradients {
    pub(super) dx: Vec<f32>,
    pub(super) fc: Vec<f32>,
    pub(super) fc_bias: Vec<f32>,
    pub(super) proj: Vec<f32>,
    pub(super) proj_bias: Vec<f32>,
}

/// activation(x fc + fc_bias) proj + proj_bias + residual, and what the activation was given, for
/// the backward pass. What the activation yields never leaves the cache.
pub(super) fn mlp(x: Rows<'_>, c: usize, mlp: Mlp<'_>, residual: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
    let m = mlp.hidden;
    let rows = x.len() / c;
    let chunk = chunk_rows(m);
    fill_pair((rows * c, chunk * c), (rows * m, chunk * m), |i, y, pre, rooms| {
        let first = i * chunk;
        let rows = y.len() / c;
        let started = start(pre, mlp.fc_bias, None);
        let [room, post] = rooms.of([x.room(rows * c), rows * m]);
        matmul(pre, x.matrix(first..first + rows, c, room), Matrix::new(mlp.fc, m), started);
        activation::forward(pre, post, mlp.activation);
        let started = start(y, mlp.proj_bias, residual.map(|r| &r[first * c..][..rows * c]));
        matmul(y, Matrix::new(post, m), Matrix::new(mlp.proj, c), started);
    })
}

/// The gradients of [`mlp`], from that of its result and what its activation was given.
pub(super) fn mlp_backward(x: Rows<'_>, c: usize, mlp: Mlp<'_>, pre: &[f32], dy: &[f32]) -> MlpGradients {
    let m = mlp.hidden;
    let rows = x.len() / c;
    let chunk = chunk_rows(m);
    let lane = lane_rows(rows, chunk, 2 * c * m);
    let (fc, proj) = (turned(mlp.fc, m), turned(mlp.proj, c));
    let (fc, proj) = (Matrix::new(&fc, c), Matrix::new(&proj, m)); // [m,c], [c,m]
    let bias = |n: usize, bias: Option<&[f32]>| if bias.is_some() { n } else { 0 };
    let sums = [c * m, bias(m, mlp.fc_bias), m * c, bias(c, mlp.proj_bias)];
    let (dx, [fc, fc_bias, proj, proj_bias]) =
        fill_and_sum(rows * c, lane * c, sums, |i, dx, sums, rooms| {
            let [dfc, dfc_bias, dproj, dproj_bias] = sums;
            dfc_bias.fill(0.0);
            dproj_bias.fill(0.0);
            let rows = dx.len() / c;
            let most = chunk.min(rows);
            let [room, post, dpre] = rooms.of([x.room(most * c), most * m, most * m]);
            let first = i * lane;
            for range in chunks(rows, chunk) {
                let dx = &mut dx[range.start * c..range.end * c];
                let (post, dpre) = (&mut post[..range.len() * m], &mut dpre[..range.len() * m]);
                let started = range.start > 0;
                let range = first + range.start..first + range.end;
                let dy = &dy[range.start * c..range.end * c];
                let pre = &pre[range.start * m..range.end * m];
                let x = x.matrix(range, c, room);
                matmul(dpre, Matrix::new(dy, c), proj, false);
                activation::backward(pre, post, dpre, mlp.activation);
                matmul(dproj, Matrix::new(post, m).t(), Matrix::new(dy, c), started);
                matmul(dfc, x.t(), Matrix::new(dpre, m), started);
                matmul(dx, Matrix::new(dpre, m), fc, false);
                if mlp.proj_bias.is_some() {
                    add_rows(dproj_bias, dy);
                }
                if mlp.fc_bias.is_some() {
                    add_rows(dfc_bias, dpre);
                }
            }
        });
    MlpGradients { dx, fc, fc_bias, proj, proj_bias }
}

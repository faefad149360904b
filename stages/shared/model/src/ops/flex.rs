//! The fused operations on burn's CPU backend flex: our own kernels, on slices.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata as _};
use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};

use crate::ops::fused::{FusedGradients, Gradients, Maybe, MlpOperands, NormOf, forward_alone};
use crate::ops::linear::{self, Mlp, Weight};
use crate::ops::{attention, cross_entropy, norm};

forward_alone!(Flex);

/// Attention's queries, keys and values, result and log normalisers.
#[derive(Debug, Clone)]
pub(super) struct SavedAttention {
    qkv: FlexTensor,
    out: FlexTensor,
    lse: FlexTensor,
    n_head: usize,
    causal: bool,
}

/// A norm's operands, and whether it has a bias.
#[derive(Debug, Clone)]
pub(super) struct SavedNorm {
    x: FlexTensor,
    gain: FlexTensor,
    bias: bool,
}

/// A linear map's operands, and which of the others it has.
#[derive(Debug, Clone)]
pub(super) struct SavedLinear {
    x: FlexTensor,
    weight: FlexTensor,
    transposed: bool,
    bias: bool,
    residual: bool,
}

/// An MLP's operands and what its activation was given.
#[derive(Debug, Clone)]
pub(super) struct SavedMlp {
    operands: MlpOperands<Flex>,
    pre: FlexTensor,
}

/// Logits, targets and log normalisers.
#[derive(Debug, Clone)]
pub(super) struct SavedCrossEntropy {
    logits: FlexTensor,
    targets: FlexTensor,
    lse: FlexTensor,
}

/// A tensor's elements, row by row.
struct Dense {
    tensor: FlexTensor,
    dims: Vec<usize>,
}

impl Dense {
    fn new(tensor: FlexTensor) -> Self {
        let dims = tensor.shape().to_vec();
        // A slice of a larger tensor may be "contiguous" with an offset; `data` wants none.
        Self { tensor: tensor.to_contiguous(), dims }
    }

    fn data(&self) -> &[f32] {
        let start = self.tensor.layout().start_offset();
        &self.tensor.storage()[start..start + self.dims.iter().product::<usize>()]
    }

    fn last(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }
}

fn dense(tensor: Option<FlexTensor>) -> Option<Dense> {
    tensor.map(Dense::new)
}

fn slice(tensor: &Option<Dense>) -> Option<&[f32]> {
    tensor.as_ref().map(Dense::data)
}

fn tensor(values: Vec<f32>, dims: &[usize]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from(dims.to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// The class or colour indices, checked to be below `limit`.
fn indices(targets: FlexTensor, limit: usize) -> Vec<u32> {
    let targets = targets.to_contiguous();
    let (start, n) = (targets.layout().start_offset(), targets.shape().num_elements());
    let check = |index: i64| {
        assert!((0..limit as i64).contains(&index), "target {index} is not in 0..{limit}");
        index as u32
    };
    match targets.dtype() {
        DType::I64 => targets.storage::<i64>()[start..][..n].iter().map(|i| check(*i)).collect(),
        DType::I32 => targets.storage::<i32>()[start..][..n].iter().map(|i| check((*i).into())).collect(),
        other => panic!("targets are {other:?}, expected 32 or 64 bit integers"),
    }
}

fn sizes(qkv: &Dense, n_head: usize, causal: bool) -> attention::Sizes {
    let [b, t, c3] = *qkv.dims else { panic!("attention takes [B,T,3C], found {:?}", qkv.dims) };
    attention::Sizes { b, t, c: c3 / 3, heads: n_head, causal }
}

fn weight(weight: &Dense, transposed: bool) -> Weight<'_> {
    let [rows, cols] = *weight.dims else { panic!("a weight is a matrix, found {:?}", weight.dims) };
    let (inputs, outputs) = if transposed { (cols, rows) } else { (rows, cols) };
    Weight { data: weight.data(), inputs, outputs, transposed }
}

/// The same dimensions but for the last.
fn with_last(dims: &[usize], last: usize) -> Vec<usize> {
    let mut dims = dims.to_vec();
    if let Some(size) = dims.last_mut() {
        *size = last;
    }
    dims
}

impl FusedGradients for Flex {
    type Attention = SavedAttention;
    type Norm = SavedNorm;
    type Linear = SavedLinear;
    type Mlp = SavedMlp;
    type CrossEntropy = SavedCrossEntropy;

    fn attention_forward(qkv: FlexTensor, n_head: usize, causal: bool) -> (FlexTensor, SavedAttention) {
        let data = Dense::new(qkv.clone());
        let sizes = sizes(&data, n_head, causal);
        let (out, lse) = attention::forward(data.data(), sizes);
        let (out, lse) =
            (tensor(out, &[sizes.b, sizes.t, sizes.c]), tensor(lse, &[sizes.b, n_head, sizes.t]));
        (out.clone(), SavedAttention { qkv, out, lse, n_head, causal })
    }

    fn attention_backward(saved: SavedAttention, dout: FlexTensor) -> Gradients<Self, 1> {
        let SavedAttention { qkv, out, lse, n_head, causal } = saved;
        let [qkv, out, lse, dout] = [qkv, out, lse, dout].map(Dense::new);
        let sizes = sizes(&qkv, n_head, causal);
        let dqkv = attention::backward(qkv.data(), out.data(), lse.data(), dout.data(), sizes);
        [Some(tensor(dqkv, &qkv.dims))]
    }

    fn norm_forward(
        x: FlexTensor,
        gain: FlexTensor,
        bias: Option<FlexTensor>,
        half: bool,
    ) -> (FlexTensor, SavedNorm) {
        assert!(!half, "16-bit floats are for LibTorch's devices");
        let saved = SavedNorm { x: x.clone(), gain: gain.clone(), bias: bias.is_some() };
        let (x, gain, bias) = (Dense::new(x), Dense::new(gain), dense(bias));
        (tensor(norm::forward(x.data(), gain.data(), slice(&bias)), &x.dims), saved)
    }

    fn norm_backward(saved: SavedNorm, dy: FlexTensor, so_far: Option<FlexTensor>) -> Gradients<Self, 3> {
        let ([x, gain, dy], so_far) = ([saved.x, saved.gain, dy].map(Dense::new), dense(so_far));
        let (dx, dgain, dbias) = norm::backward(x.data(), gain.data(), dy.data(), slice(&so_far), saved.bias);
        [
            Some(tensor(dx, &x.dims)),
            Some(tensor(dgain, &gain.dims)),
            saved.bias.then(|| tensor(dbias, &gain.dims)),
        ]
    }

    fn linear_forward(
        x: FlexTensor,
        w: FlexTensor,
        bias: Option<FlexTensor>,
        residual: Option<FlexTensor>,
        transposed: bool,
    ) -> (FlexTensor, SavedLinear) {
        let saved = SavedLinear {
            x: x.clone(),
            weight: w.clone(),
            transposed,
            bias: bias.is_some(),
            residual: residual.is_some(),
        };
        let (x, w, bias, residual) = (Dense::new(x), Dense::new(w), dense(bias), dense(residual));
        let w = weight(&w, transposed);
        let y = linear::forward(x.data(), w, slice(&bias), slice(&residual));
        (tensor(y, &with_last(&x.dims, w.outputs)), saved)
    }

    fn linear_backward(saved: SavedLinear, dy: FlexTensor) -> Gradients<Self, 4> {
        let SavedLinear { x, weight: w, transposed, bias, residual } = saved;
        let residual = residual.then(|| dy.clone());
        let [x, w, dy] = [x, w, dy].map(Dense::new);
        let (dx, dw, db) = linear::backward(x.data(), weight(&w, transposed), dy.data(), bias);
        [
            Some(tensor(dx, &x.dims)),
            Some(tensor(dw, &w.dims)),
            bias.then(|| tensor(db, &[dy.last()])),
            residual,
        ]
    }

    fn mlp_forward(operands: MlpOperands<Flex>) -> (FlexTensor, SavedMlp) {
        let MlpOperands { x, fc, fc_bias, proj, proj_bias, residual, activation } = operands.clone();
        let [x, fc, proj] = [x, fc, proj].map(Dense::new);
        let [fc_bias, proj_bias, residual] =
            [fc_bias, proj_bias, residual].map(|operand| dense(operand.get()));
        let mlp = Mlp {
            fc: fc.data(),
            fc_bias: slice(&fc_bias),
            proj: proj.data(),
            proj_bias: slice(&proj_bias),
            hidden: fc.last(),
            activation,
        };
        let (y, pre) = linear::mlp(x.data(), x.last(), mlp, slice(&residual));
        let pre = tensor(pre, &with_last(&x.dims, mlp.hidden));
        (tensor(y, &x.dims), SavedMlp { operands, pre })
    }

    fn mlp_backward(saved: SavedMlp, dy: FlexTensor) -> Gradients<Self, 6> {
        let MlpOperands { x, fc, fc_bias, proj, proj_bias, residual, activation } = saved.operands;
        let residual = residual.get().map(|_| dy.clone());
        let [x, fc, proj, pre, dy] = [x, fc, proj, saved.pre, dy].map(Dense::new);
        let [fc_bias, proj_bias] = [fc_bias, proj_bias].map(|operand| dense(operand.get()));
        let hidden = fc.last();
        let mlp = Mlp {
            fc: fc.data(),
            fc_bias: slice(&fc_bias),
            proj: proj.data(),
            proj_bias: slice(&proj_bias),
            hidden,
            activation,
        };
        let grads = linear::mlp_backward(x.data(), x.last(), mlp, pre.data(), dy.data());
        [
            Some(tensor(grads.dx, &x.dims)),
            Some(tensor(grads.fc, &fc.dims)),
            fc_bias.is_some().then(|| tensor(grads.fc_bias, &[hidden])),
            Some(tensor(grads.proj, &proj.dims)),
            proj_bias.is_some().then(|| tensor(grads.proj_bias, &[x.last()])),
            residual,
        ]
    }

    fn cross_entropy_forward(logits: FlexTensor, targets: FlexTensor) -> (FlexTensor, SavedCrossEntropy) {
        let data = Dense::new(logits.clone());
        let indices = indices(targets.clone(), data.last());
        let (nll, lse) = cross_entropy::forward(data.data(), &indices);
        let n = [indices.len()];
        (tensor(nll, &n), SavedCrossEntropy { logits, targets, lse: tensor(lse, &n) })
    }

    fn cross_entropy_backward(saved: SavedCrossEntropy, dnll: FlexTensor) -> Gradients<Self, 1> {
        let [logits, lse, dnll] = [saved.logits, saved.lse, dnll].map(Dense::new);
        let targets = indices(saved.targets, logits.last());
        let d = cross_entropy::backward(logits.data(), &targets, lse.data(), dnll.data());
        [Some(tensor(d, &logits.dims))]
    }
}

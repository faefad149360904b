//! The fused operations on burn's CPU backend flex: our own kernels, on slices.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata as _};
use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};

use crate::config::Activation;
use crate::ops::fused::{FusedGradients, Gradients, Maybe, MlpOperands, NormOperands, forward_alone};
use crate::ops::linear::{self, Mlp, Rows, Weight};
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

/// The operands of a norm and a linear map behind it, and whether the map has a bias.
#[derive(Debug, Clone)]
pub(super) struct SavedBranchLinear {
    norm: NormOperands<Flex>,
    weight: FlexTensor,
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

/// A norm's operands, row by row.
struct DenseNorm {
    x: Dense,
    gain: Dense,
    bias: Option<Dense>,
}

impl DenseNorm {
    fn new(norm: NormOperands<Flex>) -> Self {
        assert!(!norm.half, "16-bit floats are for LibTorch's devices");
        Self { x: Dense::new(norm.x), gain: Dense::new(norm.gain), bias: dense(norm.bias.get()) }
    }

    /// What it yields, for a map that reads it.
    fn rows(&self) -> Rows<'_> {
        Rows::Normed { x: self.x.data(), gain: self.gain.data(), bias: slice(&self.bias) }
    }

    /// The gradients of its operands from that of what it yields.
    fn backward(&self, dy: &[f32], so_far: Option<FlexTensor>) -> Gradients<Flex, 3> {
        let (so_far, bias) = (dense(so_far), self.bias.is_some());
        let (dx, dgain, dbias) = norm::backward(self.x.data(), self.gain.data(), dy, slice(&so_far), bias);
        [
            Some(tensor(dx, &self.x.dims)),
            Some(tensor(dgain, &self.gain.dims)),
            bias.then(|| tensor(dbias, &self.gain.dims)),
        ]
    }
}

/// The operands of an MLP and the norm before it, row by row.
struct DenseMlp {
    norm: DenseNorm,
    fc: Dense,
    fc_bias: Option<Dense>,
    proj: Dense,
    proj_bias: Option<Dense>,
    activation: Activation,
}

impl DenseMlp {
    fn new(mlp: MlpOperands<Flex>) -> Self {
        let [fc, proj] = [mlp.fc, mlp.proj].map(Dense::new);
        let [fc_bias, proj_bias] = [mlp.fc_bias, mlp.proj_bias].map(|operand| dense(operand.get()));
        Self { norm: DenseNorm::new(mlp.norm), fc, fc_bias, proj, proj_bias, activation: mlp.activation }
    }

    fn weights(&self) -> Mlp<'_> {
        Mlp {
            fc: self.fc.data(),
            fc_bias: slice(&self.fc_bias),
            proj: self.proj.data(),
            proj_bias: slice(&self.proj_bias),
            hidden: self.fc.last(),
            activation: self.activation,
        }
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
    type Norm = NormOperands<Flex>;
    type BranchLinear = SavedBranchLinear;
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

    fn norm_forward(norm: NormOperands<Flex>) -> (FlexTensor, NormOperands<Flex>) {
        let of = DenseNorm::new(norm.clone());
        (tensor(norm::forward(of.x.data(), of.gain.data(), slice(&of.bias)), &of.x.dims), norm)
    }

    fn norm_backward(
        saved: NormOperands<Flex>,
        dy: FlexTensor,
        so_far: Option<FlexTensor>,
    ) -> Gradients<Self, 3> {
        DenseNorm::new(saved).backward(Dense::new(dy).data(), so_far)
    }

    fn branch_linear_forward(
        norm: NormOperands<Flex>,
        w: FlexTensor,
        bias: Option<FlexTensor>,
    ) -> (FlexTensor, SavedBranchLinear) {
        let saved = SavedBranchLinear { norm: norm.clone(), weight: w.clone(), bias: bias.is_some() };
        let (norm, w, bias) = (DenseNorm::new(norm), Dense::new(w), dense(bias));
        let w = weight(&w, false);
        let y = linear::forward(norm.rows(), w, slice(&bias), None);
        (tensor(y, &with_last(&norm.x.dims, w.outputs)), saved)
    }

    fn branch_linear_backward(
        saved: SavedBranchLinear,
        dy: FlexTensor,
        so_far: Option<FlexTensor>,
    ) -> Gradients<Self, 5> {
        let (norm, [w, dy]) = (DenseNorm::new(saved.norm), [saved.weight, dy].map(Dense::new));
        let (dn, dw, db) = linear::backward(norm.rows(), weight(&w, false), dy.data(), saved.bias);
        let [dx, dgain, dbias] = norm.backward(&dn, so_far);
        [dx, dgain, dbias, Some(tensor(dw, &w.dims)), saved.bias.then(|| tensor(db, &[dy.last()]))]
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
        let y = linear::forward(Rows::Given(x.data()), w, slice(&bias), slice(&residual));
        (tensor(y, &with_last(&x.dims, w.outputs)), saved)
    }

    fn linear_backward(saved: SavedLinear, dy: FlexTensor) -> Gradients<Self, 4> {
        let SavedLinear { x, weight: w, transposed, bias, residual } = saved;
        let residual = residual.then(|| dy.clone());
        let [x, w, dy] = [x, w, dy].map(Dense::new);
        let rows = Rows::Given(x.data());
        let (dx, dw, db) = linear::backward(rows, weight(&w, transposed), dy.data(), bias);
        [
            Some(tensor(dx, &x.dims)),
            Some(tensor(dw, &w.dims)),
            bias.then(|| tensor(db, &[dy.last()])),
            residual,
        ]
    }

    fn mlp_forward(operands: MlpOperands<Flex>) -> (FlexTensor, SavedMlp) {
        let of = DenseMlp::new(operands.clone());
        let x = &of.norm.x;
        let residual = operands.residual.then(|| x.data());
        let (y, pre) = linear::mlp(of.norm.rows(), x.last(), of.weights(), residual);
        let pre = tensor(pre, &with_last(&x.dims, of.fc.last()));
        (tensor(y, &x.dims), SavedMlp { operands, pre })
    }

    fn mlp_backward(saved: SavedMlp, dy: FlexTensor, so_far: Option<FlexTensor>) -> Gradients<Self, 7> {
        let (of, [pre, dy]) = (DenseMlp::new(saved.operands), [saved.pre, dy].map(Dense::new));
        let (x, hidden) = (&of.norm.x, of.fc.last());
        let grads = linear::mlp_backward(of.norm.rows(), x.last(), of.weights(), pre.data(), dy.data());
        let [dx, dgain, dbias] = of.norm.backward(&grads.dx, so_far);
        [
            dx,
            dgain,
            dbias,
            Some(tensor(grads.fc, &of.fc.dims)),
            of.fc_bias.is_some().then(|| tensor(grads.fc_bias, &[hidden])),
            Some(tensor(grads.proj, &of.proj.dims)),
            of.proj_bias.is_some().then(|| tensor(grads.proj_bias, &[x.last()])),
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

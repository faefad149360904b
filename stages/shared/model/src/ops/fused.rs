//! The fused operations on burn's tensors: an extension of the CPU backend flex, and the wrappers
//! that the network calls.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, ExtensionType, Flex, TensorMetadata as _, backend_extension};
use burn::tensor::{Bytes, DType, Int, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};

use crate::config::Activation;
use crate::ops::linear::{self, Mlp, Weight};
use crate::ops::{MlpWeights, attention, cross_entropy, norm};

/// A tensor that may be absent, in the only form in which the dispatcher passes one on.
#[derive(ExtensionType)]
pub(super) enum Maybe<B: Backend> {
    /// It is there.
    Present(FloatTensor<B>),
    /// It is not.
    Absent,
}

impl<B: Backend> Maybe<B> {
    pub(super) fn new(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Present)
    }

    pub(super) fn get(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Present(tensor) => Some(tensor),
            Self::Absent => None,
        }
    }
}

/// The forward passes. Each also yields what its backward pass wants kept, where that is more than
/// its inputs.
#[backend_extension(Flex, Autodiff)]
pub(super) trait FusedOps: Backend {
    /// `attention::forward`: (out, log normalisers).
    fn igpt_attention(
        qkv: FloatTensor<Self>,
        n_head: usize,
        causal: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// `norm::forward`.
    fn igpt_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
    ) -> FloatTensor<Self>;
    /// `linear::forward`.
    fn igpt_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        #[extension_type] residual: Maybe<Self>,
        transposed: bool,
    ) -> FloatTensor<Self>;
    /// `linear::mlp`: (y, what the activation was given).
    fn igpt_mlp(
        x: FloatTensor<Self>,
        fc: FloatTensor<Self>,
        #[extension_type] fc_bias: Maybe<Self>,
        proj: FloatTensor<Self>,
        #[extension_type] proj_bias: Maybe<Self>,
        #[extension_type] residual: Maybe<Self>,
        activation: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// `cross_entropy::forward`: (losses, log normalisers).
    fn igpt_cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The backward passes, on backends without automatic differentiation.
pub(super) trait FusedGradients: Backend {
    /// The gradient of qkv.
    fn attention_gradient(
        qkv: FloatTensor<Self>,
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        dout: FloatTensor<Self>,
        n_head: usize,
        causal: bool,
    ) -> FloatTensor<Self>;
    /// The gradients of x, gain and, where wanted, bias.
    fn norm_gradient(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        with_bias: bool,
    ) -> [Option<FloatTensor<Self>>; 3];
    /// The gradients of x, weight and, where wanted, bias.
    fn linear_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        with_bias: bool,
        transposed: bool,
    ) -> [Option<FloatTensor<Self>>; 3];
    /// The gradients of x, fc, its bias, proj and its bias.
    fn mlp_gradient(
        state: MlpState<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
    ) -> [Option<FloatTensor<Self>>; 5];
    /// The gradient of the logits.
    fn cross_entropy_gradient(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        lse: FloatTensor<Self>,
        dnll: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// What the MLP's backward pass needs of the forward pass.
#[derive(Debug, Clone)]
pub(super) struct MlpState<T> {
    pub(super) x: T,
    pub(super) fc: T,
    pub(super) proj: T,
    pub(super) pre: T,
    /// Whether there are biases.
    pub(super) biases: [bool; 2],
    pub(super) activation: Activation,
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

impl FusedOps for Flex {
    fn igpt_attention(qkv: FlexTensor, n_head: usize, causal: bool) -> (FlexTensor, FlexTensor) {
        let qkv = Dense::new(qkv);
        let sizes = sizes(&qkv, n_head, causal);
        let (out, lse) = attention::forward(qkv.data(), sizes);
        (tensor(out, &[sizes.b, sizes.t, sizes.c]), tensor(lse, &[sizes.b, n_head, sizes.t]))
    }

    fn igpt_norm(x: FlexTensor, gain: FlexTensor, bias: Maybe<Self>) -> FlexTensor {
        let (x, gain, bias) = (Dense::new(x), Dense::new(gain), dense(bias.get()));
        tensor(norm::forward(x.data(), gain.data(), slice(&bias)), &x.dims)
    }

    fn igpt_linear(
        x: FlexTensor,
        w: FlexTensor,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        transposed: bool,
    ) -> FlexTensor {
        let (x, w, bias, residual) = (Dense::new(x), Dense::new(w), dense(bias.get()), dense(residual.get()));
        let w = weight(&w, transposed);
        let y = linear::forward(x.data(), w, slice(&bias), slice(&residual));
        tensor(y, &with_last(&x.dims, w.outputs))
    }

    fn igpt_mlp(
        x: FlexTensor,
        fc: FlexTensor,
        fc_bias: Maybe<Self>,
        proj: FlexTensor,
        proj_bias: Maybe<Self>,
        residual: Maybe<Self>,
        activation: Activation,
    ) -> (FlexTensor, FlexTensor) {
        let (x, fc, proj) = (Dense::new(x), Dense::new(fc), Dense::new(proj));
        let (fc_bias, proj_bias, residual) =
            (dense(fc_bias.get()), dense(proj_bias.get()), dense(residual.get()));
        let mlp = Mlp {
            fc: fc.data(),
            fc_bias: slice(&fc_bias),
            proj: proj.data(),
            proj_bias: slice(&proj_bias),
            hidden: fc.last(),
            activation,
        };
        let (y, pre) = linear::mlp(x.data(), x.last(), mlp, slice(&residual));
        (tensor(y, &x.dims), tensor(pre, &with_last(&x.dims, mlp.hidden)))
    }

    fn igpt_cross_entropy(logits: FlexTensor, targets: FlexTensor) -> (FlexTensor, FlexTensor) {
        let logits = Dense::new(logits);
        let targets = indices(targets, logits.last());
        let (nll, lse) = cross_entropy::forward(logits.data(), &targets);
        (tensor(nll, &[targets.len()]), tensor(lse, &[targets.len()]))
    }
}

impl FusedGradients for Flex {
    fn attention_gradient(
        qkv: FlexTensor,
        out: FlexTensor,
        lse: FlexTensor,
        dout: FlexTensor,
        n_head: usize,
        causal: bool,
    ) -> FlexTensor {
        let [qkv, out, lse, dout] = [qkv, out, lse, dout].map(Dense::new);
        let sizes = sizes(&qkv, n_head, causal);
        let dqkv = attention::backward(qkv.data(), out.data(), lse.data(), dout.data(), sizes);
        tensor(dqkv, &qkv.dims)
    }

    fn norm_gradient(
        x: FlexTensor,
        gain: FlexTensor,
        dy: FlexTensor,
        with_bias: bool,
    ) -> [Option<FlexTensor>; 3] {
        let [x, gain, dy] = [x, gain, dy].map(Dense::new);
        let (dx, dgain, dbias) = norm::backward(x.data(), gain.data(), dy.data(), with_bias);
        [
            Some(tensor(dx, &x.dims)),
            Some(tensor(dgain, &gain.dims)),
            with_bias.then(|| tensor(dbias, &gain.dims)),
        ]
    }

    fn linear_gradient(
        x: FlexTensor,
        w: FlexTensor,
        dy: FlexTensor,
        with_bias: bool,
        transposed: bool,
    ) -> [Option<FlexTensor>; 3] {
        let [x, w, dy] = [x, w, dy].map(Dense::new);
        let (dx, dw, db) = linear::backward(x.data(), weight(&w, transposed), dy.data(), with_bias);
        [Some(tensor(dx, &x.dims)), Some(tensor(dw, &w.dims)), with_bias.then(|| tensor(db, &[dy.last()]))]
    }

    fn mlp_gradient(state: MlpState<FlexTensor>, dy: FlexTensor) -> [Option<FlexTensor>; 5] {
        let MlpState { x, fc, proj, pre, biases, activation } = state;
        let [x, fc, proj, pre, dy] = [x, fc, proj, pre, dy].map(Dense::new);
        // The backward pass needs to know of the biases only whether they are there.
        let [fc_bias, proj_bias] = biases.map(|present| present.then_some(&[][..]));
        let hidden = fc.last();
        let mlp = Mlp { fc: fc.data(), fc_bias, proj: proj.data(), proj_bias, hidden, activation };
        let grads = linear::mlp_backward(x.data(), x.last(), mlp, pre.data(), dy.data());
        [
            Some(tensor(grads.dx, &x.dims)),
            Some(tensor(grads.fc, &fc.dims)),
            biases[0].then(|| tensor(grads.fc_bias, &[hidden])),
            Some(tensor(grads.proj, &proj.dims)),
            biases[1].then(|| tensor(grads.proj_bias, &[x.last()])),
        ]
    }

    fn cross_entropy_gradient(
        logits: FlexTensor,
        targets: FlexTensor,
        lse: FlexTensor,
        dnll: FlexTensor,
    ) -> FlexTensor {
        let [logits, lse, dnll] = [logits, lse, dnll].map(Dense::new);
        let targets = indices(targets, logits.last());
        let d = cross_entropy::backward(logits.data(), &targets, lse.data(), dnll.data());
        tensor(d, &logits.dims)
    }
}

pub(super) fn attention(qkv: Tensor<3>, n_head: usize, causal: bool) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::igpt_attention(qkv.into_dispatch(), n_head, causal).0)
}

pub(super) fn norm(x: Tensor<3>, gain: Tensor<1>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let bias = Maybe::new(bias.map(Tensor::into_dispatch));
    Tensor::from_dispatch(Dispatch::igpt_norm(x.into_dispatch(), gain.into_dispatch(), bias))
}

pub(super) fn linear(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<3>>,
    transposed: bool,
) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::igpt_linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        Maybe::new(bias.map(Tensor::into_dispatch)),
        Maybe::new(residual.map(Tensor::into_dispatch)),
        transposed,
    ))
}

pub(super) fn mlp(
    x: Tensor<3>,
    weights: MlpWeights,
    residual: Option<Tensor<3>>,
    activation: Activation,
) -> Tensor<3> {
    let (y, _) = Dispatch::igpt_mlp(
        x.into_dispatch(),
        weights.fc.into_dispatch(),
        Maybe::new(weights.fc_bias.map(Tensor::into_dispatch)),
        weights.proj.into_dispatch(),
        Maybe::new(weights.proj_bias.map(Tensor::into_dispatch)),
        Maybe::new(residual.map(Tensor::into_dispatch)),
        activation,
    );
    Tensor::from_dispatch(y)
}

pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let (nll, _) = Dispatch::igpt_cross_entropy(logits.into_dispatch(), targets.into_dispatch());
    Tensor::from_dispatch(nll)
}

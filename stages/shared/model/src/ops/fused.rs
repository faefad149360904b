//! The fused operations on burn's tensors: what a backend has to bring, and the wrappers that the
//! network calls.

use std::fmt;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, ExtensionType, backend_extension};
use burn::tensor::{Int, Tensor};

use crate::config::Activation;
use crate::ops::MlpWeights;

/// A tensor that may be absent, in the only form in which the dispatcher passes one on.
#[derive(Debug, Clone, ExtensionType)]
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

/// What else there is to know of a norm.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormOf {
    /// The result is in bfloat16.
    pub(super) half: bool,
    /// A residual branch begins with it: x goes on beside it, and what it goes on to has given its
    /// part of the gradient of x before the norm does.
    pub(super) branch: bool,
}

/// What an MLP computes with.
#[derive(Debug, Clone, ExtensionType)]
pub(super) struct MlpOperands<B: Backend> {
    pub(super) x: FloatTensor<B>,
    pub(super) fc: FloatTensor<B>,
    #[extension_type]
    pub(super) fc_bias: Maybe<B>,
    pub(super) proj: FloatTensor<B>,
    #[extension_type]
    pub(super) proj_bias: Maybe<B>,
    #[extension_type]
    pub(super) residual: Maybe<B>,
    pub(super) activation: Activation,
}

/// The operations as the dispatcher knows them.
#[backend_extension(Flex, LibTorch: cfg(feature = "tch"), Autodiff)]
pub(super) trait FusedOps: Backend {
    fn igpt_attention(qkv: FloatTensor<Self>, n_head: usize, causal: bool) -> FloatTensor<Self>;
    fn igpt_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        of: NormOf,
    ) -> FloatTensor<Self>;
    fn igpt_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        #[extension_type] residual: Maybe<Self>,
        transposed: bool,
    ) -> FloatTensor<Self>;
    fn igpt_mlp(#[extension_type] mlp: MlpOperands<Self>) -> FloatTensor<Self>;
    fn igpt_cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self>;
}

/// What a forward pass keeps for the backward pass.
pub(super) trait Saved: Clone + Send + fmt::Debug + 'static {}

impl<T: Clone + Send + fmt::Debug + 'static> Saved for T {}

/// The gradients of an operation's N operands in their order, `None` where one is absent.
pub(super) type Gradients<B, const N: usize> = [Option<FloatTensor<B>>; N];

/// The same operations with their backward passes, on backends without automatic differentiation.
/// A gradient has its operand's type.
pub(super) trait FusedGradients: Backend {
    type Attention: Saved;
    type Norm: Saved;
    type Linear: Saved;
    type Mlp: Saved;
    type CrossEntropy: Saved;

    fn attention_forward(
        qkv: FloatTensor<Self>,
        n_head: usize,
        causal: bool,
    ) -> (FloatTensor<Self>, Self::Attention);
    /// Of qkv.
    fn attention_backward(saved: Self::Attention, dout: FloatTensor<Self>) -> Gradients<Self, 1>;

    fn norm_forward(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        half: bool,
    ) -> (FloatTensor<Self>, Self::Norm);
    /// Of x, gain, bias; that of x with what it is `so_far`.
    fn norm_backward(
        saved: Self::Norm,
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
    ) -> Gradients<Self, 3>;

    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        residual: Option<FloatTensor<Self>>,
        transposed: bool,
    ) -> (FloatTensor<Self>, Self::Linear);
    /// Of x, weight, bias, residual.
    fn linear_backward(saved: Self::Linear, dy: FloatTensor<Self>) -> Gradients<Self, 4>;

    fn mlp_forward(mlp: MlpOperands<Self>) -> (FloatTensor<Self>, Self::Mlp);
    /// Of the operands in their order.
    fn mlp_backward(saved: Self::Mlp, dy: FloatTensor<Self>) -> Gradients<Self, 6>;

    fn cross_entropy_forward(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, Self::CrossEntropy);
    /// Of the logits.
    fn cross_entropy_backward(saved: Self::CrossEntropy, dnll: FloatTensor<Self>) -> Gradients<Self, 1>;
}

/// Lets a backend compute without a tape: the operations as above, and nothing saved.
macro_rules! forward_alone {
    ($backend:ty) => {
        impl $crate::ops::fused::FusedOps for $backend {
            fn igpt_attention(qkv: FloatTensor<Self>, n_head: usize, causal: bool) -> FloatTensor<Self> {
                Self::attention_forward(qkv, n_head, causal).0
            }

            fn igpt_norm(
                x: FloatTensor<Self>,
                gain: FloatTensor<Self>,
                bias: Maybe<Self>,
                of: NormOf,
            ) -> FloatTensor<Self> {
                Self::norm_forward(x, gain, bias.get(), of.half).0
            }

            fn igpt_linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Maybe<Self>,
                residual: Maybe<Self>,
                transposed: bool,
            ) -> FloatTensor<Self> {
                Self::linear_forward(x, weight, bias.get(), residual.get(), transposed).0
            }

            fn igpt_mlp(mlp: MlpOperands<Self>) -> FloatTensor<Self> {
                Self::mlp_forward(mlp).0
            }

            fn igpt_cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self> {
                Self::cross_entropy_forward(logits, targets).0
            }
        }
    };
}
pub(super) use forward_alone;

pub(super) fn attention(qkv: Tensor<3>, n_head: usize, causal: bool) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::igpt_attention(qkv.into_dispatch(), n_head, causal))
}

pub(super) fn norm(x: Tensor<3>, gain: Tensor<1>, bias: Option<Tensor<1>>, of: NormOf) -> Tensor<3> {
    let bias = Maybe::new(bias.map(Tensor::into_dispatch));
    Tensor::from_dispatch(Dispatch::igpt_norm(x.into_dispatch(), gain.into_dispatch(), bias, of))
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
    Tensor::from_dispatch(Dispatch::igpt_mlp(MlpOperands {
        x: x.into_dispatch(),
        fc: weights.fc.into_dispatch(),
        fc_bias: Maybe::new(weights.fc_bias.map(Tensor::into_dispatch)),
        proj: weights.proj.into_dispatch(),
        proj_bias: Maybe::new(weights.proj_bias.map(Tensor::into_dispatch)),
        residual: Maybe::new(residual.map(Tensor::into_dispatch)),
        activation,
    }))
}

pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::igpt_cross_entropy(logits.into_dispatch(), targets.into_dispatch()))
}

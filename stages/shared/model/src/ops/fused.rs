//! The fused operations on burn's tensors: what a backend has to bring, and the wrappers that the
//! network calls.

use std::fmt;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, ExtensionType, backend_extension};
use burn::tensor::{Int, Tensor};

use crate::config::Activation;
use crate::ops::{MlpWeights, NormWeights};

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

/// What a norm computes with.
#[derive(Debug, Clone, ExtensionType)]
pub(super) struct NormOperands<B: Backend> {
    pub(super) x: FloatTensor<B>,
    pub(super) gain: FloatTensor<B>,
    #[extension_type]
    pub(super) bias: Maybe<B>,
    /// The result is in bfloat16.
    pub(super) half: bool,
}

/// What an MLP and the norm before it compute with.
#[derive(Debug, Clone, ExtensionType)]
pub(super) struct MlpOperands<B: Backend> {
    #[extension_type]
    pub(super) norm: NormOperands<B>,
    pub(super) fc: FloatTensor<B>,
    #[extension_type]
    pub(super) fc_bias: Maybe<B>,
    pub(super) proj: FloatTensor<B>,
    #[extension_type]
    pub(super) proj_bias: Maybe<B>,
    /// What the norm is given is added to the result.
    pub(super) residual: bool,
    pub(super) activation: Activation,
}

/// The operations as the dispatcher knows them. Where a norm is part of a residual `branch`, its x goes on beside
/// it, and what x goes on to has given its part of the gradient of x before the norm does.
#[backend_extension(Flex, LibTorch: cfg(feature = "tch"), Autodiff)]
pub(super) trait FusedOps: Backend {
    fn igpt_attention(qkv: FloatTensor<Self>, n_head: usize, causal: bool) -> FloatTensor<Self>;
    fn igpt_norm(#[extension_type] norm: NormOperands<Self>, branch: bool) -> FloatTensor<Self>;
    fn igpt_branch_linear(
        #[extension_type] norm: NormOperands<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
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
    type BranchLinear: Saved;
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

    fn norm_forward(norm: NormOperands<Self>) -> (FloatTensor<Self>, Self::Norm);
    /// Of x, gain, bias; that of x with what it is `so_far`.
    fn norm_backward(
        saved: Self::Norm,
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
    ) -> Gradients<Self, 3>;

    fn branch_linear_forward(
        norm: NormOperands<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
    ) -> (FloatTensor<Self>, Self::BranchLinear);
    /// Of the norm's operands, that of x with what it is `so_far`; of weight and bias.
    fn branch_linear_backward(
        saved: Self::BranchLinear,
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
    ) -> Gradients<Self, 5>;

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
    /// Of the operands in their order; that of x with what it is `so_far`.
    fn mlp_backward(
        saved: Self::Mlp,
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
    ) -> Gradients<Self, 7>;

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

            fn igpt_norm(norm: NormOperands<Self>, _branch: bool) -> FloatTensor<Self> {
                Self::norm_forward(norm).0
            }

            fn igpt_branch_linear(
                norm: NormOperands<Self>,
                weight: FloatTensor<Self>,
                bias: Maybe<Self>,
            ) -> FloatTensor<Self> {
                Self::branch_linear_forward(norm, weight, bias.get()).0
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

fn operands(x: Tensor<3>, norm: NormWeights, half: bool) -> NormOperands<Dispatch> {
    let bias = Maybe::new(norm.bias.map(Tensor::into_dispatch));
    NormOperands { x: x.into_dispatch(), gain: norm.gain.into_dispatch(), bias, half }
}

pub(super) fn norm(x: Tensor<3>, norm: NormWeights, half: bool, branch: bool) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::igpt_norm(operands(x, norm, half), branch))
}

pub(super) fn branch_linear(
    x: Tensor<3>,
    norm: NormWeights,
    half: bool,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<3> {
    let bias = Maybe::new(bias.map(Tensor::into_dispatch));
    let norm = operands(x, norm, half);
    Tensor::from_dispatch(Dispatch::igpt_branch_linear(norm, weight.into_dispatch(), bias))
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
    norm: NormWeights,
    half: bool,
    weights: MlpWeights,
    residual: bool,
    activation: Activation,
) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::igpt_mlp(MlpOperands {
        norm: operands(x, norm, half),
        fc: weights.fc.into_dispatch(),
        fc_bias: Maybe::new(weights.fc_bias.map(Tensor::into_dispatch)),
        proj: weights.proj.into_dispatch(),
        proj_bias: Maybe::new(weights.proj_bias.map(Tensor::into_dispatch)),
        residual,
        activation,
    }))
}

pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::igpt_cross_entropy(logits.into_dispatch(), targets.into_dispatch()))
}

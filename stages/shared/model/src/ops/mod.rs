//! The operations that the network is made of, in two implementations of the same mathematics.
//!
//! `Ops::Plain` builds a graph of plain tensor operations: it runs on every device and is the
//! reference. `Ops::Fused` computes each operation and its gradient by kernels made for it: our own
//! on flex, the CPU backend, and aten's on LibTorch.

pub(crate) mod activation;
mod attention;
mod autodiff;
mod cross_entropy;
mod flex;
#[cfg_attr(feature = "tch", expect(deprecated, reason = "burn 0.22 is the last version with libtorch"))]
mod fused;
mod kernel;
pub(crate) mod kv_cache;
mod linear;
mod matmul;
pub(crate) mod norm;
pub(crate) mod packed;
mod parallel;
mod plain;
mod simd;
#[cfg(feature = "tch")]
mod torch;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Int, Tensor};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Activation;
use crate::error::ModelError;
/// The epsilon of both norms (paper variant: GPT-2's; released code: `norm`).
pub const NORM_EPS: f64 = 1e-5;

/// Which implementation computes the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    /// One pass forward and one backward for each operation; on flex and LibTorch.
    Fused,
    /// As `Fused`, but in bfloat16 from a norm to the residual stream that its branch is added to,
    /// and from the last norm to the logits. Parameters, gradients and losses are f32. Only on
    /// LibTorch.
    Mixed,
    /// A graph of plain tensor operations, on any device.
    Plain,
}

/// The precision inside transformer blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// bfloat16 inside transformer blocks; parameters, gradients and losses are 32-bit floats. Needs
    /// LibTorch.
    Bf16,
}

/// The parameters of a norm over C channels.
#[derive(Debug, Clone)]
pub struct NormWeights {
    /// `[C]`
    pub gain: Tensor<1>,
    /// `[C]`. With it layer norm, which subtracts the mean; without, x / sqrt(mean(x^2) + eps) * gain.
    pub bias: Option<Tensor<1>>,
}

/// The parameters of a two-layer perceptron of width C and inner width M.
#[derive(Debug, Clone)]
pub struct MlpWeights {
    /// `[C,M]`
    pub fc: Tensor<2>,
    /// `[M]`
    pub fc_bias: Option<Tensor<1>>,
    /// `[M,C]`
    pub proj: Tensor<2>,
    /// `[C]`
    pub proj_bias: Option<Tensor<1>>,
}

impl Ops {
    /// The faster implementation that the device has.
    pub fn of(device: &Device) -> Self {
        match device.clone().without_autodiff().as_dispatch() {
            DispatchDevice::Flex(_) => Self::Fused,
            #[cfg(feature = "tch")]
            DispatchDevice::LibTorch(_) => Self::Fused,
            _ => Self::Plain,
        }
    }

    /// The implementation that computes in a precision on the device.
    ///
    /// # Errors
    /// Where the device cannot compute in that precision.
    pub fn with(device: &Device, precision: Precision) -> Result<Self, ModelError> {
        match (precision, device.clone().without_autodiff().as_dispatch()) {
            (Precision::F32, _) => Ok(Self::of(device)),
            #[cfg(feature = "tch")]
            (Precision::Bf16, DispatchDevice::LibTorch(_)) => Ok(Self::Mixed),
            (Precision::Bf16, _) => Err(ModelError::Config(
                "`precision: bf16` needs a LibTorch device (`--device cuda`); on the CPU use `f32`"
                    .to_owned(),
            )),
        }
    }

    /// Multi-head self-attention. `qkv` `[B,T,3C]` holds queries, keys and values side by side, heads
    /// contiguous in each; returns `[B,T,C]`. Scores are scaled by 1/sqrt(C/heads); where `causal`,
    /// position t sees positions up to t.
    pub fn attention(self, qkv: Tensor<3>, n_head: usize, causal: bool) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => fused::attention(qkv, n_head, causal),
            Self::Plain => plain::attention(qkv, n_head, causal),
        }
    }

    /// Normalises the last dimension of `x` `[B,T,C]`.
    pub fn norm(self, x: Tensor<3>, norm: NormWeights) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => fused::norm(x, norm, self == Self::Mixed, false),
            Self::Plain => plain::norm(x, norm),
        }
    }

    /// [`Ops::norm`] at the start of a residual branch, the same values: for an `x` that what comes of
    /// the result is added to.
    pub fn branch_norm(self, x: Tensor<3>, norm: NormWeights) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => fused::norm(x, norm, self == Self::Mixed, true),
            Self::Plain => plain::norm(x, norm),
        }
    }

    /// norm(x) W + b at the start of a residual branch: the values of [`Ops::branch_norm`] and [`Ops::linear`],
    /// without keeping what lies between them.
    pub fn branch_linear(
        self,
        x: Tensor<3>,
        norm: NormWeights,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => fused::branch_linear(x, norm, self == Self::Mixed, weight, bias),
            Self::Plain => plain::linear(plain::norm(x, norm), weight, bias, None),
        }
    }

    /// x W + b + residual, for `x` `[B,T,K]` and `weight` `[K,N]`.
    pub fn linear(
        self,
        x: Tensor<3>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
        residual: Option<Tensor<3>>,
    ) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => fused::linear(x, weight, bias, residual, false),
            Self::Plain => plain::linear(x, weight, bias, residual),
        }
    }

    /// x W^T, for `x` `[B,T,C]` and the head's `weight` `[V,C]`.
    pub fn project(self, x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => fused::linear(x, weight, None, None, true),
            Self::Plain => plain::linear(x, weight.transpose(), None, None),
        }
    }

    /// activation(norm(x) fc + fc_bias) proj + proj_bias, for `x` `[B,T,C]`; and x added to it, where `residual`.
    pub fn mlp(
        self,
        x: Tensor<3>,
        norm: NormWeights,
        weights: MlpWeights,
        residual: bool,
        activation: Activation,
    ) -> Tensor<3> {
        match self {
            Self::Fused | Self::Mixed => {
                fused::mlp(x, norm, self == Self::Mixed, weights, residual, activation)
            }
            Self::Plain => plain::mlp(x, norm, weights, residual, activation),
        }
    }

    /// `-log softmax(logits)[target]` for each row of `logits` `[N,V]`; returns `[N]`, in nats.
    pub fn cross_entropy(self, logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
        match self {
            Self::Fused | Self::Mixed => fused::cross_entropy(logits, targets),
            Self::Plain => plain::cross_entropy(logits, targets),
        }
    }
}

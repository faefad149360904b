//! The parameters of the layers that the network is made of.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::ops::NormWeights;

/// A norm's gain and, in the paper's variant, its bias. `[C]`
#[derive(Module, Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Norm {
    pub(crate) fn weights(&self) -> NormWeights {
        NormWeights { gain: self.weight.val(), bias: self.bias.as_ref().map(Param::val) }
    }
}

/// A linear layer x W + b, with a bias if the configuration has it; `weight` `[in, out]`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

/// A linear layer without bias whose `weight` is stored `[out, in]`, like an embedding.
#[derive(Module, Debug)]
pub(crate) struct OutputHead {
    pub(crate) weight: Param<Tensor<2>>,
}

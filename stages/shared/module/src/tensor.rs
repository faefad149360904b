//! Tensors on the host.

use std::borrow::Cow;

use burn::tensor::Tensor;
use safetensors::{Dtype, View};

/// A parameter with its name, in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The dotted path of the module's fields: `h.0.attn.qkv.weight`.
    pub name: String,
    /// The sizes of its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row by row.
    pub values: Vec<f32>,
}

impl NamedTensor {
    /// The elements as they lie in a safetensors file.
    pub fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

impl View for &NamedTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.bytes())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Copies the elements of a tensor to the host.
///
/// # Panics
/// Never: conversion to f32 of a float tensor's own data cannot fail.
pub fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}

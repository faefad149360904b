//! A module's float parameters by their dotted path (`blocks.0.qkv_w`), to and from host memory.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// A tensor in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// The sizes of its axes.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub data: Vec<f32>,
}

/// Parameters that are not the module's.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// A parameter has no tensor.
    #[error("no tensor for the parameter `{0}`")]
    Missing(String),
    /// A tensor has no parameter.
    #[error("the tensor `{0}` is no parameter of the model")]
    Unknown(String),
    /// A tensor of another shape.
    #[error("the tensor `{name}` should have the shape {expected:?} and has {found:?}")]
    Shape {
        /// The parameter's path.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
    },
}

/// Copies every float parameter of a module to the host, by path.
pub fn collect_params<M: Module>(model: &M) -> BTreeMap<String, HostTensor> {
    let mut collect = Collect { path: Vec::new(), params: BTreeMap::new() };
    model.visit(&mut collect);
    collect.params
}

/// Replaces every float parameter of a module; devices and gradient settings stay as they are.
///
/// # Errors
/// If the tensors are not exactly the module's parameters.
pub fn restore_params<M: Module>(model: M, params: BTreeMap<String, HostTensor>) -> Result<M, ParamsError> {
    let mut restore = Restore { path: Vec::new(), params, error: None };
    let model = model.map(&mut restore);
    if let Some(error) = restore.error {
        return Err(error);
    }
    match restore.params.into_keys().next() {
        Some(name) => Err(ParamsError::Unknown(name)),
        None => Ok(model),
    }
}

/// Copies a tensor to the host.
///
/// # Panics
/// Never: conversion to f32 of a float tensor's own data cannot fail.
pub(crate) fn to_host<const D: usize>(tensor: Tensor<D>) -> HostTensor {
    let shape = tensor.shape().to_vec();
    let data = tensor.into_data_as::<f32>().try_into_vec().expect("the data was converted to f32");
    HostTensor { shape, data }
}

struct Collect {
    path: Vec<String>,
    params: BTreeMap<String, HostTensor>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.params.insert(self.path.join("."), to_host(param.val().detach()));
    }
}

struct Restore {
    path: Vec<String>,
    params: BTreeMap<String, HostTensor>,
    error: Option<ParamsError>,
}

impl ModuleMapper for Restore {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let expected = param.lazy_shape().to_vec();
        match self.params.remove(&name) {
            Some(HostTensor { shape, data }) if shape == expected => {
                let (id, device) = (param.id, param.lazy_device());
                param.transform_for_load(Tensor::from_data(TensorData::new(data, shape), &device), id)
            }
            Some(HostTensor { shape: found, .. }) => {
                self.error.get_or_insert(ParamsError::Shape { name, expected, found });
                param
            }
            None => {
                self.error.get_or_insert(ParamsError::Missing(name));
                param
            }
        }
    }
}

//! The walk over a module's parameters, to read them and to set them.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::path::ModulePath;
use crate::tensor::{NamedTensor, to_host};

/// Tensors that are not a module's parameters: every difference, a line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("weights do not fit the model:\n{}", .0.join("\n"))]
pub struct Mismatch(
    /// The differences: missing, unexpected, of another shape.
    pub Vec<String>,
);

/// The parameters of a module with their names, in the order of its fields.
pub fn named_parameters<M: Module>(module: &M) -> Vec<NamedTensor> {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.found
}

/// The module with its parameters' values replaced by those of the same name. Devices, ids and
/// gradient settings stay as they are.
///
/// # Errors
/// If the tensors are not exactly the module's parameters.
pub fn assign_parameters<M: Module>(module: M, values: Vec<NamedTensor>) -> Result<M, Mismatch> {
    let given: BTreeMap<String, NamedTensor> =
        values.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let mut shapes = Shapes::default();
    module.visit(&mut shapes);
    let differences = differences(&shapes.found, &given);
    if !differences.is_empty() {
        return Err(Mismatch(differences));
    }
    Ok(module.map(&mut Assign { path: ModulePath::default(), given }))
}

fn differences(expected: &[(String, Vec<usize>)], given: &BTreeMap<String, NamedTensor>) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, shape) in expected {
        match given.get(name) {
            None => differences.push(format!("  missing    `{name}` {shape:?}")),
            Some(tensor) if tensor.shape != *shape => differences
                .push(format!("  shape      `{name}`: expected {shape:?}, found {:?}", tensor.shape)),
            Some(_) => {}
        }
    }
    let names: BTreeSet<&String> = expected.iter().map(|(name, _)| name).collect();
    for tensor in given.values().filter(|tensor| !names.contains(&tensor.name)) {
        differences.push(format!("  unexpected `{}` {:?}", tensor.name, tensor.shape));
    }
    differences
}

/// Copies values to the host.
#[derive(Default)]
struct Collect {
    path: ModulePath,
    found: Vec<NamedTensor>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().detach();
        let shape = tensor.dims().to_vec();
        self.found.push(NamedTensor { name: self.path.name(), shape, values: to_host(tensor) });
    }
}

/// Names and shapes, without reading values.
#[derive(Default)]
struct Shapes {
    path: ModulePath,
    found: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((self.path.name(), param.lazy_shape().to_vec()));
    }
}

/// Sets values, all of which are there.
struct Assign {
    path: ModulePath,
    given: BTreeMap<String, NamedTensor>,
}

impl ModuleMapper for Assign {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(tensor) = self.given.remove(&self.path.name()) else { return param };
        with_values(param, TensorData::new(tensor.values, tensor.shape))
    }
}

/// A parameter with other values of the same shape: where it is, and on the tape if it was.
pub fn with_values<const D: usize>(param: Param<Tensor<D>>, values: TensorData) -> Param<Tensor<D>> {
    let (id, old, mapper) = param.consume();
    let mut value = Tensor::<D>::from_data(values, &old.device());
    if old.is_require_grad() {
        value = value.require_grad();
    }
    Param::from_mapped_value(id, value, mapper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Inner {
        bias: Param<Tensor<1>>,
    }

    #[derive(Module, Debug)]
    struct Outer {
        weight: Param<Tensor<2>>,
        inner: Vec<Inner>,
    }

    fn outer() -> Outer {
        let device = Device::flex().autodiff();
        Outer {
            weight: Param::from_data([[1.0f32, 2.0]], &device),
            inner: vec![Inner { bias: Param::from_data([3.0f32], &device) }],
        }
    }

    fn tensor(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
        NamedTensor { name: name.to_owned(), shape: shape.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn parameters_have_the_names_of_their_fields_and_can_be_set() {
        let module = outer();
        let (id, found) = (module.weight.id, named_parameters(&module));
        assert_eq!(found, [tensor("weight", &[1, 2], &[1.0, 2.0]), tensor("inner.0.bias", &[1], &[3.0])]);
        let values = vec![tensor("inner.0.bias", &[1], &[9.0]), tensor("weight", &[1, 2], &[7.0, 8.0])];
        let set = assign_parameters(module, values).unwrap();
        assert_eq!(named_parameters(&set).iter().map(|t| t.values[0]).collect::<Vec<_>>(), [7.0, 9.0]);
        assert_eq!(set.weight.id, id);
        assert!(set.weight.val().is_require_grad(), "it still has gradients");
    }

    #[test]
    fn every_difference_is_named() {
        let values = vec![tensor("weight", &[2, 1], &[0.0, 0.0]), tensor("extra", &[1], &[0.0])];
        let error = assign_parameters(outer(), values).unwrap_err().to_string();
        let expected = [
            "weights do not fit the model:",
            "  shape      `weight`: expected [1, 2], found [2, 1]",
            "  missing    `inner.0.bias` [1]",
            "  unexpected `extra` [1]",
        ];
        assert_eq!(error, expected.join("\n"));
    }
}

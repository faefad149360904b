//! Reading the reference fixtures.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_model::NamedTensor;
use safetensors::tensor::{Dtype, SafeTensors};

/// The devices whose operations are tested: flex, and LibTorch's where the build and the machine have
/// them.
pub(crate) fn devices() -> Vec<Device> {
    let processors: &[&str] = if cfg!(feature = "tch") { &["cpu", "tch-cpu"] } else { &["cpu"] };
    let picked = processors.iter().map(|name| igpt_model::pick_device(name).unwrap());
    picked.chain(igpt_model::pick_device("cuda").ok()).map(|picked| picked.device).collect()
}

/// The tensors of a safetensors file, in double precision.
pub(crate) struct Tensors(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Tensors {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
                Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
                Dtype::U8 => data.iter().map(|b| f64::from(*b)).collect(),
                other => panic!("`{name}` is {other:?}"),
            };
            (name, (view.shape().to_vec(), values))
        });
        Self(tensors.collect())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn values(&self, name: &str) -> &[f64] {
        &self.0.get(name).unwrap_or_else(|| panic!("no tensor `{name}`")).1
    }

    pub(crate) fn shape(&self, name: &str) -> &[usize] {
        &self.0[name].0
    }

    pub(crate) fn floats<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let values: Vec<f32> = self.values(name).iter().map(|v| *v as f32).collect();
        Tensor::from_data(TensorData::new(values, self.shape(name)), device)
    }

    pub(crate) fn ints<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Int> {
        let values: Vec<i64> = self.values(name).iter().map(|v| *v as i64).collect();
        Tensor::from_data(TensorData::new(values, self.shape(name)), device)
    }

    /// Every tensor as a parameter, renamed by `rename` (`None`: left out).
    pub(crate) fn parameters(&self, rename: impl Fn(&str) -> Option<String>) -> Vec<NamedTensor> {
        self.0
            .iter()
            .filter_map(|(name, (shape, values))| {
                Some(NamedTensor {
                    name: rename(name)?,
                    shape: shape.clone(),
                    values: values.iter().map(|v| *v as f32).collect(),
                })
            })
            .collect()
    }

    /// Asserts that a tensor equals the expected one within `tolerance`, absolutely.
    pub(crate) fn assert_close<const D: usize>(&self, name: &str, found: Tensor<D>, tolerance: f64) {
        assert_eq!(found.dims().as_slice(), self.shape(name), "shape of `{name}`");
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        let worst = worst(self.values(name), &found);
        assert!(worst <= tolerance, "`{name}` is off by {worst:e}, more than {tolerance:e}");
    }
}

/// The largest absolute difference; infinite where one is not a number.
pub(crate) fn worst(expected: &[f64], found: &[f32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    expected.iter().zip(found).fold(0.0, |worst, (e, f)| {
        let difference = (e - f64::from(*f)).abs();
        if difference.is_nan() { f64::INFINITY } else { difference.max(worst) }
    })
}

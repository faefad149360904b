//! Initial parameters: drawn in the order of the network's fields, and numbered in it.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use igpt_contract::Stream;
use rand_distr::{Distribution as _, StandardNormal};

use crate::config::GptConfig;
use crate::layers::{Linear, Norm};

/// A parameter with an id of our choosing.
pub(crate) fn parameter<const D: usize>(id: u64, data: TensorData, device: &Device) -> Param<Tensor<D>> {
    let (_, value, mapper) = Param::<Tensor<D>>::from_data(data, device).consume();
    Param::from_mapped_value(ParamId::from(id), value, mapper)
}

/// Draws initial parameters and numbers them.
pub(crate) struct Initialiser<'a> {
    /// None: weights are zero.
    pub(crate) stream: Option<&'a mut Stream>,
    pub(crate) device: &'a Device,
    pub(crate) next_id: u64,
    pub(crate) config: &'a GptConfig,
}

impl Initialiser<'_> {
    fn add<const D: usize>(&mut self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        let id = self.next_id;
        self.next_id += 1;
        parameter(id, TensorData::new(values, shape), self.device)
    }

    pub(crate) fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        let n = shape.iter().product();
        let values = match &mut self.stream {
            Some(stream) if std != 0.0 => {
                let mut draw = || -> f64 { StandardNormal.sample(&mut **stream) };
                (0..n).map(|_| (std * draw()) as f32).collect()
            }
            _ => vec![0.0; n],
        };
        self.add(shape, values)
    }

    pub(crate) fn norm(&mut self, n: usize) -> Norm {
        let weight = self.add([n], vec![1.0; n]);
        Norm { weight, bias: self.bias(self.config.variant.has_biases(), n) }
    }

    pub(crate) fn linear(&mut self, k: usize, n: usize, std: f64) -> Linear {
        let weight = self.normal([k, n], std);
        Linear { weight, bias: self.bias(self.config.linear_biases(), n) }
    }

    fn bias(&mut self, present: bool, n: usize) -> Option<Param<Tensor<1>>> {
        present.then(|| self.add([n], vec![0.0; n]))
    }
}

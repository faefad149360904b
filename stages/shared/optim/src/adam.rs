//! Adam with bias correction and optional decoupled weight decay, its state by parameter path.
//!
//! State stays on the model's device. burn's own Adam would do the same arithmetic in many passes,
//! and keys its state by process-wide random ids, saved in its own format; here a checkpoint is
//! safetensors by name.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use igpt_aten::AdamRule;
use igpt_module::{Mismatch, ModulePath, NamedTensor, to_host};

use crate::update::{AdamTensors, UpdateQueue};

/// Adam's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamParams {
    /// The decay of the mean of gradients. 0.9 in the paper (section 3.4).
    pub beta1: f64,
    /// The decay of the mean of squared gradients. 0.95 in the paper (section 3.4).
    pub beta2: f64,
    /// Added to the root of the bias-corrected mean of squares (PyTorch's form). 1e-8.
    pub epsilon: f64,
    /// Decoupled weight decay: each step shrinks matrices (tensors of two axes or more; no biases,
    /// no gains) by `learning rate * weight_decay`. 0 in the paper, which tries 0.01 (appendix A.1).
    pub weight_decay: f64,
}

impl Default for AdamParams {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamParams {
    /// The constants of the update of that number, from 1.
    pub(crate) fn rule(self, step: u64, learning_rate: f64) -> AdamRule {
        let Self { beta1, beta2, epsilon, weight_decay } = self;
        AdamRule { step, learning_rate, beta1, beta2, epsilon, weight_decay }
    }
}

/// The rule for a tensor of so many axes: matrices alone are shrunk.
pub(crate) fn of_axes(rule: AdamRule, axes: usize) -> AdamRule {
    if axes < 2 { AdamRule { weight_decay: 0.0, ..rule } } else { rule }
}

/// The optimizer with its state.
#[derive(Debug, Clone)]
pub struct Adam {
    params: AdamParams,
    /// Updates done so far.
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

/// The running means of a parameter's gradient, flat.
#[derive(Debug, Clone)]
struct Moments {
    mean: Tensor<1>,
    square: Tensor<1>,
}

impl Adam {
    /// A fresh optimizer.
    pub fn new(params: AdamParams) -> Self {
        Self { params, steps: 0, moments: BTreeMap::new() }
    }

    /// Updates done so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One update with the given learning rate:
    ///
    /// ```text
    /// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
    /// p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) - lr weight_decay p
    /// ```
    ///
    /// Parameters without a gradient stay as they are.
    #[must_use]
    pub fn step<M: Module>(&mut self, learning_rate: f64, model: M, grads: GradientsParams) -> M {
        self.steps += 1;
        let rule = self.params.rule(self.steps, learning_rate);
        let queue = UpdateQueue::default();
        let (moments, path) = (&mut self.moments, ModulePath::default());
        let model = model.map(&mut AdamMapper { rule, moments, grads, queue: &queue, path });
        queue.finish();
        model
    }

    /// The state on the host: `<name>.m` and `<name>.v` for each parameter that has been updated.
    pub fn state(&self) -> Vec<NamedTensor> {
        self.moments
            .iter()
            .flat_map(|(path, Moments { mean, square })| {
                [(format!("{path}.m"), mean), (format!("{path}.v"), square)]
            })
            .map(|(name, tensor)| NamedTensor {
                name,
                shape: tensor.shape().to_vec(),
                values: to_host(tensor.clone()),
            })
            .collect()
    }

    /// An optimizer with the state that [`Self::state`] gave after `steps` updates; the tensors
    /// are put on `device`.
    ///
    /// # Errors
    /// If one of a pair of tensors is missing, a name is not of that form, or shapes differ.
    pub fn restored(
        params: AdamParams,
        steps: u64,
        state: Vec<NamedTensor>,
        device: &Device,
    ) -> Result<Self, Mismatch> {
        let mut state: BTreeMap<String, NamedTensor> =
            state.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        let refuse = |what: String| Mismatch(vec![what]);
        let mut moments = BTreeMap::new();
        while let Some((name, mean)) = state.pop_first() {
            let Some(path) = name.strip_suffix(".m") else {
                return Err(refuse(format!("  unexpected `{name}`")));
            };
            let square = format!("{path}.v");
            let Some(square) = state.remove(&square) else {
                return Err(refuse(format!("  missing    `{square}`")));
            };
            if square.shape != mean.shape {
                let (name, expected, found) = (&square.name, &mean.shape, &square.shape);
                return Err(refuse(format!("  shape      `{name}`: expected {expected:?}, found {found:?}")));
            }
            let on_device = |NamedTensor { values, .. }: NamedTensor| {
                let n = values.len();
                Tensor::from_data(TensorData::new(values, [n]), device)
            };
            let pair = Moments { mean: on_device(mean), square: on_device(square) };
            moments.insert(path.to_owned(), pair);
        }
        Ok(Self { params, steps, moments })
    }
}

/// The walk over a module that updates each parameter.
struct AdamMapper<'a> {
    rule: AdamRule,
    moments: &'a mut BTreeMap<String, Moments>,
    grads: GradientsParams,
    queue: &'a UpdateQueue,
    path: ModulePath,
}

impl AdamMapper<'_> {
    /// The new value of a flat parameter; its moments move on.
    fn update(&mut self, value: Tensor<1>, grad: Tensor<1>, rank: usize) -> Tensor<1> {
        let path = self.path.name();
        let Moments { mean, square } = self.moments.remove(&path).unwrap_or_else(|| {
            let zeros = || Tensor::zeros(grad.shape(), &grad.device());
            Moments { mean: zeros(), square: zeros() }
        });
        let rule = of_axes(self.rule, rank);
        let before = AdamTensors { value, mean, square };
        let AdamTensors { value, mean, square } = before.by(grad, rule, self.queue);
        self.moments.insert(path, Moments { mean, square });
        value
    }
}

impl ModuleMapper for AdamMapper<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return param };
        let (id, value, mapper) = param.consume();
        let (require_grad, strategy) = (value.is_require_grad(), value.gradient_checkpointing_strategy());
        let (value, shape) = (value.inner(), grad.shape());
        let n = shape.num_elements();
        let updated = self.update(value.reshape([n]), grad.reshape([n]), D).reshape(shape);
        // Leaving the tape resets what the parameter carried on it: put it back.
        let mut lifted = Tensor::from_inner(updated);
        if let Some(strategy) = strategy {
            lifted = lifted.with_gradient_checkpointing_strategy(strategy);
        }
        Param::from_mapped_value(id, lifted.set_require_grad(require_grad), mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_module::{assign_parameters, named_parameters};

    #[derive(Module, Debug)]
    struct Tiny {
        w: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
        unused: Param<Tensor<1>>,
    }

    fn tiny() -> Tiny {
        let device = Device::flex().autodiff();
        Tiny {
            w: Param::from_data([[0.5f32, -1.0], [2.0, 0.25]], &device),
            b: Param::from_data([1.0f32, -1.0], &device),
            unused: Param::from_data([3.0f32], &device),
        }
    }

    fn grads(model: &Tiny) -> GradientsParams {
        let loss = model.w.val().powi_scalar(3).sum() + model.b.val().square().sum();
        GradientsParams::from_grads(loss.backward(), model)
    }

    #[test]
    fn the_first_step_moves_each_weight_by_the_learning_rate() {
        let mut adam = Adam::new(AdamParams::default());
        let model = tiny();
        let g = grads(&model);
        let after = named_parameters(&adam.step(0.1, model, g));
        let expected = [0.4f32, -1.1, 1.9, 0.15];
        for (found, expected) in after[0].values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(after[2].values, [3.0], "no gradient, no change");
    }

    #[test]
    fn decay_is_decoupled_and_spares_vectors() {
        let params = AdamParams { weight_decay: 0.5, ..AdamParams::default() };
        let mut adam = Adam::new(params);
        let model = tiny();
        let g = grads(&model);
        let after = named_parameters(&adam.step(0.1, model, g));
        assert!((after[0].values[0] - (0.5 * 0.95 - 0.1)).abs() < 1e-6);
        assert!((after[1].values[0] - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let run = |steps: u64, model: Tiny, adam: &mut Adam| {
            (0..steps).fold(model, |model, _| {
                let g = grads(&model);
                adam.step(0.05, model, g)
            })
        };
        let mut straight = Adam::new(AdamParams::default());
        let expected = named_parameters(&run(7, tiny(), &mut straight));

        let mut first = Adam::new(AdamParams::default());
        let saved = named_parameters(&run(3, tiny(), &mut first));
        let mut second =
            Adam::restored(AdamParams::default(), first.steps(), first.state(), &Device::flex()).unwrap();
        let model = assign_parameters(tiny(), saved).unwrap();
        let found = named_parameters(&run(4, model, &mut second));
        assert_eq!(found, expected);
        assert_eq!(second.state(), straight.state());
    }
}

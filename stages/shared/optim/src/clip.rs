//! Clipping the gradients by their global norm (burn's own clipping is per parameter).

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Scales all gradients of `model` so that the norm of their concatenation is at most `max_norm`;
/// leaves them alone where `max_norm` is `None` (the default of the stages: the paper clips
/// nothing). Returns the norm before clipping, which is not a number if a gradient is not.
///
/// The scale is `max_norm / (norm + 1e-6)`, as PyTorch's `clip_grad_norm_` has it.
pub fn clip_global_norm<M: Module>(model: &M, grads: &mut GradientsParams, max_norm: Option<f64>) -> f64 {
    let mut squares = SumsOfSquares { grads, sums: Vec::new() };
    model.visit(&mut squares);
    let norm = squares.total().sqrt();
    if let Some(by) = max_norm.and_then(|max_norm| scale(norm, max_norm)) {
        model.visit(&mut Scale { grads, by });
    }
    norm
}

/// What gradients of that norm are multiplied by; none where they are left alone.
pub(crate) fn scale(norm: f64, max_norm: f64) -> Option<f64> {
    (norm > max_norm).then(|| max_norm / (norm + 1e-6))
}

/// Elements summed at once. burn-flex splits longer sums among its threads in an order that depends
/// on how many there are; shorter ones are summed by one thread, always alike.
pub(crate) const BLOCK: usize = 1 << 20;

struct SumsOfSquares<'a> {
    grads: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl SumsOfSquares<'_> {
    /// The sum of all, in double precision; waits for the device once.
    fn total(self) -> f64 {
        if self.sums.is_empty() {
            return 0.0;
        }
        Tensor::cat(self.sums, 0).into_data().iter::<f64>().sum()
    }
}

/// Adds the sums of squares of a flat gradient's blocks.
pub(crate) fn sums_of_squares(grad: Tensor<1>, sums: &mut Vec<Tensor<1>>) {
    let n = grad.shape().num_elements();
    let squares = grad.square();
    for first in (0..n).step_by(BLOCK) {
        sums.push(squares.clone().narrow(0, first, BLOCK.min(n - first)).sum());
    }
}

impl ModuleVisitor for SumsOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let n = grad.shape().num_elements();
            sums_of_squares(grad.reshape([n]), &mut self.sums);
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    by: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad.mul_scalar(self.by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Two {
        a: Param<Tensor<1>>,
        b: Param<Tensor<2>>,
    }

    fn model_and_grads() -> (Two, GradientsParams) {
        let device = Device::flex().autodiff();
        let model = Two {
            a: Param::from_data([1.0f32, 2.0], &device),
            b: Param::from_data([[3.0f32], [4.0]], &device),
        };
        // The gradient is (1, 2) and (2, 4): its global norm is 5.
        let c = Tensor::<1>::from_data([1.0f32, 2.0], &device);
        let d = Tensor::<2>::from_data([[2.0f32], [4.0]], &device);
        let loss = (model.a.val() * c).sum() + (model.b.val() * d).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        (model, grads)
    }

    #[test]
    fn the_norm_is_over_all_tensors_and_a_smaller_one_is_left_alone() {
        let (model, mut grads) = model_and_grads();
        assert_eq!(clip_global_norm(&model, &mut grads, None), 5.0);
        assert_eq!(clip_global_norm(&model, &mut grads, Some(5.0)), 5.0);
        assert_eq!(grads.get::<1>(model.a.id).unwrap().into_data().try_to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn a_larger_norm_comes_down_to_the_bound() {
        let (model, mut grads) = model_and_grads();
        assert_eq!(clip_global_norm(&model, &mut grads, Some(0.5)), 5.0);
        let after = clip_global_norm(&model, &mut grads, None);
        assert!((after - 0.5).abs() < 1e-6, "{after}");
    }
}

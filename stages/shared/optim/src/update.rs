//! One update of one parameter by Adam, as an operation of its own: a single pass over the four
//! tensors instead of a dozen.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use igpt_aten::AdamRule;
use rayon::prelude::*;

/// A parameter and the running means of its gradient, flat.
pub(crate) struct AdamTensors {
    pub(crate) value: Tensor<1>,
    pub(crate) mean: Tensor<1>,
    pub(crate) square: Tensor<1>,
}

impl AdamTensors {
    /// All three after one more gradient, not to be read before [`UpdateQueue::finish`]. Reuses memory
    /// that nothing else refers to.
    pub(crate) fn by(self, grad: Tensor<1>, rule: AdamRule, queue: &UpdateQueue) -> Self {
        let Self { value, mean, square } = self;
        let (value, mean, square) = Dispatch::igpt_adam(
            value.into_dispatch(),
            mean.into_dispatch(),
            square.into_dispatch(),
            grad.into_dispatch(),
            rule,
            queue.clone(),
        );
        let tensor = Tensor::from_dispatch;
        Self { value: tensor(value), mean: tensor(mean), square: tensor(square) }
    }
}

/// Updates that wait to be done together: on a GPU, one pass over many small tensors costs as much as
/// one over a few. On the CPU none ever waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpdateQueue {
    #[cfg(feature = "tch")]
    waiting: std::sync::Arc<std::sync::Mutex<Vec<torch::Waiting>>>,
}

impl UpdateQueue {
    /// Does the waiting updates.
    pub(crate) fn finish(self) {
        #[cfg(feature = "tch")]
        torch::finish(std::mem::take(&mut self.waiting.lock().expect("no update panicked")));
    }
}

/// A parameter, the mean of its gradients and that of their squares.
type Primitives<B> = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

#[backend_extension(Flex, LibTorch: cfg(feature = "tch"))]
trait AdamOps: Backend {
    fn igpt_adam(
        value: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        rule: AdamRule,
        queue: UpdateQueue,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Elements that one piece of work updates: their sixteen bytes each are read and written in cache.
const PIECE: usize = 1 << 14;

impl AdamOps for Flex {
    fn igpt_adam(
        value: FlexTensor,
        mean: FlexTensor,
        square: FlexTensor,
        grad: FlexTensor,
        rule: AdamRule,
        _: UpdateQueue,
    ) -> Primitives<Self> {
        let [mut value, mut mean, mut square, grad] =
            [value, mean, square, grad].map(|tensor| tensor.to_contiguous());
        let (first, n) = extent(&grad);
        let grad = &grad.storage::<f32>()[first..][..n];
        elements(&mut value)
            .par_chunks_mut(PIECE)
            .zip(elements(&mut mean).par_chunks_mut(PIECE))
            .zip(elements(&mut square).par_chunks_mut(PIECE))
            .zip(grad.par_chunks(PIECE))
            .for_each(|(((value, mean), square), grad)| update(value, mean, square, grad, rule));
        (value, mean, square)
    }
}

/// Where a tensor's elements begin in its memory, and how many there are.
fn extent(tensor: &FlexTensor) -> (usize, usize) {
    (tensor.layout().start_offset(), tensor.layout().num_elements())
}

/// A tensor's elements, in memory that nothing else refers to.
fn elements(tensor: &mut FlexTensor) -> &mut [f32] {
    let (first, n) = extent(tensor);
    &mut tensor.storage_mut::<f32>()[first..][..n]
}

/// [`crate::Adam::step`]'s formula, in f32.
fn update(value: &mut [f32], mean: &mut [f32], square: &mut [f32], grad: &[f32], rule: AdamRule) {
    let AdamRule { step, learning_rate, beta1, beta2, epsilon, weight_decay } = rule;
    let correction = |beta: f64| 1.0 - beta.powf(step as f64);
    let step_size = (learning_rate / correction(beta1)) as f32;
    let root_correction2 = correction(beta2).sqrt() as f32;
    let (new1, new2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
    let (beta1, beta2, epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
    let keep = (1.0 - learning_rate * weight_decay) as f32;
    for (((value, mean), square), grad) in value.iter_mut().zip(mean).zip(square).zip(grad) {
        *mean = *mean * beta1 + grad * new1;
        *square = *square * beta2 + grad * grad * new2;
        *value = *value * keep - *mean * step_size / (square.sqrt() / root_correction2 + epsilon);
    }
}

#[cfg(feature = "tch")]
mod torch {
    use burn::backend::LibTorch;
    use burn::backend::libtorch::TchTensor;
    use igpt_aten::AdamRule;

    use super::{AdamOps, Primitives, UpdateQueue};

    /// An update whose tensors are in nobody else's memory.
    pub(super) type Waiting = (AdamRule, igpt_aten::AdamTensors);

    impl AdamOps for LibTorch {
        fn igpt_adam(
            value: TchTensor,
            mean: TchTensor,
            square: TchTensor,
            grad: TchTensor,
            rule: AdamRule,
            queue: UpdateQueue,
        ) -> Primitives<Self> {
            let [value, mean, square] = [value, mean, square].map(own);
            let same = |tensor: &TchTensor| tensor.tensor.shallow_clone();
            let updated = igpt_aten::AdamTensors {
                value: same(&value),
                gradient: grad.tensor,
                mean: same(&mean),
                square: same(&square),
            };
            queue.waiting.lock().expect("no update panicked").push((rule, updated));
            (value, mean, square)
        }
    }

    /// The same values in memory that nothing else refers to.
    fn own(tensor: TchTensor) -> TchTensor {
        if tensor.can_mut() { tensor } else { TchTensor::new(tensor.tensor.copy()) }
    }

    /// Does all updates, those of one weight decay together.
    pub(super) fn finish(waiting: Vec<Waiting>) {
        let (with, without): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(rule, _)| rule.weight_decay > 0.0);
        for group in [with, without] {
            let Some(rule) = group.first().map(|(rule, _)| *rule) else { continue };
            let group: Vec<_> = group.into_iter().map(|(_, updated)| updated).collect();
            igpt_aten::adam(&group, rule);
        }
    }
}

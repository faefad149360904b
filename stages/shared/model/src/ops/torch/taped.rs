//! Results on LibTorch's own tape, for operations whose backward pass aten knows and tch cannot name.

use burn::backend::libtorch::TchTensor;
use tch::Tensor;

/// A result on LibTorch's tape, and the operands that it was made of.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Taped<const N: usize> {
    operands: [Option<TchTensor>; N],
    result: TchTensor,
}

/// Computes a result from operands, of which some may be absent.
pub(super) fn taped<const N: usize>(
    operands: [Option<TchTensor>; N],
    compute: impl FnOnce([Option<&Tensor>; N]) -> Tensor,
) -> (TchTensor, Taped<N>) {
    // Tensors of one memory share a storage: while the tape lives, burn changes none of them in place.
    let operands = operands.map(|operand| {
        operand.map(|TchTensor { tensor, storage }| {
            TchTensor::from_existing(tensor.detach().set_requires_grad(true), storage)
        })
    });
    let result = TchTensor::new(compute(operands.each_ref().map(|o| o.as_ref().map(|o| &o.tensor))));
    let detached = TchTensor::from_existing(result.tensor.detach(), result.storage.clone());
    (detached, Taped { operands, result })
}

impl<const N: usize> Taped<N> {
    /// The gradients of the operands from that of the result.
    pub(super) fn gradients(self, dy: TchTensor) -> [Option<TchTensor>; N] {
        let Self { operands, result } = self;
        let slope = dy.tensor.to_kind(result.tensor.kind());
        let wanted: Vec<&Tensor> = operands.iter().flatten().map(|operand| &operand.tensor).collect();
        let mut found = igpt_aten::gradients(&result.tensor, &slope, &wanted).into_iter();
        operands.map(|operand| operand.and_then(|_| found.next()).map(TchTensor::new))
    }
}

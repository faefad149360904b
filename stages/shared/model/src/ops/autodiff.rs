//! Gradients of the fused operations for burn's automatic differentiation: each forward pass leaves
//! a step on the tape that runs the backward pass written for it.

use std::fmt;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as Tape;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend};

use crate::ops::fused::{FusedGradients, FusedOps, Gradients, Kept, Maybe, MlpOperands};

/// A step of the tape: from what the forward pass kept and the result's gradient to the parents'.
struct Step<B: Backend, K, const N: usize>(fn(K, FloatTensor<B>) -> Gradients<B, N>);

impl<B: Backend, K, const N: usize> fmt::Debug for Step<B, K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FusedStep")
    }
}

impl<B: Backend, K: Kept, const N: usize> Backward<B, N> for Step<B, K, N> {
    type State = K;

    fn backward(self, ops: Ops<K, N>, tape: &mut Tape, _: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        for (parent, value) in ops.parents.into_iter().zip((self.0)(ops.state, gradient)) {
            if let (Some(parent), Some(value)) = (parent, value) {
                tape.register::<B>(parent.id, value);
            }
        }
    }
}

/// Puts a computed result on the tape, with what `backward` gets beside its gradient.
fn record<B: Backend, C: CheckpointStrategy, K: Kept, const N: usize>(
    parents: [NodeGuard; N],
    (result, kept): (FloatTensor<B>, K),
    backward: fn(K, FloatTensor<B>) -> Gradients<B, N>,
) -> FloatTensor<Autodiff<B, C>> {
    match Step(backward).prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, result),
        OpsKind::UnTracked(step) => step.finish(result),
    }
}

/// An operand that may be absent, off the tape.
fn inner<B: Backend, C: CheckpointStrategy>(
    tensor: Option<FloatTensor<Autodiff<B, C>>>,
) -> Option<FloatTensor<B>> {
    tensor.map(|tensor| tensor.into_primitive())
}

/// The node of a parent that may be absent; a stand-in holds its place, which gets no gradient.
macro_rules! node {
    ($tensor:expr, else $stand_in:expr) => {
        $tensor.as_ref().map_or_else(|| $stand_in.node(), |tensor| tensor.node())
    };
}

impl<B: FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn igpt_attention(qkv: FloatTensor<Self>, n_head: usize, causal: bool) -> FloatTensor<Self> {
        let parents = [qkv.node()];
        let result = B::attention_forward(qkv.into_primitive(), n_head, causal);
        record::<B, C, _, 1>(parents, result, B::attention_backward)
    }

    fn igpt_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: Maybe<Self>,
        half: bool,
    ) -> FloatTensor<Self> {
        let bias = bias.get();
        let parents = [x.node(), gain.node(), node!(bias, else x)];
        let result = B::norm_forward(x.into_primitive(), gain.into_primitive(), inner::<B, C>(bias), half);
        record::<B, C, _, 3>(parents, result, B::norm_backward)
    }

    fn igpt_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        transposed: bool,
    ) -> FloatTensor<Self> {
        let (bias, residual) = (bias.get(), residual.get());
        let parents = [x.node(), weight.node(), node!(bias, else x), node!(residual, else x)];
        let (bias, residual) = (inner::<B, C>(bias), inner::<B, C>(residual));
        let result =
            B::linear_forward(x.into_primitive(), weight.into_primitive(), bias, residual, transposed);
        record::<B, C, _, 4>(parents, result, B::linear_backward)
    }

    fn igpt_mlp(mlp: MlpOperands<Self>) -> FloatTensor<Self> {
        let MlpOperands { x, fc, fc_bias, proj, proj_bias, residual, activation } = mlp;
        let [fc_bias, proj_bias, residual] = [fc_bias, proj_bias, residual].map(Maybe::get);
        let parents = [
            x.node(),
            fc.node(),
            node!(fc_bias, else x),
            proj.node(),
            node!(proj_bias, else x),
            node!(residual, else x),
        ];
        let [fc_bias, proj_bias, residual] =
            [fc_bias, proj_bias, residual].map(|operand| Maybe::new(inner::<B, C>(operand)));
        let (x, fc, proj) = (x.into_primitive(), fc.into_primitive(), proj.into_primitive());
        let mlp = MlpOperands { x, fc, fc_bias, proj, proj_bias, residual, activation };
        record::<B, C, _, 6>(parents, B::mlp_forward(mlp), B::mlp_backward)
    }

    fn igpt_cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self> {
        let parents = [logits.node()];
        let result = B::cross_entropy_forward(logits.into_primitive(), targets);
        record::<B, C, _, 1>(parents, result, B::cross_entropy_backward)
    }
}

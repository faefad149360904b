//! Gradients of the fused operations for burn's automatic differentiation: each forward pass leaves
//! a step on the tape that runs the backward pass written for it.

use std::fmt;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as Tape;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend};

use crate::ops::fused::{FusedGradients, FusedOps, Gradients, Maybe, MlpOperands, NormOperands, Saved};

/// Gives parents on the tape their gradients.
fn register<B: Backend, const N: usize>(
    tape: &mut Tape,
    parents: [Option<NodeId>; N],
    gradients: Gradients<B, N>,
) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let (Some(parent), Some(gradient)) = (parent, gradient) {
            tape.register::<B>(parent, gradient);
        }
    }
}

/// A step of the tape: from what the forward pass saved and the result's gradient to the parents'.
struct Step<B: Backend, K, const N: usize>(fn(K, FloatTensor<B>) -> Gradients<B, N>);

impl<B: Backend, K, const N: usize> fmt::Debug for Step<B, K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FusedStep")
    }
}

impl<B: Backend, K: Saved, const N: usize> Backward<B, N> for Step<B, K, N> {
    type State = K;

    fn backward(self, ops: Ops<K, N>, tape: &mut Tape, _: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| Some(parent?.id));
        register::<B, N>(tape, parents, (self.0)(ops.state, gradient));
    }
}

/// A step that is given what there is so far of its first parent's gradient, too.
type Adding<B, K, const N: usize> = fn(K, FloatTensor<B>, Option<FloatTensor<B>>) -> Gradients<B, N>;

/// A residual branch from its norm on, whose first parent x goes on beside it: the gradient of x that the branch
/// gives is added to the one there is so far, in the pass that computes it.
struct Branch<B: Backend, K, const N: usize> {
    backward: Adding<B, K, N>,
    /// x is added to the result: what there is so far is the result's own gradient, not what the tape has.
    residual: bool,
}

impl<B: Backend, K, const N: usize> fmt::Debug for Branch<B, K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FusedBranch")
    }
}

impl<B: Backend, K: Saved, const N: usize> Backward<B, N> for Branch<B, K, N> {
    type State = K;

    fn backward(self, ops: Ops<K, N>, tape: &mut Tape, _: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let so_far = if self.residual {
            Some(gradient.clone())
        } else {
            // What is no result of an operation, as this one is, keeps its gradient on the tape.
            let passing = ops.parents[0].as_ref().filter(|x| x.requirement == ops.node.requirement);
            passing.map(|x| tape.consume::<B>(x))
        };
        let parents = ops.parents.map(|parent| Some(parent?.id));
        register::<B, N>(tape, parents, (self.backward)(ops.state, gradient, so_far));
    }
}

/// Puts a computed result on the tape, with the step that gets what it saved beside its gradient.
fn record<B: Backend, C: CheckpointStrategy, S: Backward<B, N>, const N: usize>(
    parents: [NodeGuard; N],
    (result, saved): (FloatTensor<B>, S::State),
    step: S,
) -> FloatTensor<Autodiff<B, C>> {
    match step.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(saved, result),
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

/// A norm's operands as parents on the tape, and off it.
fn norm_operands<B: Backend, C: CheckpointStrategy>(
    norm: NormOperands<Autodiff<B, C>>,
) -> ([NodeGuard; 3], NormOperands<B>) {
    let NormOperands { x, gain, bias, half } = norm;
    let bias = bias.get();
    let parents = [x.node(), gain.node(), node!(bias, else x)];
    let bias = Maybe::new(inner::<B, C>(bias));
    (parents, NormOperands { x: x.into_primitive(), gain: gain.into_primitive(), bias, half })
}

impl<B: FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn igpt_attention(qkv: FloatTensor<Self>, n_head: usize, causal: bool) -> FloatTensor<Self> {
        let parents = [qkv.node()];
        let result = B::attention_forward(qkv.into_primitive(), n_head, causal);
        record::<B, C, _, 1>(parents, result, Step(B::attention_backward))
    }

    fn igpt_norm(norm: NormOperands<Self>, branch: bool) -> FloatTensor<Self> {
        let (parents, norm) = norm_operands(norm);
        let result = B::norm_forward(norm);
        if branch {
            record::<B, C, _, 3>(parents, result, Branch { backward: B::norm_backward, residual: false })
        } else {
            record::<B, C, _, 3>(parents, result, Step(|saved, dy| B::norm_backward(saved, dy, None)))
        }
    }

    fn igpt_branch_linear(
        norm: NormOperands<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let bias = bias.get();
        let ([x, gain, norm_bias], norm) = norm_operands(norm);
        let parents = [x, gain, norm_bias, weight.node(), node!(bias, else weight)];
        let result = B::branch_linear_forward(norm, weight.into_primitive(), inner::<B, C>(bias));
        record::<B, C, _, 5>(parents, result, Branch { backward: B::branch_linear_backward, residual: false })
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
        record::<B, C, _, 4>(parents, result, Step(B::linear_backward))
    }

    fn igpt_mlp(mlp: MlpOperands<Self>) -> FloatTensor<Self> {
        let MlpOperands { norm, fc, fc_bias, proj, proj_bias, residual, activation } = mlp;
        let [fc_bias, proj_bias] = [fc_bias, proj_bias].map(Maybe::get);
        let ([x, gain, norm_bias], norm) = norm_operands(norm);
        let parents = [
            x,
            gain,
            norm_bias,
            fc.node(),
            node!(fc_bias, else fc),
            proj.node(),
            node!(proj_bias, else proj),
        ];
        let [fc_bias, proj_bias] = [fc_bias, proj_bias].map(|operand| Maybe::new(inner::<B, C>(operand)));
        let (fc, proj) = (fc.into_primitive(), proj.into_primitive());
        let mlp = MlpOperands { norm, fc, fc_bias, proj, proj_bias, residual, activation };
        record::<B, C, _, 7>(parents, B::mlp_forward(mlp), Branch { backward: B::mlp_backward, residual })
    }

    fn igpt_cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self> {
        let parents = [logits.node()];
        let result = B::cross_entropy_forward(logits.into_primitive(), targets);
        record::<B, C, _, 1>(parents, result, Step(B::cross_entropy_backward))
    }
}

//! Gradients of the fused operations for burn's automatic differentiation: each forward pass leaves
//! a step on the tape that runs the backward pass written for it.

use std::fmt;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend};

use crate::config::Activation;
use crate::ops::fused::{FusedGradients, FusedOps, Maybe, MlpState};

/// The gradients of an operation's N parents, `None` where one is absent.
type Parents<B, const N: usize> = [Option<FloatTensor<B>>; N];

/// A step of the tape: from what the forward pass kept and the result's gradient to the parents'.
struct Step<B: Backend, S, const N: usize>(fn(S, FloatTensor<B>) -> Parents<B, N>);

impl<B: Backend, S, const N: usize> fmt::Debug for Step<B, S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FusedStep")
    }
}

impl<B, S, const N: usize> Backward<B, N> for Step<B, S, N>
where
    B: Backend,
    S: Clone + Send + fmt::Debug + 'static,
{
    type State = S;

    fn backward(self, ops: Ops<S, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        for (parent, value) in ops.parents.into_iter().zip((self.0)(ops.state, gradient)) {
            if let (Some(parent), Some(value)) = (parent, value) {
                gradients.register::<B>(parent.id, value);
            }
        }
    }
}

/// Puts a computed result on the tape. `state` is what `backward` gets beside the gradient.
fn record<B, C, S, const N: usize>(
    parents: [NodeGuard; N],
    result: FloatTensor<B>,
    state: S,
    backward: fn(S, FloatTensor<B>) -> Parents<B, N>,
) -> FloatTensor<Autodiff<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    S: Clone + Send + fmt::Debug + 'static,
{
    match Step(backward).prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(state, result),
        OpsKind::UnTracked(step) => step.finish(result),
    }
}

/// An operand that may be absent, off the tape.
fn inner<B: Backend, C: CheckpointStrategy>(tensor: Option<FloatTensor<Autodiff<B, C>>>) -> Maybe<B> {
    Maybe::new(tensor.map(|tensor| tensor.into_primitive()))
}

/// The node of a parent that may be absent; a stand-in holds its place, which gets no gradient.
macro_rules! node {
    ($tensor:expr, else $stand_in:expr) => {
        $tensor.as_ref().map_or_else(|| $stand_in.node(), |tensor| tensor.node())
    };
}

impl<B: FusedOps + FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn igpt_attention(
        qkv: FloatTensor<Self>,
        n_head: usize,
        causal: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let parents = [qkv.node()];
        let qkv = qkv.into_primitive();
        let (out, lse) = B::igpt_attention(qkv.clone(), n_head, causal);
        let state = (qkv, out.clone(), lse.clone(), n_head, causal);
        let out = record::<B, C, _, 1>(parents, out, state, |(qkv, out, lse, n_head, causal), dout| {
            [Some(B::attention_gradient(qkv, out, lse, dout, n_head, causal))]
        });
        (out, Self::from_inner(lse))
    }

    fn igpt_norm(x: FloatTensor<Self>, gain: FloatTensor<Self>, bias: Maybe<Self>) -> FloatTensor<Self> {
        let bias = bias.get();
        let parents = [x.node(), gain.node(), node!(bias, else x)];
        let (x, gain) = (x.into_primitive(), gain.into_primitive());
        let with_bias = bias.is_some();
        let y = B::igpt_norm(x.clone(), gain.clone(), inner::<B, C>(bias));
        record::<B, C, _, 3>(parents, y, (x, gain, with_bias), |(x, gain, with_bias), dy| {
            B::norm_gradient(x, gain, dy, with_bias)
        })
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
        let present = (bias.is_some(), residual.is_some(), transposed);
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = B::igpt_linear(
            x.clone(),
            weight.clone(),
            inner::<B, C>(bias),
            inner::<B, C>(residual),
            transposed,
        );
        record::<B, C, _, 4>(parents, y, (x, weight, present), |(x, weight, present), dy| {
            let (with_bias, with_residual, transposed) = present;
            let residual = with_residual.then(|| dy.clone());
            let [x, weight, bias] = B::linear_gradient(x, weight, dy, with_bias, transposed);
            [x, weight, bias, residual]
        })
    }

    fn igpt_mlp(
        x: FloatTensor<Self>,
        fc: FloatTensor<Self>,
        fc_bias: Maybe<Self>,
        proj: FloatTensor<Self>,
        proj_bias: Maybe<Self>,
        residual: Maybe<Self>,
        activation: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (fc_bias, proj_bias, residual) = (fc_bias.get(), proj_bias.get(), residual.get());
        let parents = [
            x.node(),
            fc.node(),
            node!(fc_bias, else x),
            proj.node(),
            node!(proj_bias, else x),
            node!(residual, else x),
        ];
        let biases = [fc_bias.is_some(), proj_bias.is_some()];
        let with_residual = residual.is_some();
        let (x, fc, proj) = (x.into_primitive(), fc.into_primitive(), proj.into_primitive());
        let (y, pre) = B::igpt_mlp(
            x.clone(),
            fc.clone(),
            inner::<B, C>(fc_bias),
            proj.clone(),
            inner::<B, C>(proj_bias),
            inner::<B, C>(residual),
            activation,
        );
        let state = MlpState { x, fc, proj, pre: pre.clone(), biases, activation };
        let y = record::<B, C, _, 6>(parents, y, (state, with_residual), |(state, with_residual), dy| {
            let residual = with_residual.then(|| dy.clone());
            let [x, fc, fc_bias, proj, proj_bias] = B::mlp_gradient(state, dy);
            [x, fc, fc_bias, proj, proj_bias, residual]
        });
        (y, Self::from_inner(pre))
    }

    fn igpt_cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let parents = [logits.node()];
        let logits = logits.into_primitive();
        let (nll, lse) = B::igpt_cross_entropy(logits.clone(), targets.clone());
        let state = (logits, targets, lse.clone());
        let nll = record::<B, C, _, 1>(parents, nll, state, |(logits, targets, lse), dnll| {
            [Some(B::cross_entropy_gradient(logits, targets, lse, dnll))]
        });
        (nll, Self::from_inner(lse))
    }
}

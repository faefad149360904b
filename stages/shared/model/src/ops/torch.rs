//! The fused operations on LibTorch, processor or GPU: aten's own fused kernels.
//!
//! Each forward pass is written down once, on LibTorch's tape: its backward pass is then the one
//! that PyTorch would run.
#![expect(deprecated, reason = "burn 0.22 is the last version with libtorch, which it deprecates")]

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use tch::{Kind, Reduction, Tensor};

use crate::config::Activation;
use crate::ops::NORM_EPS;
use crate::ops::activation::QUICK;
use crate::ops::fused::{FusedGradients, Gradients, Maybe, MlpOperands, forward_alone};

forward_alone!(LibTorch);

/// A result on LibTorch's tape, and the operands that it was made of.
#[derive(Debug, Clone)]
pub(super) struct Taped<const N: usize> {
    operands: [Option<TchTensor>; N],
    result: TchTensor,
}

/// Computes a result from operands, of which some may be absent.
fn taped<const N: usize>(
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
    fn gradients(self, dy: TchTensor) -> [Option<TchTensor>; N] {
        let Self { operands, result } = self;
        // tch starts a backward pass at a scalar: the inner product of y and dy has dy as its
        // gradient.
        let dy = dy.tensor.to_kind(result.tensor.kind()).reshape(-1);
        let root = result.tensor.reshape(-1).dot(&dy);
        let wanted: Vec<&Tensor> = operands.iter().flatten().map(|operand| &operand.tensor).collect();
        let mut found = Tensor::run_backward(&[root], &wanted, false, false).into_iter();
        operands.map(|operand| operand.and_then(|_| found.next()).map(TchTensor::new))
    }
}

/// x W + bias + residual in the type of x; the sum with a residual has the residual's.
fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, residual: Option<&Tensor>) -> Tensor {
    let kind = x.kind();
    let (mut shape, weight) = (x.size(), weight.to_kind(kind));
    let rows = x.reshape([-1, *shape.last().expect("a matrix or more")]);
    let y = match bias {
        Some(bias) => bias.to_kind(kind).addmm(&rows, &weight),
        None => rows.mm(&weight),
    };
    *shape.last_mut().expect("as above") = weight.size()[1];
    let y = y.reshape(shape);
    match residual {
        Some(residual) => residual + y,
        None => y,
    }
}

/// An operand that every operation of its kind has.
fn given<'t>(operand: Option<&'t Tensor>) -> &'t Tensor {
    operand.expect("the operation was called with it")
}

impl FusedGradients for LibTorch {
    type Attention = Taped<1>;
    type Norm = Taped<3>;
    type Linear = Taped<4>;
    type Mlp = Taped<6>;
    type CrossEntropy = Taped<1>;

    fn attention_forward(qkv: TchTensor, n_head: usize, causal: bool) -> (TchTensor, Taped<1>) {
        taped([Some(qkv)], |[qkv]| {
            let (qkv, heads) = (given(qkv), n_head as i64);
            let (b, t, c3) = qkv.size3().expect("attention takes [B,T,3C]");
            let parts = qkv.reshape([b, t, 3, heads, c3 / 3 / heads]).permute([2, 0, 3, 1, 4]).unbind(0);
            let none: Option<&Tensor> = None;
            let mixed = Tensor::scaled_dot_product_attention(
                &parts[0], &parts[1], &parts[2], none, 0.0, causal, None, false,
            ); // [B,H,T,C/H]
            mixed.transpose(1, 2).reshape([b, t, c3 / 3])
        })
    }

    fn attention_backward(kept: Taped<1>, dout: TchTensor) -> Gradients<Self, 1> {
        kept.gradients(dout)
    }

    fn norm_forward(
        x: TchTensor,
        gain: TchTensor,
        bias: Option<TchTensor>,
        half: bool,
    ) -> (TchTensor, Taped<3>) {
        taped([Some(x), Some(gain), bias], |[x, gain, bias]| {
            let (x, gain) = (given(x), given(gain));
            let y = match bias {
                Some(bias) => x.layer_norm(gain.size(), Some(gain), Some(bias), NORM_EPS, false),
                None => x.rms_norm(gain.size(), Some(gain), NORM_EPS),
            };
            if half { y.to_kind(Kind::BFloat16) } else { y }
        })
    }

    fn norm_backward(kept: Taped<3>, dy: TchTensor) -> Gradients<Self, 3> {
        kept.gradients(dy)
    }

    fn linear_forward(
        x: TchTensor,
        weight: TchTensor,
        bias: Option<TchTensor>,
        residual: Option<TchTensor>,
        transposed: bool,
    ) -> (TchTensor, Taped<4>) {
        taped([Some(x), Some(weight), bias, residual], |[x, weight, bias, residual]| {
            let weight = if transposed { given(weight).tr() } else { given(weight).shallow_clone() };
            linear(given(x), &weight, bias, residual)
        })
    }

    fn linear_backward(kept: Taped<4>, dy: TchTensor) -> Gradients<Self, 4> {
        kept.gradients(dy)
    }

    fn mlp_forward(operands: MlpOperands<Self>) -> (TchTensor, Taped<6>) {
        let MlpOperands { x, fc, fc_bias, proj, proj_bias, residual, activation } = operands;
        let operands = [Some(x), Some(fc), fc_bias.get(), Some(proj), proj_bias.get(), residual.get()];
        taped(operands, |[x, fc, fc_bias, proj, proj_bias, residual]| {
            let (x, fc, proj) = (given(x), given(fc), given(proj));
            let gelu = |kind| {
                let post = linear(x, fc, fc_bias, None).gelu(kind); // [B,T,M]
                linear(&post, proj, proj_bias, residual)
            };
            match activation {
                Activation::GeluTanh => gelu("tanh"),
                Activation::GeluErf => gelu("none"),
                // x sigmoid(s x) = silu(s x) / s, one kernel where the scales go to the weights.
                Activation::QuickGelu => {
                    let (fc, fc_bias) = (fc * f64::from(QUICK), fc_bias.map(|bias| bias * f64::from(QUICK)));
                    let post = linear(x, &fc, fc_bias.as_ref(), None).silu(); // [B,T,M]
                    linear(&post, &(proj / f64::from(QUICK)), proj_bias, residual)
                }
            }
        })
    }

    fn mlp_backward(kept: Taped<6>, dy: TchTensor) -> Gradients<Self, 6> {
        kept.gradients(dy)
    }

    fn cross_entropy_forward(logits: TchTensor, targets: TchTensor) -> (TchTensor, Taped<1>) {
        taped([Some(logits)], |[logits]| {
            let (logits, none) = (given(logits).to_kind(Kind::Float), None::<&Tensor>);
            logits.cross_entropy_loss(&targets.tensor, none, Reduction::None, -100, 0.0)
        })
    }

    fn cross_entropy_backward(kept: Taped<1>, dnll: TchTensor) -> Gradients<Self, 1> {
        kept.gradients(dnll)
    }
}

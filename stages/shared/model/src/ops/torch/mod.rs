//! The fused operations on LibTorch, processor or GPU.
//!
//! Attention, the loss and norms in float32 are written down once, on LibTorch's tape: their backward
//! passes are those that PyTorch would run. Linear maps bring their own, so that a gradient is read
//! once for all that is made of it.
#![expect(deprecated, reason = "burn 0.22 is the last version with libtorch, which it deprecates")]

mod rows;
mod taped;

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use igpt_aten::kernels::{self, Normed};
use tch::{Kind, Reduction, Tensor};

use crate::config::Activation;
use crate::ops::NORM_EPS;
use crate::ops::fused::{FusedGradients, Gradients, Maybe, MlpOperands, NormOperands, forward_alone};
use rows::{activate, activate_backward, add, map, map_backward};
use taped::{Taped, taped};

forward_alone!(LibTorch);

/// What a norm keeps: its tape, or what our own kernels want.
#[derive(Debug, Clone)]
pub(super) enum SavedNorm {
    Taped(Taped<3>),
    Half { x: TchTensor, gain: TchTensor, means: TchTensor, scales: TchTensor, bias: bool },
}

/// A linear map's operands, the weight `[in,out]` in the type of x, and which others it has.
#[derive(Debug, Clone)]
pub(super) struct SavedLinear {
    x: TchTensor,
    weight: TchTensor,
    transposed: bool,
    bias: bool,
    residual: bool,
}

/// An MLP's operands, weights in the type of x, with the activation's input and output.
#[derive(Debug, Clone)]
pub(super) struct SavedMlp {
    x: TchTensor,
    fc: TchTensor,
    pre: TchTensor,
    post: TchTensor,
    proj: TchTensor,
    activation: Activation,
    fc_bias: bool,
    proj_bias: bool,
}

/// An operand that every operation of its kind has.
fn given(operand: Option<&Tensor>) -> &Tensor {
    operand.expect("the operation was called with it")
}

fn tensor(operand: &Option<TchTensor>) -> Option<&Tensor> {
    operand.as_ref().map(|operand| &operand.tensor)
}

/// A weight in the type of x.
fn as_type(weight: TchTensor, x: &TchTensor) -> TchTensor {
    let kind = x.tensor.kind();
    if weight.tensor.kind() == kind { weight } else { TchTensor::new(weight.tensor.to_kind(kind)) }
}

impl FusedGradients for LibTorch {
    type Attention = Taped<1>;
    type Norm = SavedNorm;
    type BranchLinear = (SavedNorm, SavedLinear);
    type Linear = SavedLinear;
    type Mlp = (SavedNorm, SavedMlp);
    type CrossEntropy = Taped<1>;

    fn attention_forward(qkv: TchTensor, n_head: usize, causal: bool) -> (TchTensor, Taped<1>) {
        taped([Some(qkv)], |[qkv]| {
            let (qkv, heads) = (given(qkv), n_head as i64);
            let (b, t, c3) = qkv.size3().expect("attention takes [B,T,3C]");
            // Views of [B,T,3C], whose gradients are laid side by side in one pass.
            let parts: Vec<Tensor> = qkv
                .split(c3 / 3, -1)
                .iter()
                .map(|part| part.reshape([b, t, heads, c3 / 3 / heads]).transpose(1, 2)) // [B,H,T,C/H]
                .collect();
            let none: Option<&Tensor> = None;
            let mixed = Tensor::scaled_dot_product_attention(
                &parts[0], &parts[1], &parts[2], none, 0.0, causal, None, false,
            ); // [B,H,T,C/H]
            mixed.transpose(1, 2).reshape([b, t, c3 / 3])
        })
    }

    fn attention_backward(saved: Taped<1>, dout: TchTensor) -> Gradients<Self, 1> {
        saved.gradients(dout)
    }

    fn norm_forward(norm: NormOperands<Self>) -> (TchTensor, SavedNorm) {
        let NormOperands { x, gain, bias, half } = norm;
        let bias = bias.get();
        if half && kernels::take_norm(&x.tensor) {
            let x = TchTensor::from_existing(x.tensor.contiguous(), x.storage);
            let Normed { y, means, scales } = kernels::norm(&x.tensor, &gain.tensor, tensor(&bias), NORM_EPS);
            let [y, means, scales] = [y, means, scales].map(TchTensor::new);
            return (y, SavedNorm::Half { x, gain, means, scales, bias: bias.is_some() });
        }
        let (y, saved) = taped([Some(x), Some(gain), bias], |[x, gain, bias]| {
            let (x, gain) = (given(x), given(gain));
            let y = match bias {
                Some(bias) => x.layer_norm(gain.size(), Some(gain), Some(bias), NORM_EPS, false),
                None => x.rms_norm(gain.size(), Some(gain), NORM_EPS),
            };
            if half { y.to_kind(Kind::BFloat16) } else { y }
        });
        (y, SavedNorm::Taped(saved))
    }

    fn norm_backward(saved: SavedNorm, dy: TchTensor, so_far: Option<TchTensor>) -> Gradients<Self, 3> {
        match saved {
            SavedNorm::Taped(saved) => {
                let [dx, dgain, dbias] = saved.gradients(dy);
                let dx = dx.map(|dx| TchTensor::new(add(dx.tensor, tensor(&so_far))));
                [dx, dgain, dbias]
            }
            SavedNorm::Half { x, gain, means, scales, bias } => {
                let statistics = (&means.tensor, &scales.tensor);
                let (dy, so_far) = (dy.tensor.contiguous(), so_far.map(|sum| sum.tensor.contiguous()));
                let of = (&x.tensor, &gain.tensor);
                let (dx, dgain, dbias) = kernels::norm_backward(&dy, of, statistics, so_far.as_ref(), bias);
                [Some(dx), Some(dgain), dbias].map(|gradient| gradient.map(TchTensor::new))
            }
        }
    }

    fn branch_linear_forward(
        norm: NormOperands<Self>,
        weight: TchTensor,
        bias: Option<TchTensor>,
    ) -> (TchTensor, (SavedNorm, SavedLinear)) {
        let (n, norm) = Self::norm_forward(norm);
        let (y, map) = Self::linear_forward(n, weight, bias, None, false);
        (y, (norm, map))
    }

    fn branch_linear_backward(
        (norm, map): (SavedNorm, SavedLinear),
        dy: TchTensor,
        so_far: Option<TchTensor>,
    ) -> Gradients<Self, 5> {
        let [dn, dweight, dbias, _] = Self::linear_backward(map, dy);
        let [dx, dgain, dnorm_bias] =
            Self::norm_backward(norm, dn.expect("the gradient of the map's input"), so_far);
        [dx, dgain, dnorm_bias, dweight, dbias]
    }

    fn linear_forward(
        x: TchTensor,
        weight: TchTensor,
        bias: Option<TchTensor>,
        residual: Option<TchTensor>,
        transposed: bool,
    ) -> (TchTensor, SavedLinear) {
        let weight = as_type(weight, &x);
        let weight =
            if transposed { TchTensor::from_existing(weight.tensor.tr(), weight.storage) } else { weight };
        let y = add(map(&x.tensor, &weight.tensor, tensor(&bias)), tensor(&residual));
        let saved = SavedLinear { x, weight, transposed, bias: bias.is_some(), residual: residual.is_some() };
        (TchTensor::new(y), saved)
    }

    fn linear_backward(saved: SavedLinear, dy: TchTensor) -> Gradients<Self, 4> {
        let SavedLinear { x, weight, transposed, bias, residual } = saved;
        let (dx, dweight, dbias) = map_backward(&dy.tensor, &x.tensor, &weight.tensor, bias);
        let dweight = if transposed { dweight.tr() } else { dweight };
        let [dx, dweight] = [dx, dweight].map(TchTensor::new);
        [Some(dx), Some(dweight), dbias.map(TchTensor::new), residual.then_some(dy)]
    }

    fn mlp_forward(operands: MlpOperands<Self>) -> (TchTensor, (SavedNorm, SavedMlp)) {
        let MlpOperands { norm, fc, fc_bias, proj, proj_bias, residual, activation } = operands;
        let [fc_bias, proj_bias] = [fc_bias, proj_bias].map(Maybe::get);
        let residual = residual.then(|| norm.x.clone());
        let (x, norm) = Self::norm_forward(norm); // [B,T,C]
        let (fc, proj) = (as_type(fc, &x), as_type(proj, &x));
        let pre = map(&x.tensor, &fc.tensor, tensor(&fc_bias)); // [B,T,M]
        let post = activate(&pre, activation); // [B,T,M]
        let y = add(map(&post, &proj.tensor, tensor(&proj_bias)), tensor(&residual)); // [B,T,C]
        let [y, pre, post] = [y, pre, post].map(TchTensor::new);
        let [fc_bias, proj_bias] = [fc_bias, proj_bias].map(|o| o.is_some());
        (y, (norm, SavedMlp { x, fc, pre, post, proj, activation, fc_bias, proj_bias }))
    }

    fn mlp_backward(
        (norm, saved): (SavedNorm, SavedMlp),
        dy: TchTensor,
        so_far: Option<TchTensor>,
    ) -> Gradients<Self, 7> {
        let SavedMlp { x, fc, pre, post, proj, activation, fc_bias, proj_bias } = saved;
        let (dpost, dproj, dproj_bias) = map_backward(&dy.tensor, &post.tensor, &proj.tensor, proj_bias);
        drop(post);
        let (dpre, dfc_bias) = activate_backward(&rows::rows(&dpost), &pre.tensor, activation, fc_bias);
        let (dn, dfc, _) = map_backward(&dpre, &x.tensor, &fc.tensor, false);
        let [dn, dfc, dproj] = [dn, dfc, dproj].map(TchTensor::new);
        let [dfc_bias, dproj_bias] = [dfc_bias, dproj_bias].map(|sums| sums.map(TchTensor::new));
        let [dx, dgain, dnorm_bias] = Self::norm_backward(norm, dn, so_far);
        [dx, dgain, dnorm_bias, Some(dfc), dfc_bias, Some(dproj), dproj_bias]
    }

    fn cross_entropy_forward(logits: TchTensor, targets: TchTensor) -> (TchTensor, Taped<1>) {
        taped([Some(logits)], |[logits]| {
            let (logits, none) = (given(logits).to_kind(Kind::Float), None::<&Tensor>);
            logits.cross_entropy_loss(&targets.tensor, none, Reduction::None, -100, 0.0)
        })
    }

    fn cross_entropy_backward(saved: Taped<1>, dnll: TchTensor) -> Gradients<Self, 1> {
        saved.gradients(dnll)
    }
}

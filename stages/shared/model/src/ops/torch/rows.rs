//! What LibTorch's operations do with tensors as rows of their last dimension: aten's kernels on every
//! device and in every type; our own for bfloat16 on a GPU, where aten takes more passes.

use igpt_aten::kernels;
use tch::{Kind, Tensor};

use crate::config::Activation;
use crate::ops::activation::QUICK;

/// As a matrix of rows.
pub(super) fn rows(x: &Tensor) -> Tensor {
    x.reshape([-1, *x.size().last().expect("a vector or more")])
}

/// x W + bias in the type of x and of `weight`.
pub(super) fn map(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let mut shape = x.size();
    *shape.last_mut().expect("a vector or more") = weight.size()[1];
    let x = rows(x);
    let y = match bias {
        Some(bias) => bias.to_kind(x.kind()).addmm(&x, weight),
        None => x.mm(weight),
    };
    y.reshape(shape)
}

/// y + residual in the residual's type.
pub(super) fn add(y: Tensor, residual: Option<&Tensor>) -> Tensor {
    match residual {
        None => y,
        Some(residual) if y.kind() == Kind::BFloat16 && kernels::take(&y) => {
            kernels::add_residual(&residual.contiguous(), &y)
        }
        Some(residual) => residual + y,
    }
}

/// The gradients of `map`'s operands: of x, of W and, where it has one, of the bias. Those of
/// parameters are float32.
pub(super) fn map_backward(
    dy: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    bias: bool,
) -> (Tensor, Tensor, Option<Tensor>) {
    let (dy, dbias) = lowered(dy, x.kind(), bias);
    (dy.mm(&weight.tr()).reshape(x.size()), rows(x).tr().mm(&dy).to_kind(Kind::Float), dbias)
}

/// The rows of a gradient in the type of the operands, and their sums where a bias wants them.
pub(super) fn lowered(dy: &Tensor, kind: Kind, bias: bool) -> (Tensor, Option<Tensor>) {
    let dy = rows(dy).contiguous();
    if !bias {
        return (dy.to_kind(kind), None);
    }
    if kind == Kind::BFloat16 && kernels::take(&dy) {
        if dy.kind() == Kind::Float {
            let (half, sums) = kernels::halve_and_sum(&dy);
            return (half, Some(sums));
        }
        let sums = kernels::sum_rows(&dy);
        return (dy, Some(sums));
    }
    let sums = dy.sum_dim_intlist(0_i64, false, Kind::Float);
    (dy.to_kind(kind), Some(sums))
}

/// The activation of every element.
pub(super) fn activate(x: &Tensor, activation: Activation) -> Tensor {
    match activation {
        Activation::GeluTanh => x.gelu("tanh"),
        Activation::GeluErf => x.gelu("none"),
        Activation::QuickGelu => x * (x * f64::from(QUICK)).sigmoid(),
    }
}

/// The gradient of an activation's input `x` from the rows `dy` of that of its output, and its sums
/// over rows where a bias wants them.
pub(super) fn activate_backward(
    dy: &Tensor,
    x: &Tensor,
    activation: Activation,
    bias: bool,
) -> (Tensor, Option<Tensor>) {
    if dy.kind() == Kind::BFloat16 && kernels::take(dy) {
        let activation = match activation {
            Activation::GeluTanh => kernels::Activation::GeluTanh,
            Activation::GeluErf => kernels::Activation::GeluErf,
            Activation::QuickGelu => kernels::Activation::Quick,
        };
        let (dx, sums) = kernels::activation_backward(dy, x, activation);
        return (dx, bias.then_some(sums));
    }
    let dx = match activation {
        Activation::GeluTanh => rows(x).gelu_backward(dy, "tanh"),
        Activation::GeluErf => rows(x).gelu_backward(dy, "none"),
        Activation::QuickGelu => {
            let scaled = rows(x) * f64::from(QUICK);
            let sigmoid = scaled.sigmoid();
            dy * &sigmoid * (scaled * (1.0 - &sigmoid) + 1.0)
        }
    };
    lowered(&dx, x.kind(), bias)
}

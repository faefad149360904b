//! The operations as graphs of plain tensor operations: for every device, and the reference that
//! the fused ones are tested against.

use burn::tensor::activation::{gelu, gelu_approximate, log_softmax, sigmoid, softmax};
use burn::tensor::{Int, Tensor};

use crate::config::Activation;
use crate::ops::{MlpWeights, NORM_EPS, NormWeights};

pub(super) fn attention(qkv: Tensor<3>, n_head: usize, causal: bool) -> Tensor<3> {
    let [b, t, c3] = qkv.dims();
    let c = c3 / 3;
    let head = c / n_head;
    let [q, k, v] = [0, 1, 2].map(|i| {
        let part = qkv.clone().narrow(2, i * c, c); // [B,T,C]
        part.reshape([b, t, n_head, head]).swap_dims(1, 2) // [B,H,T,C/H]
    });
    let scale = (head as f64).powf(-0.5);
    let mut scores = q.matmul(k.transpose()) * scale; // [B,H,T,T]
    if causal {
        let future = Tensor::<1, Int>::arange(0..t as i64, &scores.device());
        let rows = future.clone().reshape([t, 1]).expand([t, t]);
        let cols = future.reshape([1, t]).expand([t, t]);
        let mask = cols.greater(rows).reshape([1, 1, t, t]).expand([b, n_head, t, t]);
        scores = scores.mask_fill(mask, f32::NEG_INFINITY);
    }
    let mixed = softmax(scores, 3).matmul(v); // [B,H,T,C/H]
    mixed.swap_dims(1, 2).reshape([b, t, c])
}

pub(super) fn norm(x: Tensor<3>, NormWeights { gain, bias }: NormWeights) -> Tensor<3> {
    let centred = match bias {
        Some(_) => x.clone() - x.mean_dim(2),
        None => x,
    };
    let variance = centred.clone().square().mean_dim(2); // [B,T,1]
    let y = centred / (variance + NORM_EPS).sqrt() * gain.unsqueeze();
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

pub(super) fn linear(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<3>>,
) -> Tensor<3> {
    let [b, t, k] = x.dims();
    let [_, n] = weight.dims();
    let mut y = x.reshape([b * t, k]).matmul(weight).reshape([b, t, n]);
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    match residual {
        Some(residual) => residual + y,
        None => y,
    }
}

pub(super) fn mlp(
    x: Tensor<3>,
    weights: NormWeights,
    mlp: MlpWeights,
    residual: bool,
    kind: Activation,
) -> Tensor<3> {
    let residual = residual.then(|| x.clone());
    let hidden = activation(linear(norm(x, weights), mlp.fc, mlp.fc_bias, None), kind); // [B,T,M]
    linear(hidden, mlp.proj, mlp.proj_bias, residual)
}

fn activation<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    match activation {
        Activation::GeluTanh => gelu_approximate(x),
        Activation::GeluErf => gelu(x),
        Activation::QuickGelu => x.clone() * sigmoid(x * 1.702),
    }
}

pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let [n, _] = logits.dims();
    let log_p = log_softmax(logits, 1); // [N,V]
    log_p.gather(1, targets.reshape([n, 1])).reshape([n]).neg()
}

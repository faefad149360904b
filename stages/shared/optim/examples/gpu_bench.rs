//! How long a training step takes on a device of LibTorch: forward, backward and Adam, as `pretrain`
//! does it, so that the same step of another framework can be timed beside it.
//!
//! `gpu_bench PRESET BATCH [STEPS] [MICRO_BATCHES] [f32|bf16] [keep|recompute]`, on the device `DEVICE`
//! (default `auto`) for images of `SIDE` (default 32) squared: the text's variant, 512 colours. The
//! first two steps are left out of the median. Prints tokens a second, the share of what one large
//! matrix product of the same precision reaches, counted as in `train_bench.rs`, and how long the host
//! takes to ask for a step before it waits for the device.

mod common;

use std::time::Instant;

use burn::module::Module as _;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use common::{median, operations};
use igpt_contract::stream;
use igpt_model::{Gpt, Input, ModelParams, Ops, Precision, Variant, loss, pick_device, tune_allocator};
use igpt_optim::{Adam, AdamParams};
use rand::RngExt as _;

const VOCAB: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default.to_owned(), Clone::clone);
    let environment = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (preset, batch) = (arg(0, "igpt-s"), arg(1, "128").parse::<usize>()?);
    let (steps, micro) = (arg(2, "12").parse::<usize>()?, batch / arg(3, "1").parse::<usize>()?);
    let precision: Precision = serde_json::from_value(arg(4, "bf16").into())?;
    let recompute = arg(5, "keep") == "recompute";
    let positions = environment("SIDE", "32").parse::<usize>()?.pow(2);
    tune_allocator();
    let plain = pick_device(&environment("DEVICE", "auto"))?.device;
    let device = plain.clone().autodiff();

    let params: ModelParams = serde_json::from_value(serde_json::json!({ "preset": preset }))?;
    let config = ModelParams { variant: Variant::Paper, ..params }.config(positions, VOCAB)?;
    let ops = Ops::with(&device, precision)?;
    let mut gpt = Gpt::init(&config, &mut stream(0, "init"), &device).with_ops(ops);
    let mut random = stream(0, "data");
    let tokens: Vec<i64> = (0..micro * positions).map(|_| random.random_range(0..VOCAB as i64)).collect();
    let mut adam = Adam::new(AdamParams::default());
    let (mut times, mut hosts, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..steps {
        let start = Instant::now();
        let (mut sum, mut told) = (GradientsAccumulator::new(), None);
        for _ in 0..batch / micro {
            let tokens = TensorData::new(tokens.clone(), [micro, positions]);
            let tokens = Tensor::<2, Int>::from_data(tokens, &device);
            let mut judge = |logits| {
                let loss = loss::autoregressive(loss::token_nll(logits, tokens.clone()));
                told = Some(loss.clone().detach());
                loss * (micro as f64 / batch as f64)
            };
            let gradients = if recompute {
                gpt.gradients_by_block(tokens.clone(), &Input::Autoregressive, None, judge)
            } else {
                let logits = gpt.logits(tokens.clone(), &Input::Autoregressive, None);
                GradientsParams::from_grads(judge(logits).backward(), &gpt)
            };
            sum.accumulate(&gpt, gradients);
        }
        gpt = adam.step(1e-3, gpt, sum.grads());
        hosts.push(start.elapsed().as_secs_f64());
        losses.extend(told.map(Tensor::into_scalar::<f32>));
        plain.sync()?;
        times.push(start.elapsed().as_secs_f64());
    }
    let step = median(&times, 2);
    let (reached, peak) = (operations(&config, batch) / step, peak_rate(&plain, precision));
    println!(
        "igpt-flow {preset} batch={batch}/{micro} {precision:?} recompute={recompute} parameters={} \
         median_step={step:.4}s host={:.4}s tok/s={:.0} TFLOP/s={:.1} peak_TFLOP/s={:.1} share={:.3} loss0={:.4} lossN={:.4}",
        gpt.num_params(),
        median(&hosts, 2),
        (batch * positions) as f64 / step,
        reached * 1e-12,
        peak * 1e-12,
        reached / peak,
        losses[0],
        losses[losses.len() - 1],
    );
    Ok(())
}

/// Operations a second of products of two large square matrices; the best of several.
fn peak_rate(device: &Device, precision: Precision) -> f64 {
    let side = if format!("{device:?}").to_lowercase().contains("cuda") { 8192 } else { 1024 };
    let kind = match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    };
    let matrix = || Tensor::<2>::random([side, side], Distribution::Uniform(-1.0, 1.0), device).cast(kind);
    let (a, b) = (matrix(), matrix());
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let start = Instant::now();
        let products: Vec<_> = (0..4).map(|_| a.clone().matmul(b.clone())).collect();
        device.sync().expect("the device computes");
        drop(products);
        best = best.min(start.elapsed().as_secs_f64() / 4.0);
    }
    2.0 * (side as f64).powi(3) / best
}

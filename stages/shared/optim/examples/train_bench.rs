//! How long a training step takes, as `pretrain` does it: forward, backward and Adam, on the paper's
//! variant with the exact GELU, so that the same step of another framework can be timed beside it.
//!
//! `train_bench [a|b|t] [STEPS] [fused|plain]`, with the number of threads in `TH` (default 2).
//! Configuration `a`: 8 layers, width 128, 4 heads, 256 positions, batch 32; `b`: 12 layers, width
//! 256, 8 heads, 1024 positions, batch 4; `t`: 2 layers, width 64, 2 heads, 64 positions, batch 4.
//! The first step is left out of the medians.
//!
//! The step's share of the processor's peak is printed, too: its multiply-adds, counted as two
//! operations each, beside what the same number of threads reaches with products of 1024 x 1024
//! matrices in cache, by the same `gemm` crate. Counted are the matrix products alone, forward once
//! and backward twice: 6 operations for each weight that tokens are multiplied with and each token
//! (embeddings are looked up, so they count nothing), and 6 for each layer, channel and pair of
//! positions (queries with keys, weights with values: 12, halved, as the causal half is not needed).
//! What a backward pass computes again is not counted.

mod common;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor, TensorData};
use common::{median, operations};
use igpt_contract::instruction_set;
use igpt_contract::stream;
use igpt_fixtures::{Meter, peak_mib};
use igpt_model::{
    Activation, Gpt, GptConfig, Init, Input, Ops, Variant, loss, pick_device, set_threads, tune_allocator,
};
use igpt_optim::{Adam, AdamParams};
use rand::RngExt as _;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default.to_owned(), Clone::clone);
    let (name, steps, implementation) = (arg(0, "a"), arg(1, "4"), arg(2, "fused"));
    let (n_layer, n_embd, n_head, n_positions, batch) = match name.as_str() {
        "a" => (8, 128, 4, 256, 32),
        "b" => (12, 256, 8, 1024, 4),
        "t" => (2, 64, 2, 64, 4),
        other => panic!("configuration `{other}`: expected `a`, `b` or `t`"),
    };
    let ops = match implementation.as_str() {
        "fused" => Ops::Fused,
        "plain" => Ops::Plain,
        other => panic!("implementation `{other}`: expected `fused` or `plain`"),
    };
    let steps: usize = steps.parse().expect("STEPS is a number");
    let threads = std::env::var("TH").map_or(2, |th| th.parse().expect("TH is a number"));
    tune_allocator();
    set_threads(threads);
    let device = pick_device("cpu").expect("every build has the processor").device.autodiff();

    let config = GptConfig {
        n_layer,
        n_head,
        n_embd,
        n_positions,
        vocab: 512,
        variant: Variant::Paper,
        activation: Activation::GeluErf,
        biases: None,
        tied: false,
        zero_head: true,
        init: Init::default(),
    };
    let mut gpt = Gpt::init(&config, &mut stream(0, "init"), &device).with_ops(ops);
    let mut random = stream(0, "data");
    let tokens: Vec<i64> = (0..batch * n_positions).map(|_| random.random_range(0..64)).collect();
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [batch, n_positions]), &device);
    let mut adam = Adam::new(AdamParams::default());

    let (mut wall, mut cpu, mut parts, mut losses) =
        (Vec::new(), Vec::new(), [(); 3].map(|()| Vec::new()), Vec::new());
    for _ in 0..steps {
        let meter = Meter::start();
        let logits = gpt.logits(tokens.clone(), &Input::Autoregressive, None);
        let loss = loss::autoregressive(loss::token_nll_with(ops, logits, tokens.clone()));
        losses.push(loss.clone().into_scalar::<f32>());
        parts[0].push(meter.seconds());
        let gradients = GradientsParams::from_grads(loss.backward(), &gpt);
        parts[1].push(meter.seconds());
        gpt = adam.step(1e-3, gpt, gradients);
        wall.push(meter.seconds());
        cpu.push(meter.cpu());
        parts[2].push(meter.seconds());
    }
    let [forward, backward, all] = parts.map(|times| median(&times, 1));
    let (step, cpu) = (median(&wall, 1), median(&cpu, 1));
    let tokens = (batch * n_positions) as f64;
    // Before the products of the peak, which have memory of their own.
    let peak_gib = peak_mib() / 1024.0;
    let (operations, limit) = (operations(&config, batch) / step, peak_rate(threads));
    println!(
        "igpt-flow {name} {implementation} threads={threads} isa={} params={} median_step={step:.3}s forward={forward:.3} \
         backward={:.3} adam={:.3} tok/s={:.0} cpu_step={cpu:.3} tok/cpu_s={:.0} peakrss={:.2}GiB \
         loss0={:.4} lossN={:.6} GFLOP/s={:.0} gemm_peak={:.0} share={:.3}",
        instruction_set(),
        gpt.num_params(),
        backward - forward,
        all - backward,
        tokens / step,
        tokens / cpu,
        peak_gib,
        losses[0],
        losses[losses.len() - 1],
        operations * 1e-9,
        limit * 1e-9,
        operations / limit,
    );
}

/// Operations a second of products of 1024 x 1024 matrices, one on each thread: the best of several.
fn peak_rate(threads: usize) -> f64 {
    const SIDE: usize = 1024;
    const ROUNDS: usize = 12;
    let product = || {
        let (a, b) = (vec![1.0_f32; SIDE * SIDE], vec![0.5_f32; SIDE * SIDE]);
        let (mut c, side) = (vec![0.0_f32; SIDE * SIDE], SIDE as isize);
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let meter = Meter::start();
            // SAFETY: three matrices of SIDE rows and columns, stored by rows, of which `c` is ours alone.
            unsafe {
                let (c, a, b) = (c.as_mut_ptr(), a.as_ptr(), b.as_ptr());
                let none = gemm::Parallelism::None;
                gemm::gemm(
                    SIDE, SIDE, SIDE, c, 1, side, false, a, 1, side, b, 1, side, 0.0, 1.0, false, false,
                    false, none,
                );
            }
            best = best.min(meter.seconds());
        }
        std::hint::black_box(&c);
        2.0 * (SIDE as f64).powi(3) / best
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(product)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no product fails")).sum()
    })
}

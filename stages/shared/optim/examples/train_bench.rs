//! How long a training step takes, as `pretrain` does it: forward, backward and Adam, on the paper's
//! variant with the exact GELU, so that the same step of another framework can be timed beside it.
//!
//! `train_bench [a|b|t] [STEPS] [fused|plain]`, with the number of threads in `TH` (default 2).
//! Configuration `a`: 8 layers, width 128, 4 heads, 256 positions, batch 32; `b`: 12 layers, width
//! 256, 8 heads, 1024 positions, batch 4; `t`: 2 layers, width 64, 2 heads, 64 positions, batch 4.
//! The first step is left out of the medians.

use std::time::Instant;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor, TensorData};
use igpt_contract::instruction_set;
use igpt_contract::stream;
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
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        let logits = gpt.logits(tokens.clone(), &Input::Autoregressive, None);
        let loss = loss::autoregressive(loss::token_nll_with(ops, logits, tokens.clone()));
        losses.push(loss.clone().into_scalar::<f32>());
        parts[0].push(start.elapsed().as_secs_f64());
        let gradients = GradientsParams::from_grads(loss.backward(), &gpt);
        parts[1].push(start.elapsed().as_secs_f64());
        gpt = adam.step(1e-3, gpt, gradients);
        wall.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - cpu_start);
        parts[2].push(start.elapsed().as_secs_f64());
    }
    let [forward, backward, all] = parts.map(|times| median(&times));
    let (step, cpu) = (median(&wall), median(&cpu));
    let tokens = (batch * n_positions) as f64;
    println!(
        "igpt-flow {name} {implementation} threads={threads} isa={} params={} median_step={step:.3}s forward={forward:.3} \
         backward={:.3} adam={:.3} tok/s={:.0} cpu_step={cpu:.3} tok/cpu_s={:.0} peakrss={:.2}GiB \
         loss0={:.4} lossN={:.6}",
        instruction_set(),
        gpt.num_params(),
        backward - forward,
        all - backward,
        tokens / step,
        tokens / cpu,
        peak_gib(),
        losses[0],
        losses[losses.len() - 1],
    );
}

/// The median of all but the first.
fn median(times: &[f64]) -> f64 {
    let mut times = times[usize::from(times.len() > 1)..].to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn usage() -> libc::rusage {
    // SAFETY: rusage is plain data, which getrusage fills.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    }
}

/// Processor time of the process so far, user and system.
fn cpu_seconds() -> f64 {
    let usage = usage();
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The largest resident set so far.
fn peak_gib() -> f64 {
    usage().ru_maxrss as f64 / f64::from(1 << 20)
}

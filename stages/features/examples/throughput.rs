//! How many images a second the pass over all layers' features makes, by the clock and by
//! processor time: `throughput [images] [threads] [batch]`, for 8 layers of width 128 on 16 x 16
//! tokens (512 colours).

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::stream;
use igpt_fixtures::Meter;
use igpt_model::{Gpt, GptConfig, Input, Preset, set_threads, tune_allocator};
use rand::Rng as _;

const POSITIONS: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|arg| arg.parse()).collect::<Result<_, _>>()?;
    let number = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let (images, threads, batch) = (number(0, 512), number(1, 2), number(2, 64));
    tune_allocator();
    set_threads(threads);
    let device = Device::flex();
    let config = GptConfig::preset(Preset::Small, POSITIONS, 512)?;
    let gpt = Gpt::init(&config, &mut stream(0, "init"), &device);
    let mut random = stream(1, "tokens");
    let mut sum = 0.0;
    let mut meter = Meter::start();
    // One batch before the time starts: the first one brings memory and threads into being.
    let batches = [0].into_iter().chain((0..images).step_by(batch));
    for (n, first) in batches.enumerate() {
        if n == 1 {
            meter = Meter::start();
        }
        let b = batch.min(images - first);
        let tokens: Vec<i64> = (0..b * POSITIONS).map(|_| i64::from(random.next_u32() % 512)).collect();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [b, POSITIONS]), &device);
        for layer in gpt.features(tokens, &Input::Autoregressive) {
            sum += layer.sum().into_scalar::<f32>();
        }
    }
    let images = images as f64;
    println!(
        "{images} images, {threads} threads, batch {batch}: {:.1} images/s, {:.1} images/CPU s (check {sum})",
        images / meter.seconds(),
        images / meter.cpu()
    );
    Ok(())
}

//! Tokens a second of drawing images from a network in Hugging Face's layout, with cached keys and
//! values and by whole forward passes, as one line of JSON; `benches/sampling.py` calls it.
//!
//! `cargo run --release --workspace --example sampling -- FOLDER [IMAGES] [THREADS] [PASSES]`
//!
//! Every position takes its likeliest colour. The whole passes are timed over PASSES positions (8; 0
//! leaves them out): each costs the same, whatever its position.

use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_model::{Decoder, Gpt, Input, set_threads, tune_allocator};
use igpt_released::{ReadOptions, read};

fn likeliest(logits: &[f32]) -> u16 {
    let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (0..logits.len()).fold(0, better) as u16
}

/// The images `[B,T]`, and the seconds they took.
fn cached(decoder: &Decoder, images: usize) -> (Vec<Vec<u16>>, f64) {
    let start = Instant::now();
    let mut decoding = decoder.begin(images);
    let mut rows = vec![Vec::new(); images];
    let mut previous = Vec::new();
    for _ in 0..decoder.config().n_positions {
        let logits = decoding.step(&previous);
        previous = logits.chunks(decoder.config().vocab).map(likeliest).collect();
        rows.iter_mut().zip(&previous).for_each(|(row, token)| row.push(*token));
    }
    (rows, start.elapsed().as_secs_f64())
}

/// Seconds of so many positions by whole forward passes.
fn full(gpt: &Gpt, images: usize, passes: usize) -> f64 {
    let n = gpt.config().n_positions;
    let start = Instant::now();
    for _ in 0..passes {
        let tokens = TensorData::new(vec![0i64; images * n], [images, n]);
        let x = Tensor::<2, Int>::from_data(tokens, &Device::flex());
        let logits = gpt.logits(x, &Input::Autoregressive, None).into_data();
        std::hint::black_box(logits);
    }
    start.elapsed().as_secs_f64()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default| arguments.get(i).map_or(default, |text| text.parse().expect("a number"));
    let folder = arguments.first().expect("usage: sampling FOLDER [IMAGES] [THREADS] [PASSES]");
    let (images, threads, passes) = (number(1, 16), number(2, 2), number(3, 8));
    tune_allocator();
    set_threads(threads);
    let gpt = read(Path::new(folder), ReadOptions::default()).expect("a network").gpt;
    let decoder = Decoder::new(&gpt);
    cached(&decoder, images); // warms up
    let (rows, seconds) = cached(&decoder, images);
    let tokens = (images * gpt.config().n_positions) as f64;
    let whole = full(&gpt, images, passes.min(1)); // warms up
    let whole = if passes == 0 { whole } else { full(&gpt, images, passes) };
    let per_second = if passes == 0 { 0.0 } else { (images * passes) as f64 / whole };
    println!("{{\"cached\": {:.1}, \"full\": {per_second:.1}, \"image\": {:?}}}", tokens / seconds, rows[0]);
}

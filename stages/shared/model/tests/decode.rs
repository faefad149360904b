//! Decoding with cached keys and values: the logits of the full forward pass, and the same bits for
//! any number of images and of threads.

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::stream;
use igpt_model::{
    Activation, Decoder, Gpt, GptConfig, Input, ModelParams, NamedTensor, Preset, Variant, assign_parameters,
    named_parameters,
};
use rand::RngExt as _;

const POSITIONS: usize = 70;
const VOCAB: usize = 37;

/// A network with weights large enough that every term of a sum matters.
fn network(params: ModelParams) -> Gpt {
    let config = params.config(POSITIONS, VOCAB).unwrap();
    let gpt = Gpt::zeroed(&config, &Device::flex());
    let mut random = stream(3, "weights");
    let noisy = |tensor: NamedTensor| {
        let base = if tensor.name.contains("ln_") && tensor.name.ends_with("weight") { 1.0 } else { 0.0 };
        let values = tensor.values.iter().map(|_| base + random.random_range(-0.3..0.3)).collect();
        NamedTensor { values, ..tensor }
    };
    let tensors = named_parameters(&gpt).into_iter().map(noisy).collect();
    assign_parameters(gpt, tensors).unwrap()
}

fn params() -> ModelParams {
    ModelParams { preset: Preset::Tiny, ..ModelParams::default() }
}

fn tokens(images: usize) -> Vec<u16> {
    let mut random = stream(4, "tokens");
    (0..images * POSITIONS).map(|_| random.random_range(0..VOCAB as u16)).collect()
}

/// The logits `[B,T,V]` of given images, position by position.
fn decoded(decoder: &Decoder, tokens: &[u16]) -> Vec<f32> {
    let images = tokens.len() / POSITIONS;
    let mut all = vec![0.0; images * POSITIONS * VOCAB];
    let mut decoding = decoder.begin(images);
    for t in 0..POSITIONS {
        let previous: Vec<u16> = match t {
            0 => Vec::new(),
            _ => tokens.chunks(POSITIONS).map(|image| image[t - 1]).collect(),
        };
        assert_eq!(decoding.position(), t);
        for (image, logits) in decoding.step(&previous).chunks(VOCAB).enumerate() {
            all[(image * POSITIONS + t) * VOCAB..][..VOCAB].copy_from_slice(logits);
        }
    }
    all
}

fn full(gpt: &Gpt, tokens: &[u16]) -> Vec<f32> {
    let values: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
    let shape = [tokens.len() / POSITIONS, POSITIONS];
    let x = Tensor::<2, Int>::from_data(TensorData::new(values, shape), &Device::flex());
    gpt.logits(x, &Input::Autoregressive, None).into_data().iter::<f32>().collect()
}

#[test]
fn cached_logits_are_those_of_the_full_forward_pass() {
    let odd_heads = ModelParams { n_head: Some(5), n_embd: Some(60), ..params() };
    for params in [
        params(),
        ModelParams { variant: Variant::Paper, ..params() },
        ModelParams { biases: Some(true), tied: true, ..params() },
        ModelParams { activation: Some(Activation::GeluErf), ..odd_heads },
    ] {
        let gpt = network(params);
        let tokens = tokens(3);
        let (expected, found) = (full(&gpt, &tokens), decoded(&Decoder::new(&gpt), &tokens));
        let spread = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
        let worst = expected.iter().zip(&found).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4 && spread > 1.0, "off by {worst:e} of {spread}, {:?}", gpt.config());
    }
}

#[test]
fn neither_the_images_at_once_nor_the_threads_move_a_bit() {
    let decoder = Decoder::new(&network(params()));
    let tokens = tokens(21);
    let with_threads = |threads: usize, images: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| -> Vec<f32> {
            tokens.chunks(images * POSITIONS).flat_map(|tokens| decoded(&decoder, tokens)).collect()
        })
    };
    let expected = with_threads(1, 21);
    for (threads, images) in [(1, 1), (2, 21), (3, 21), (2, 16), (4, 5)] {
        assert!(with_threads(threads, images) == expected, "{threads} threads, {images} images at once");
    }
}

#[test]
fn what_is_kept_is_counted() {
    let config = GptConfig::preset(Preset::Small, 256, 512).unwrap();
    let decoder = Decoder::new(&Gpt::zeroed(&config, &Device::flex()));
    assert_eq!(decoder.bytes_per_image(), 2 * 4 * 8 * 128 * 256);
}

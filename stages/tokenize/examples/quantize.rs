//! How many images a second become tokens, as one line of JSON; `benches/tokens.py` calls it.
//!
//! `quantize IMAGES SIDE PALETTE THREADS`: IMAGES holds red, green and blue bytes of one pixel after
//! another, SIDE x SIDE an image; PALETTE is what the stage reads. From memory to memory: `first`
//! begins without anything and includes the search structure, `again` has seen the colours before.
//! `copy` is what the same threads reach copying bytes (those read and those written both count).

use std::path::Path;

use igpt_dataset::{NearestColour, PaletteTable};
use igpt_fixtures::Meter;
use rayon::prelude::*;

/// Images that a thread takes at a time.
const IMAGES: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [images, side, palette, threads] = &arguments[..] else {
        panic!("usage: quantize IMAGES SIDE PALETTE THREADS")
    };
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let rgb = std::fs::read(images).expect("a file of pixels");
    let palette = PaletteTable::read(Path::new(palette)).expect("a palette").colours;
    let pixels = IMAGES * number(side) * number(side);
    let images = rgb.len() as f64 / (3 * number(side) * number(side)) as f64;
    let mut tokens = vec![0_u16; rgb.len() / 3];
    let mut copied = vec![0_u8; rgb.len()];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(threads)).build().expect("threads");
    pool.install(|| {
        let mut quantize = |nearest: &NearestColour| {
            let chunks = rgb.par_chunks(3 * pixels).zip(tokens.par_chunks_mut(pixels));
            chunks.for_each(|(rgb, tokens)| nearest.ids(rgb, tokens));
        };
        let first = Meter::start();
        let nearest = NearestColour::new(&palette).expect("a palette that can be searched");
        quantize(&nearest);
        let (seconds, cpu) = (first.seconds(), first.cpu());
        let again = Meter::start();
        quantize(&nearest);
        let again = again.seconds();
        let copy = || {
            let meter = Meter::start();
            let chunks = rgb.par_chunks(3 * pixels).zip(copied.par_chunks_mut(3 * pixels));
            chunks.for_each(|(from, to)| to.copy_from_slice(from));
            2.0 * rgb.len() as f64 / meter.seconds()
        };
        let copy = std::iter::repeat_with(copy).take(5).fold(0.0, f64::max);
        let bytes = (rgb.len() + 2 * tokens.len()) as f64;
        println!(
            "{{\"first\": {}, \"again\": {}, \"images_per_cpu_s\": {}, \"bandwidth_gb_s\": {}, \"copy_gb_s\": {}}}",
            images / seconds,
            images / again,
            images / cpu,
            bytes / again * 1e-9,
            copy * 1e-9
        );
    });
}

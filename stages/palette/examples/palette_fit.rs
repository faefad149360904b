//! A palette fitted to raw pixels, as one line of JSON; `benches/palette.py` calls it.
//!
//! `palette_fit PIXELS COLOURS SEED THREADS`: PIXELS holds red, green and blue bytes of one pixel after
//! another. Timed are the histogram and the fit, not the reading.

use igpt_contract::stream;
use igpt_fixtures::{Meter, peak_mib};
use igpt_palette::{Histogram, StopRule, fit, inertia};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pixels, k, seed, threads] = &arguments[..] else {
        panic!("usage: palette_fit PIXELS COLOURS SEED THREADS")
    };
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let rgb = std::fs::read(pixels).expect("a file of pixels");
    let stop = StopRule { max_iterations: 100, tolerance: 1e-4 };
    let mut random = stream(number(seed) as u64, "seeding");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(threads)).build().expect("threads");
    pool.install(|| {
        let meter = Meter::start();
        let mut histogram = Histogram::default();
        histogram.add(&rgb);
        let colours = histogram.colours();
        let counted = meter.seconds();
        let Ok(fitted) =
            fit(&colours, number(k), stop, &mut random, |_| Ok::<(), std::convert::Infallible>(()));
        let (seconds, cpu) = (meter.seconds(), meter.cpu());
        println!(
            "{{\"seconds\": {seconds}, \"cpu\": {cpu}, \"histogram\": {counted}, \"peak_mib\": {}, \"inertia\": {}, \
             \"iterations\": {}, \"distinct\": {}}}",
            peak_mib(),
            inertia(&colours, &fitted.centres),
            fitted.iterations,
            colours.len()
        );
    });
}

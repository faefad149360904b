//! A probe fitted to raw arrays, as one line of JSON; `benches/probe.py` calls it.
//!
//! `probe_fit FEATURES LABELS WIDTH C TOLERANCE THREADS`: FEATURES holds rows of WIDTH little-endian
//! float32 numbers, LABELS a little-endian u32 class for each. Reading them is not timed; the
//! objective is that of the classifier on raw features, computed anew.

use std::fs::File;
use std::io::{BufReader, Read as _};

use igpt_fixtures::{Meter, peak_mib};
use igpt_probe::{Examples, LinearProbe};

/// The items of a file; its bytes are never there as a whole, as peak memory is measured.
fn read<T>(path: &str, item: fn([u8; 4]) -> T) -> Vec<T> {
    let file = File::open(path).expect("a file of numbers");
    let items = file.metadata().expect("a size").len() / 4;
    let mut reader = BufReader::new(file);
    let mut next = || {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).expect("a whole file");
        item(bytes)
    };
    (0..items).map(|_| next()).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [features, labels, width, c, tolerance, threads] = &arguments[..] else {
        panic!("usage: probe_fit FEATURES LABELS WIDTH C TOLERANCE THREADS")
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let features = read(features, f32::from_le_bytes);
    let classes = read(labels, u32::from_le_bytes);
    let n_class = 1 + classes.iter().max().map_or(0, |class| *class as usize);
    let rows = (0..classes.len() as u32).collect();
    let examples = Examples::new(&features, number(width) as usize, rows, classes);
    let probe = LinearProbe {
        c: number(c),
        standardise: false,
        tolerance: number(tolerance),
        max_iterations: 10_000,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(threads) as usize).build();
    let (meter, fitted) = pool.expect("threads").install(|| {
        let meter = Meter::start();
        let fitted = probe.fit(&examples, n_class, |_, _, _| Ok::<(), std::convert::Infallible>(()));
        ((meter.seconds(), meter.cpu()), fitted)
    });
    let Ok(fitted) = fitted;
    println!(
        "{{\"seconds\": {}, \"cpu\": {}, \"peak_mib\": {}, \"objective\": {}, \"iterations\": {}, \"converged\": {}}}",
        meter.0,
        meter.1,
        peak_mib(),
        fitted.objective,
        fitted.iterations,
        fitted.converged
    );
}

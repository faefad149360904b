//! How many photographs a second are decoded, resized to a shorter side of 224, cropped to 224 x 224
//! and brought to 32 x 32, as one line of JSON; `benches/photos.py` calls it.
//!
//! `photos FOLDER THREADS [OUT]`: the JPEG files of FOLDER, which are read before the time starts.
//! OUT becomes the 32 x 32 images' bytes, one after another, in the order of their names.

use std::path::Path;

use igpt_augment::{Filter, Window, resize_and_crop, resize_square};
use igpt_dataset::{Encoding, decode_file};
use igpt_fixtures::Meter;
use rayon::prelude::*;

fn small(jpeg: &[u8]) -> Vec<u8> {
    let image = decode_file(jpeg, Encoding::Jpeg).expect("a JPEG file");
    let window = Window::centre(image.width(), image.height(), 224, 224);
    let crop = resize_and_crop(&image, window, Filter::Bicubic).expect("a window within the image");
    resize_square(&crop, 32, Filter::Box).expect("an image").into_raw()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, threads, out @ ..] = &arguments[..] else { panic!("usage: photos FOLDER THREADS [OUT]") };
    let entries = std::fs::read_dir(Path::new(folder)).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let photos: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("a file")).collect();
    let threads = threads.parse().expect("a number of threads");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let meter = Meter::start();
    let images: Vec<Vec<u8>> = pool.install(|| photos.par_iter().map(|jpeg| small(jpeg)).collect());
    let (seconds, cpu) = (meter.seconds(), meter.cpu());
    if let [out] = out {
        std::fs::write(Path::new(out), images.concat()).expect("the images' bytes");
    }
    let n = photos.len() as f64;
    println!("{{\"photos_per_s\": {}, \"photos_per_cpu_s\": {}}}", n / seconds, n / cpu);
}

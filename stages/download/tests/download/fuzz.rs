//! Damaged archives and images are errors, never a panic: seeded mutations of good ones.

use std::fs;

use crate::support::{Bench, cifar10_files, gzip, tar_of, tar_of_owned};
use igpt_contract::stream;
use rand::RngExt as _;
use serde_json::{Value, json};

/// Runs the stage on mutations of an archive: bytes changed, cut off, doubled, or garbage.
fn mutate(good: &[u8], params: &Value, rounds: usize) -> (usize, usize) {
    let bench = Bench::new();
    let path = bench.files().join("archive.tar");
    let mut random = stream(11, "mutations");
    let (mut read, mut refused) = (0, 0);
    for _ in 0..rounds {
        let mut bytes = good.to_vec();
        match random.random_range(0..5) {
            0 => bytes.truncate(random.random_range(0..good.len())),
            1 => {
                let at = random.random_range(0..good.len());
                bytes.splice(at..at, good[at / 2..at].to_vec());
            }
            2 => bytes = (0..random.random_range(0..3000)).map(|_| random.random()).collect(),
            // Headers are where the harm is: the first bytes of a block.
            3 => {
                let at = 512 * random.random_range(0..good.len().div_ceil(512));
                for byte in bytes[at..].iter_mut().take(512) {
                    if random.random_range(0..20) == 0 {
                        *byte = random.random();
                    }
                }
            }
            _ => {
                for _ in 0..random.random_range(1..20) {
                    let at = random.random_range(0..good.len());
                    bytes[at] = random.random();
                }
            }
        }
        fs::write(&path, &bytes).unwrap();
        match bench.run(params.clone(), Some(&path), None) {
            Ok(()) => read += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    (read, refused)
}

#[test]
fn damaged_official_archives_are_errors() {
    let tar = tar_of_owned(&cifar10_files(1));
    let (_, refused) = mutate(&tar, &json!({"source": "cifar10"}), 400);
    assert!(refused > 100, "{refused}");
    let (read, refused) = mutate(&gzip(&tar), &json!({"source": "cifar10"}), 400);
    assert!(refused > read, "{refused} {read}");
}

#[test]
fn damaged_tars_of_images_are_errors() {
    let image = |side: u32| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let pixel = |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]);
        image::RgbImage::from_fn(side, side, pixel).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    };
    let long = format!("train/cat/{}.jpg", "long".repeat(60));
    let files = [("train/dog/a.jpg", image(9)), (&long, image(70)), ("val/dog/b.jpg", image(12))];
    let tar = tar_of(files.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    for params in [json!({"source": "folder"}), json!({"source": "folder", "skip_broken": true})] {
        let (_, refused) = mutate(&tar, &params, 400);
        assert!(refused > 50, "{refused}");
    }
}

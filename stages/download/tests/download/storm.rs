//! Random trees in random archives: joined, cut off, damaged, in one another. Whatever comes of one,
//! it is the right labels or an error. Short by default; `IGPT_FUZZ_SECONDS` makes it long.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use igpt_contract::{Stream, stream};
use igpt_dataset::{Split, decode};
use rand::RngExt as _;
use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::support::{Bench, gzip};

/// How long each test goes on.
fn duration() -> Duration {
    let seconds = std::env::var("IGPT_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

/// A picture whose every pixel is one number.
fn png(number: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let [_, r, g, b] = number.to_be_bytes();
    let image = image::RgbImage::from_pixel(3, 3, image::Rgb([r, g, b]));
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn pick<'a>(random: &mut Stream, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}

/// A member with any name and of any kind. A long name comes in a member of its own.
fn append(tar: &mut Builder<Vec<u8>>, random: &mut Stream, name: &str, bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    if random.random_range(0..60) == 0 {
        let kinds =
            [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char, EntryType::Directory];
        header.set_entry_type(kinds[random.random_range(0..kinds.len())]);
    }
    if name.len() > 100 || random.random_range(0..10) == 0 {
        let mut long = Header::new_gnu();
        long.set_entry_type(EntryType::GNULongName);
        long.set_size(name.len() as u64);
        long.set_cksum();
        tar.append(&long, name.as_bytes()).unwrap();
    } else {
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    }
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// Changes an archive as accidents do.
fn damage(random: &mut Stream, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match random.random_range(0..6) {
        0 => bytes.truncate(random.random_range(0..bytes.len())),
        1 => bytes.truncate(random.random_range(0..bytes.len().div_ceil(512)) * 512),
        2 => {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        3 => {
            // A whole block is lost.
            let at = random.random_range(0..bytes.len().div_ceil(512)) * 512;
            bytes.drain(at..bytes.len().min(at + 512));
        }
        4 => bytes.extend((0..random.random_range(1..700)).map(|_| random.random::<u8>())),
        _ => {
            // A size in a header becomes another, with the right sum.
            let at = random.random_range(0..bytes.len().div_ceil(512)) * 512;
            if let Some(block) = bytes.get_mut(at..at + 512) {
                let mut header = Header::from_byte_slice(block).clone();
                let bits = random.random_range(1..33);
                header.set_size(random.random_range(0..1u64 << bits));
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
    }
}

/// Every image of the last run must be one that was put in, with the label of one of its places.
fn check(bench: &Bench, places: &BTreeMap<u32, (Split, String)>) -> usize {
    let (set, rows) = bench.images();
    for row in &rows {
        let [r, g, b] = decode(row).unwrap().get_pixel(0, 0).0;
        let (split, class) = &places[&u32::from_be_bytes([0, r, g, b])];
        let label = usize::try_from(row.label).unwrap();
        assert_eq!((&row.split, &set.info().classes[label]), (split, class));
    }
    rows.len()
}

#[test]
fn random_trees_in_archives_have_the_right_labels_or_are_errors() {
    let bench = Bench::new();
    let (mut random, start) = (stream(17, "storm"), Instant::now());
    let (mut read, mut refused, mut images) = (0, 0, 0);
    while start.elapsed() < duration() {
        let mut places = BTreeMap::new();
        let mut number = 0;
        let mut bytes = Vec::new();
        // Several archives after one another, now and then.
        for part in 0..if random.random_range(0..4) == 0 { 3 } else { 1 } {
            let mut tar = Builder::new(Vec::new());
            for _ in 0..random.random_range(1..12) {
                let split = pick(&mut random, &["train", "train", "test"]);
                let class = pick(&mut random, &["cat", "dog", "a b", "é", "train"]);
                let slash = pick(&mut random, &["/", "/", "/", "/", "//", "/./", "/../"]);
                let start = pick(&mut random, &["", "", "", "", "./", "/", "../"]);
                let long =
                    "l".repeat(if random.random_range(0..8) == 0 { random.random_range(80..180) } else { 1 });
                let end = pick(&mut random, &[".png", ".png", ".PNG", ".jpeg", ".txt"]);
                let name =
                    format!("{start}{split}{slash}{class}/{part}{long}{}{end}", random.random_range(0..40));
                number += 1;
                let split = if split == "train" { Split::Train } else { Split::Test };
                places.insert(number, (split, class.to_owned()));
                append(&mut tar, &mut random, &name, &png(number));
            }
            bytes.extend(tar.into_inner().unwrap());
        }
        // What stays whole must be right; what is damaged must not be wrong.
        let damaged = random.random_range(0..3) == 0;
        if damaged {
            damage(&mut random, &mut bytes);
        }
        if random.random_range(0..3) == 0 {
            bytes = gzip(&bytes);
        }
        let path = bench.files().join("storm.tar");
        fs::write(&path, &bytes).unwrap();
        match bench.run(json!({"source": "folder"}), Some(&path), None) {
            Ok(()) => {
                read += 1;
                // A damaged byte of a name or a picture may be anything: only whole ones are compared.
                images += if damaged { 0 } else { check(&bench, &places) };
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
        assert!(!bench.checkpoints().join("expanded.tar").exists());
    }
    println!("{read} read with {images} images compared, {refused} refused");
    assert!(read > 5 && refused > 5 && images > 20, "{read} {refused} {images}");
}

#[test]
fn random_archives_in_archives_have_the_right_labels_or_are_errors() {
    let bench = Bench::new();
    let root = bench.files().join("imagenet");
    fs::create_dir(&root).unwrap();
    let (mut random, start) = (stream(18, "storm"), Instant::now());
    let (mut read, mut refused, mut images) = (0, 0, 0);
    while start.elapsed() < duration() {
        let mut places = BTreeMap::new();
        let mut number = 0;
        let mut outer = Builder::new(Vec::new());
        let mut harmed = false;
        for i in 0..random.random_range(1..6) {
            let class = format!("n{:08}", 1000 * random.random_range(0..40) + i);
            let mut inner = Builder::new(Vec::new());
            for _ in 0..random.random_range(1..8) {
                number += 1;
                places.insert(number, (Split::Train, class.clone()));
                let end = pick(&mut random, &[".JPEG", ".JPEG", ".JPEG", ".txt"]);
                let name = format!("{class}_{}{end}", random.random_range(0..200));
                append(&mut inner, &mut random, &name, &png(number));
            }
            let mut inner = inner.into_inner().unwrap();
            if random.random_range(0..12) == 0 {
                harmed = true;
                damage(&mut random, &mut inner);
            }
            append(&mut outer, &mut random, &format!("{class}.tar"), &inner);
        }
        let mut outer = outer.into_inner().unwrap();
        if random.random_range(0..4) == 0 {
            harmed = true;
            damage(&mut random, &mut outer);
        }
        fs::write(root.join("ILSVRC2012_img_train.tar"), &outer).unwrap();
        match bench.run(json!({"source": "imagenet"}), Some(&root), None) {
            Ok(()) => {
                read += 1;
                images += if harmed { 0 } else { check(&bench, &places) };
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
        assert_eq!(fs::read_dir(bench.checkpoints()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "nothing is written beside the archive");
    }
    println!("{read} read with {images} images compared, {refused} refused");
    assert!(read > 5 && refused > 5 && images > 20, "{read} {refused} {images}");
}

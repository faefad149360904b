//! Folders and tars of image files, and drawn sets.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use crate::support::{Bench, data, file, gzip, tar_of};
use igpt_dataset::{Encoding, ImageRow, Split, SplitCounts, decode};
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use serde_json::json;

pub(crate) fn png(side: u32, colour: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(side, side, Rgb([colour, 1, 2])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn grey_jpeg(side: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    GrayImage::from_fn(side, side, |x, _| Luma([x as u8])).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

pub(crate) fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn tree() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("val/dog/9.png", png(8, 9)),
        ("train/dog/2.png", png(8, 2)),
        ("train/cat/1.JPEG", grey_jpeg(100)),
        ("train/cat/0.png", png(8, 0)),
        ("train/emu/3.jpg", png(70, 3)),
        ("train/README.txt", b"words".to_vec()),
        ("train/cat/._0.png", b"resource fork".to_vec()),
    ]
}

fn summary(rows: &[ImageRow]) -> Vec<(u64, Split, i32, Encoding)> {
    rows.iter().map(|row| (row.id, row.split, row.label, row.encoding)).collect()
}

#[test]
fn a_folder_and_its_tars_are_the_same_set() {
    let bench = Bench::new();
    let folder = bench.files().join("images");
    write(&folder, &tree());
    let params = || json!({"source": "folder", "name": "pets"});
    bench.run(params(), Some(&folder), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!((set.info().name.as_str(), set.info().classes.join(" ")), ("pets", "cat dog emu".to_owned()));
    assert_eq!(
        summary(&rows),
        [
            (0, Split::Train, 0, Encoding::Rgb),
            (1, Split::Train, 0, Encoding::Jpeg),
            (2, Split::Train, 1, Encoding::Rgb),
            // A PNG whatever its name says.
            (3, Split::Train, 2, Encoding::Png),
            (4, Split::Test, 1, Encoding::Rgb),
        ]
    );
    let grey = decode(&rows[1]).unwrap();
    assert!(grey.dimensions() == (100, 100) && grey.pixels().all(|p| p[0] == p[1] && p[1] == p[2]));
    let (first, nameless) = (bench.bytes(), bench.nameless());
    let files = tree();
    let flat = tar_of(files.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    let around: Vec<(String, &[u8])> =
        files.iter().rev().map(|(name, bytes)| (format!("./pets/{name}"), bytes.as_slice())).collect();
    let around = gzip(&tar_of(around.iter().map(|(name, bytes)| (name.as_str(), *bytes))));
    for (name, bytes) in [("flat.tar", flat), ("around.tar.gz", around)] {
        let archive = file(&bench, name, &bytes);
        bench.run(params(), Some(&archive), None).unwrap();
        if name == "flat.tar" {
            assert_eq!(bench.bytes(), first);
        }
        assert_eq!(bench.nameless(), nameless, "{name}");
    }
    assert!(bench.notes.lock().unwrap().iter().any(|note| note.contains("skipped")));
}

#[test]
fn the_first_images_are_taken_from_each_class_in_turn() {
    let bench = Bench::new();
    let folder = bench.files().join("images");
    write(&folder, &tree());
    bench.run(json!({"source": "folder", "train": 3, "test": 0}), Some(&folder), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 3, test: 0 });
    assert_eq!(rows.iter().map(|row| (row.id, row.label)).collect::<Vec<_>>(), [(0, 0), (2, 1), (3, 2)]);
}

#[test]
fn files_without_classes_have_no_label() {
    let bench = Bench::new();
    let folder = bench.files().join("images");
    write(&folder, &[("b.png", png(8, 1)), ("a.png", png(8, 0))]);
    bench.run(json!({"source": "folder"}), Some(&folder), None).unwrap();
    let (set, rows) = bench.images();
    assert!(set.info().classes.is_empty());
    assert_eq!(rows.iter().map(|row| (row.label, row.pixels[0])).collect::<Vec<_>>(), [(-1, 0), (-1, 1)]);
    let classes = bench.files().join("classes");
    write(&classes, &[("dog/b.png", png(8, 1)), ("cat/a.png", png(8, 0))]);
    bench.run(json!({"source": "folder"}), Some(&classes), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!((set.info().classes.len(), rows[1].label), (2, 1));
}

#[test]
fn a_broken_image_is_named_or_left_out() {
    let bench = Bench::new();
    let folder = bench.files().join("images");
    let whole = png(8, 1);
    write(
        &folder,
        &[("cat/a.png", png(8, 0)), ("cat/b.png", whole[..40].to_vec()), ("cat/c.png", b"GIF89a".to_vec())],
    );
    let error = bench.refusal(json!({"source": "folder"}), Some(&folder), None);
    assert!(error.contains("`cat/b.png`") && error.contains("skip_broken"), "{error}");
    bench.run(json!({"source": "folder", "skip_broken": true}), Some(&folder), None).unwrap();
    assert_eq!(bench.images().1.len(), 1);
    assert!(bench.notes.lock().unwrap().iter().any(|note| note.contains("cat/c.png")));
    fs::remove_file(folder.join("cat/a.png")).unwrap();
    let error = bench.refusal(json!({"source": "folder", "skip_broken": true}), Some(&folder), None);
    assert!(error.contains("none of the 2 image files"), "{error}");
}

#[test]
fn half_a_photograph_is_a_broken_image() {
    let bench = Bench::new();
    let folder = bench.files().join("images");
    let whole = grey_jpeg(100);
    write(&folder, &[("cat/a.jpg", whole.clone()), ("cat/b.jpg", whole[..whole.len() * 3 / 4].to_vec())]);
    let error = bench.refusal(json!({"source": "folder"}), Some(&folder), None);
    assert!(error.contains("`cat/b.jpg`: cannot decode the image") && error.contains("truncated"), "{error}");
    bench.run(json!({"source": "folder", "skip_broken": true}), Some(&folder), None).unwrap();
    assert_eq!(bench.images().1.len(), 1);
}

#[test]
fn a_photograph_in_four_inks_becomes_rgb() {
    // Written by Pillow from 24x16 RGB pixels: (200, 40, 60) on the left, (200, 180, 60) on the right.
    let bench = Bench::new();
    let folder = bench.files().join("images");
    write(&folder, &[("cmyk.jpg", include_bytes!("cmyk.jpg").to_vec())]);
    bench.run(json!({"source": "folder"}), Some(&folder), None).unwrap();
    let image = decode(&bench.images().1[0]).unwrap();
    for (x, expected) in [(2, [200, 40, 60]), (20, [200, 180, 60])] {
        let found = image.get_pixel(x, 2).0;
        assert!(found.iter().zip(expected).all(|(f, e)| f.abs_diff(e) <= 4), "{found:?}");
    }
}

#[test]
fn layouts_that_are_none_are_refused() {
    let bench = Bench::new();
    let refusal = |name: &str, files: &[(&str, Vec<u8>)]| {
        let folder = bench.files().join(name);
        fs::create_dir(&folder).unwrap();
        write(&folder, files);
        bench.refusal(json!({"source": "folder"}), Some(&folder), None)
    };
    assert!(refusal("empty", &[]).contains("expected image files"));
    assert!(refusal("text", &[("a.txt", b"x".to_vec())]).contains("expected image files"));
    let deep = [("train/cat/young/a.png", png(8, 0)), ("train/dog/b.png", png(8, 0))];
    assert!(refusal("deep", &deep).contains("`train/cat/young/a.png` is deeper"));
    let both = [("val/cat/a.png", png(8, 0)), ("test/cat/b.png", png(8, 0))];
    assert!(refusal("both", &both).contains("one test split, found `test`, `val`"));
    let none = bench.refusal(json!({"source": "folder"}), None, None);
    assert!(none.contains("input `archive`"), "{none}");
    // Cut off between two members: nothing but the missing end mark tells.
    let tar = tar_of([("cat/a.png", png(8, 0).as_slice()), ("cat/b.png", &png(8, 1))]);
    let blocks = 1 + png(8, 0).len().div_ceil(512);
    let archive = file(&bench, "cut.tar", &tar[..512 * blocks]);
    let error = bench.refusal(json!({"source": "folder"}), Some(&archive), None);
    assert!(error.contains("truncated") && error.contains("end mark"), "{error}");
}

#[test]
fn real_images_are_read() {
    let bench = Bench::new();
    for (name, train, test) in [
        ("cifar10/cifar10_png_folders_1000.tar", 800, 200),
        ("cifar10/cifar10_jpeg_folders_1000.tar", 800, 200),
        ("photos/imagenet_sample_coarse6.tar", 119, 27),
    ] {
        let Some(archive) = data(name) else { continue };
        bench.run(json!({"source": "folder"}), Some(&archive), None).unwrap();
        let (set, rows) = bench.images();
        assert_eq!(set.counts(), SplitCounts { train, test }, "{name}");
        assert!(rows.iter().all(|row| row.label >= 0));
        rows.iter().take(50).for_each(|row| drop(decode(row).unwrap()));
    }
}

#[test]
fn drawn_sets_are_the_same_each_time_and_more_keep_the_first() {
    let bench = Bench::new();
    for source in ["shapes", "textures"] {
        let drawn = |train: u64, seed: u64| {
            bench
                .run(json!({"source": source, "train": train, "test": 20, "seed": seed}), None, None)
                .unwrap();
            (bench.bytes(), bench.images().1)
        };
        let (bytes, rows) = drawn(100, 0);
        assert_eq!(drawn(100, 0).0, bytes);
        assert_ne!(drawn(100, 1).0, bytes);
        let pixels = |rows: &[ImageRow]| rows.iter().map(|row| row.pixels.clone()).collect::<Vec<_>>();
        let (_, more) = drawn(200, 0);
        assert_eq!(pixels(&more)[..100], pixels(&rows)[..100]);
        assert_eq!(pixels(&more)[200..], pixels(&rows)[100..]);
        for class in 0..10 {
            assert_eq!(rows[..100].iter().filter(|row| row.label == class).count(), 10);
        }
        assert_eq!((rows[0].height, rows[0].width, rows[119].split), (32, 32, Split::Test));
    }
}

#[test]
fn a_drawn_set_takes_no_archive() {
    let bench = Bench::new();
    let archive = file(&bench, "images.tar", b"");
    for source in ["shapes", "textures"] {
        let error = bench.refusal(json!({"source": source}), Some(&archive), None);
        assert!(error.contains(&format!("`{source}` does not take the input `archive`")), "{error}");
    }
}

/// The test accuracy of the nearest class mean of raw pixels, with 1,000 training images.
fn class_means_accuracy(source: &str) -> f64 {
    let bench = Bench::new();
    bench.run(json!({"source": source, "train": 1000, "test": 500, "size": 16}), None, None).unwrap();
    let (_, rows) = bench.images();
    let mut means = vec![vec![0.0; 768]; 10];
    for row in &rows[..1000] {
        for (sum, pixel) in means[row.label as usize].iter_mut().zip(&row.pixels) {
            *sum += f64::from(*pixel) / 100.0;
        }
    }
    let right = rows[1000..].iter().filter(|row| {
        let distance = |mean: &[f64]| -> f64 {
            mean.iter().zip(&row.pixels).map(|(m, p)| (m - f64::from(*p)).powi(2)).sum()
        };
        let nearest = (0..10).min_by(|a, b| distance(&means[*a]).total_cmp(&distance(&means[*b])));
        nearest == Some(row.label as usize)
    });
    right.count() as f64 / 500.0
}

#[test]
fn raw_pixels_tell_something_of_shapes_and_less_of_textures() {
    // Chance is 0.1.
    let (shapes, textures) = (class_means_accuracy("shapes"), class_means_accuracy("textures"));
    assert!((0.2..0.7).contains(&shapes), "accuracy {shapes}");
    assert!((0.1..0.3).contains(&textures), "accuracy {textures}");
}

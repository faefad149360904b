//! Files of all kinds as rows: their names, turns and encodings.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use igpt_dataset::{Encoding, decode};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::json;

use crate::support::{Bench, cifar10_files, file, tar_of, tar_of_owned};

fn written(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([2 * x as u8, 2 * y as u8, 50]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG that asks for a quarter turn clockwise.
fn on_its_side(width: u32, height: u32) -> Vec<u8> {
    let bytes = written(width, height, ImageFormat::Jpeg);
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, exif, &bytes[2..]].concat()
}

fn names(bench: &Bench) -> Vec<String> {
    bench.images().1.into_iter().map(|row| row.name).collect()
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn rows_have_the_names_of_their_sources() {
    let bench = Bench::new();
    let archive = file(&bench, "c.tar", &tar_of_owned(&cifar10_files(2)));
    bench.run(json!({"source": "cifar10", "train": 3, "test": 1}), Some(&archive), None).unwrap();
    assert_eq!(
        names(&bench),
        ["data_batch_1.bin:0", "data_batch_1.bin:1", "data_batch_2.bin:0", "test_batch.bin:0"]
    );
    bench.run(json!({"source": "shapes", "train": 2, "test": 1}), None, None).unwrap();
    let shapes = names(&bench);
    assert!(shapes[0].ends_with(":0") && shapes[2].ends_with(":2"), "{shapes:?}");
    let png = written(8, 8, ImageFormat::Png);
    let folder = bench.files().join("photos");
    write(&folder, &[("a/1.png", png.clone()), ("b/2.png", png.clone())]);
    for source in ["folder", "web"] {
        bench.run(json!({"source": source}), Some(&folder), None).unwrap();
        assert_eq!(names(&bench), ["a/1.png", "b/2.png"], "{source}");
    }
    let tar = tar_of([("a/1.png", png.as_slice()), ("b/2.png", &png)]);
    let archive = file(&bench, "x.tar", &tar);
    for source in ["folder", "web"] {
        bench.run(json!({"source": source}), Some(&archive), None).unwrap();
        assert_eq!(names(&bench), ["a/1.png", "b/2.png"], "{source}");
    }
    let list = file(&bench, "list.txt", b"photos/b/2.png\nx.tar\n");
    bench.run(json!({"source": "web"}), Some(&list), None).unwrap();
    assert_eq!(names(&bench), ["photos/b/2.png", "x.tar/a/1.png", "x.tar/b/2.png"]);
}

#[test]
fn an_orientation_is_ignored_and_said_or_applied() {
    for source in ["folder", "web"] {
        let bench = Bench::new();
        let folder = bench.files().join("photos");
        write(
            &folder,
            &[
                ("c/large.jpg", on_its_side(80, 40)),
                ("c/small.jpg", on_its_side(16, 8)),
                ("c/upright.jpg", written(80, 40, ImageFormat::Jpeg)),
            ],
        );
        bench.run(json!({"source": source}), Some(&folder), None).unwrap();
        let (_, rows) = bench.images();
        let of = |rows: &[igpt_dataset::ImageRow]| -> Vec<(u8, (u32, u32))> {
            rows.iter().map(|row| (row.orientation, decode(row).unwrap().dimensions())).collect()
        };
        assert_eq!(of(&rows), [(1, (80, 40)), (1, (16, 8)), (1, (80, 40))]);
        let notes = bench.notes.lock().unwrap().join("\n");
        let large = notes.find("large.jpg").unwrap();
        assert!(
            notes.contains("ignored the Exif orientation of 2 images")
                && notes[large..].contains("small.jpg"),
            "{notes}"
        );
        assert!(notes.contains("`exif: apply` turns them upright"), "{notes}");
        bench.notes.lock().unwrap().clear();
        bench.run(json!({"source": source, "exif": "apply"}), Some(&folder), None).unwrap();
        let (_, rows) = bench.images();
        assert_eq!(of(&rows), [(6, (40, 80)), (1, (8, 16)), (1, (80, 40))]);
        assert_eq!((rows[0].height, rows[0].width), (80, 40));
        assert!(!bench.notes.lock().unwrap().iter().any(|note| note.contains("Exif")));
    }
}

#[test]
fn other_kinds_are_read_and_what_is_not_read_is_named() {
    let bench = Bench::new();
    let folder = bench.files().join("photos");
    let kinds = [
        ("c/1.bmp", ImageFormat::Bmp, Encoding::Bmp),
        ("c/2.GIF", ImageFormat::Gif, Encoding::Gif),
        ("c/3.tif", ImageFormat::Tiff, Encoding::Tiff),
        ("c/4.webp", ImageFormat::WebP, Encoding::Webp),
    ];
    write(&folder, &kinds.map(|(name, format, _)| (name, written(70, 30, format))));
    bench.run(json!({"source": "folder"}), Some(&folder), None).unwrap();
    let (_, rows) = bench.images();
    assert_eq!(rows.iter().map(|row| row.encoding).collect::<Vec<_>>(), kinds.map(|(.., encoding)| encoding));
    for row in &rows {
        let pixel = decode(row).unwrap().get_pixel(20, 10).0;
        // The encoder of GIF here picks a palette.
        let most = if row.encoding == Encoding::Gif { 12 } else { 4 };
        assert!(
            [40, 20, 50].iter().zip(pixel).all(|(a, b)| b.abs_diff(*a) <= most),
            "{}: {pixel:?}",
            row.name
        );
    }
    let heads: [(&str, &[u8], &str); 4] = [
        ("c/a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC is not supported"),
        ("c/a.jpg", b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF is not supported"),
        ("c/a.jxl", b"\xff\x0a\0\0", "JPEG XL is not supported"),
        ("c/a.jp2", b"\0\0\0\x0cjP  \r\n", "JPEG 2000 is not supported"),
    ];
    for (name, bytes, expected) in heads {
        write(&folder, &[(name, bytes.to_vec())]);
        let error = bench.refusal(json!({"source": "folder"}), Some(&folder), None);
        assert!(error.contains(expected) && error.contains(name), "{error}");
        bench.run(json!({"source": "folder", "skip_broken": true}), Some(&folder), None).unwrap();
        assert_eq!(bench.images().1.len(), 4);
        assert!(
            bench.notes.lock().unwrap().iter().any(|note| note.contains(expected) && note.contains(name))
        );
        fs::remove_file(folder.join(name)).unwrap();
    }
}

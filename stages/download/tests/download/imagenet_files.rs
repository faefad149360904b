//! A synthetic ImageNet: its images, its development kit and its archives.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::json;

use crate::support::{Bench, gzip, tar_of_owned};

pub(crate) type Files = Vec<(String, Vec<u8>)>;

pub(crate) const CLASSES: usize = 100;
pub(crate) const TRAIN: usize = 20;
pub(crate) const VAL: usize = 150;

/// The class numbered `id` from 1 in the kit's order, which is not the alphabet's.
pub(crate) fn wnid(id: usize) -> String {
    format!("n{:08}", 1_440_764 + (id * 37) % 101 * 1000)
}

/// The kit's number of the class of a validation image.
pub(crate) fn truth(number: usize) -> usize {
    (number * 7) % CLASSES + 1
}

/// A picture that tells which one it is: no two are alike.
pub(crate) fn picture(id: usize, number: usize) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let halves = [[id % 10, id / 10, number % 10], [number / 10 % 10, number / 100, 0]];
    let pixel = |x, _| image::Rgb(halves[x as usize / 8].map(|digit| 25 * digit as u8));
    image::RgbImage::from_fn(16, 8, pixel).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// `WNID/FILE` of each training image.
pub(crate) fn train() -> Files {
    let file = |id: usize, i: usize| (format!("{0}/{0}_{1}.JPEG", wnid(id), 7 * i), picture(id, i));
    (1..=CLASSES).flat_map(|id| (0..TRAIN).map(move |i| file(id, i))).collect()
}

/// `FILE` of each validation image.
pub(crate) fn val() -> Files {
    let file =
        |number: usize| (format!("ILSVRC2012_val_{number:08}.JPEG"), picture(truth(number), 200 + number));
    (1..=VAL).map(file).collect()
}

fn element(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn matrix(class: u8, sides: [i32; 2], name: &str, content: &[u8]) -> Vec<u8> {
    let sides = sides.map(i32::to_le_bytes).concat();
    let parts = [element(6, &[class, 0, 0, 0, 0, 0, 0, 0]), element(5, &sides), element(1, name.as_bytes())];
    element(14, &[&parts.concat(), content].concat())
}

/// `meta.mat` as MATLAB writes it, of these classes: number, wnid, words and children.
fn meta(classes: &[(usize, String, String, u8)]) -> Vec<u8> {
    let names = ["ILSVRC2012_ID", "WNID", "words", "num_children"];
    let fields: Vec<u8> = names.iter().flat_map(|name| format!("{name:\0<16}").into_bytes()).collect();
    let mut content = [[5 | 4 << 16, 16u32].map(u32::to_le_bytes).concat(), element(1, &fields)].concat();
    let text = |text: &str| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        matrix(4, [1, text.len() as i32], "", &element(4, &units))
    };
    for (id, wnid, words, children) in classes {
        content.extend(matrix(6, [1, 1], "", &element(4, &(*id as u16).to_le_bytes())));
        content.extend([text(wnid), text(words)].concat());
        content.extend(matrix(6, [1, 1], "", &element(2, &[*children])));
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&matrix(2, [classes.len() as i32, 1], "synsets", &content)).unwrap();
    let zlib = zlib.finish().unwrap();
    let mut file = format!("{:<124}", "MATLAB 5.0 MAT-file").into_bytes();
    file.extend(b"\0\x01IM");
    file.extend([15u32, zlib.len() as u32].map(u32::to_le_bytes).concat());
    file.extend(zlib);
    file
}

/// The files of the kit.
pub(crate) fn kit() -> Files {
    let mut classes: Vec<(usize, String, String, u8)> =
        (1..=CLASSES).map(|id| (id, wnid(id), format!("thing {id}, \"it\""), 0)).collect();
    classes.push((1001, "n00001740".to_owned(), "entity".to_owned(), 2));
    let lines: String = (1..=VAL).map(|number| format!("{}\n", truth(number))).collect();
    let folder = "ILSVRC2012_devkit_t12/data";
    vec![
        (format!("{folder}/meta.mat"), meta(&classes)),
        (format!("{folder}/ILSVRC2012_validation_ground_truth.txt"), lines.into_bytes()),
    ]
}

/// Files by the class that their path begins with.
pub(crate) fn by_class(files: Files) -> BTreeMap<String, Files> {
    let mut classes: BTreeMap<String, Files> = BTreeMap::new();
    for (name, bytes) in files {
        let (class, file) = name.split_once('/').unwrap();
        classes.entry(class.to_owned()).or_default().push((file.to_owned(), bytes));
    }
    classes
}

pub(crate) fn put(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The class tars, in no order.
pub(crate) fn class_tars(files: Files) -> Files {
    by_class(files)
        .into_iter()
        .rev()
        .map(|(wnid, files)| (format!("{wnid}.tar"), tar_of_owned(&files)))
        .collect()
}

/// A folder of the official archives.
pub(crate) fn official(bench: &Bench) -> PathBuf {
    let root = bench.files().join("official");
    let archives = vec![
        ("ILSVRC2012_img_train.tar".to_owned(), tar_of_owned(&class_tars(train()))),
        ("ILSVRC2012_img_val.tar".to_owned(), tar_of_owned(&val())),
        ("ILSVRC2012_devkit_t12.tar.gz".to_owned(), gzip(&tar_of_owned(&kit()))),
    ];
    put(&root, &archives);
    root
}

/// A folder of the same, unpacked.
pub(crate) fn unpacked(bench: &Bench) -> PathBuf {
    let root = bench.files().join("unpacked");
    put(&root.join("train"), &train());
    put(&root.join("val"), &val());
    put(&root, &kit());
    root
}

pub(crate) fn source() -> serde_json::Value {
    json!({"source": "imagenet"})
}

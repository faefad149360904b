//! The stage from end to end, on small image sets.

use std::path::Path;

use igpt_contract::{DynStage as _, LabelledInput};
use igpt_dataset::{Encoding, ImageSetInfo, RowKey, Split};
use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use super::*;

/// A smooth picture that differs by id.
fn picture(id: u64, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, (id * 40) as u8])
    })
}

/// Two training images and a test image of these sizes (width, height).
fn images(dir: &Path, sizes: [(u32, u32); 3]) {
    let info = ImageSetInfo { name: "test".into(), classes: vec!["only".into()] };
    let mut writer = ImageSetWriter::create(dir, &info).unwrap();
    for (id, (width, height)) in (0..).zip(sizes) {
        let split = if id < 2 { Split::Train } else { Split::Test };
        let key = RowKey { id, split, label: 0, view: 0 };
        let row = ImageRow::new(key, &picture(id, width, height)).unwrap();
        writer.append(row.named(format!("photo {id}"))).unwrap();
    }
    writer.finish().unwrap();
}

fn run_in(dir: &Path, params: Value, threads: usize) -> Result<Vec<ImageRow>, StageError> {
    let out = dir.join("out");
    if out.exists() {
        std::fs::remove_dir_all(&out).unwrap();
    }
    std::fs::create_dir(&out).unwrap();
    let mut io = StageIo::default();
    io.inputs
        .insert("images".into(), vec![LabelledInput { path: dir.join("in"), labels: Default::default() }]);
    io.outputs.insert("images".into(), out.clone());
    let cx = StageContext::new(5, threads, dir.to_owned(), |_| {});
    let params = Augment.complete(&params).unwrap();
    igpt_contract::DynStage::run(&Augment, &params, &io, &cx)?;
    Ok(ImageSetReader::open(&out).unwrap().rows().collect::<Result<_, _>>().unwrap())
}

fn workspace(sizes: [(u32, u32); 3]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    images(&dir.path().join("in"), sizes);
    dir
}

#[test]
fn the_contract_is_kept_and_bytes_move_with_the_version() {
    let mut trial = igpt_testing::Trial::new(Augment).seed(5);
    images(&trial.input("images"), [(32, 24), (40, 40), (24, 32)]);
    let params = json!({"side": 16, "crop": "random", "views": 2});
    trial.check_version(
        &trial.check(&params),
        3,
        "95125ce9c3d45a247c02fae0efc9c557372cc1a087720e0bde3b037fa3f58b38",
    );
}

#[test]
fn square_images_shrink_to_means_and_keep_all_else() {
    let dir = workspace([(32, 32); 3]);
    let rows = run_in(dir.path(), json!({"side": 16}), 2).unwrap();
    assert_eq!(rows.len(), 3);
    for (id, row) in (0..).zip(&rows) {
        assert_eq!((row.id, row.label, row.height, row.width, row.encoding), (id, 0, 16, 16, Encoding::Rgb));
        assert_eq!((row.name.as_str(), row.orientation), (format!("photo {id}").as_str(), 1));
        let source = picture(id, 32, 32);
        for (i, value) in row.pixels.iter().enumerate() {
            let (x, y, c) = ((i / 3 % 16) as u32, (i / 48) as u32, i % 3);
            let four =
                [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| source.get_pixel(2 * x + dx, 2 * y + dy)[c]);
            let mean = four.iter().map(|v| f64::from(*v)).sum::<f64>() / 4.0;
            assert!((f64::from(*value) - mean).abs() <= 1.0, "{value}, mean {mean}");
        }
    }
}

#[test]
fn training_images_get_random_views_and_test_images_the_centre() {
    let dir = workspace([(90, 70), (60, 80), (90, 70)]);
    let sizes = |crop: &str, views: u16| json!({"side": 8, "crop": crop, "resize_to": 24, "resize_range": [28, 40], "crop_size": 24, "views": views});
    let random = run_in(dir.path(), sizes("random", 3), 1).unwrap();
    let keys: Vec<_> = random.iter().map(|row| (row.split.as_str(), row.id, row.view)).collect();
    let train = [0, 1].into_iter().flat_map(|id| (0..3).map(move |view| ("train", id, view)));
    assert_eq!(keys, train.chain([("test", 2, 0)]).collect::<Vec<_>>());
    assert_ne!(random[0].pixels, random[1].pixels);
    assert_eq!(run_in(dir.path(), sizes("random", 3), 3).unwrap(), random, "another number of threads");

    let fewer = run_in(dir.path(), sizes("random", 1), 1).unwrap();
    assert_eq!(fewer[0], random[0], "a view does not depend on how many there are");
    let centre = run_in(dir.path(), sizes("centre", 1), 1).unwrap();
    assert_eq!(centre[2], random[6]);
    assert_ne!(centre[0].pixels, random[0].pixels);
}

#[test]
fn equal_inputs_make_equal_bytes() {
    let dir = workspace([(90, 70), (60, 80), (90, 70)]);
    let bytes = |threads| {
        run_in(dir.path(), json!({"crop": "random", "views": 2}), threads).unwrap();
        ["images-00000.parquet", "classes.json"]
            .map(|name| std::fs::read(dir.path().join("out").join(name)).unwrap())
    };
    let first = bytes(1);
    assert_eq!(bytes(2), first);
}

#[test]
fn images_that_are_not_square_ask_for_a_crop() {
    let dir = workspace([(32, 32), (20, 30), (32, 32)]);
    let StageError::Failed { what, hint: Some(hint), .. } = run_in(dir.path(), json!({}), 1).unwrap_err()
    else {
        panic!("no hint")
    };
    assert!(what.contains("30x20 pixels in train image 1"), "{what}");
    assert!(hint.contains("`crop: centre`"), "{hint}");
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    for (params, path) in [
        (json!({"sides": 32}), "sides"),
        (json!({"side": 0}), "side"),
        (json!({"side": 65}), "side"),
        (json!({"crop": "random", "views": 0}), "views"),
        (json!({"crop": "centre", "views": 2}), "views"),
        (json!({"crop": "centre", "crop_size": 225}), "crop_size"),
        (json!({"crop": "random", "resize_range": [200, 384]}), "resize_range"),
        (json!({"crop": "random", "resize_range": [300, 256]}), "resize_range"),
        (json!({"filter": "nearest"}), "filter"),
    ] {
        assert_eq!(Augment.complete(&params).unwrap_err().path, path);
    }
}

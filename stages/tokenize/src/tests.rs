//! The stage from end to end, on small image sets.

use std::path::Path;

use igpt_contract::{DynStage as _, LabelledInput};
use igpt_dataset::{ImageSetInfo, ImageSetWriter, RowKey, Split, TokenTable};
use image::{Rgb, RgbImage};
use serde_json::json;

use super::*;

const COLOURS: [[u8; 3]; 4] = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [250, 250, 250]];

/// What the image of that id has at a place: not a palette colour, but near one.
fn colour(id: u64, x: u32, y: u32) -> usize {
    (id as usize + 3 * x as usize + y as usize * y as usize) % COLOURS.len()
}

fn image(id: u64, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb(COLOURS[colour(id, x, y)].map(|c| c.clamp(7, 248))))
}

/// Writes a set: `train` training images and one test image, of a size each.
fn images(dir: &Path, class: &str, sizes: &[(u32, u32)]) {
    std::fs::create_dir(dir).unwrap();
    let info = ImageSetInfo { name: class.into(), classes: vec![class.into()] };
    let mut writer = ImageSetWriter::create(dir, &info).unwrap();
    for (id, &(width, height)) in (0..).zip(sizes) {
        let split = if id + 1 < sizes.len() as u64 { Split::Train } else { Split::Test };
        let key = RowKey { id, split, label: 0, view: 0 };
        writer.append(ImageRow::new(key, &image(id, width, height)).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

fn run_in(dir: &Path, sets: &[&str], threads: usize) -> Result<TokenTable, StageError> {
    let input = |name: &str| LabelledInput { path: dir.join(name), labels: Default::default() };
    let palette = dir.join("palette");
    std::fs::create_dir_all(&palette).unwrap();
    let levels = COLOURS.map(|colour| colour.map(f64::from));
    PaletteTable::from_levels(&levels).write(&palette).unwrap();
    let out = dir.join("tokens");
    if out.exists() {
        std::fs::remove_dir_all(&out).unwrap();
    }
    std::fs::create_dir(&out).unwrap();
    let mut io = StageIo::default();
    io.inputs.insert("images".into(), sets.iter().map(|name| input(name)).collect());
    io.inputs.insert("palette".into(), vec![input("palette")]);
    io.outputs.insert("tokens".into(), out.clone());
    let cx = StageContext::new(0, threads, dir.to_owned(), |_| {});
    igpt_contract::DynStage::run(&Tokenize, &json!({}), &io, &cx)?;
    Ok(TokenTable::read(&out).unwrap())
}

#[test]
fn the_contract_is_kept_and_bytes_move_with_the_version() {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("a"), "a", &[(5, 3); 9]);
    let mut trial = igpt_testing::Trial::new(Tokenize);
    trial.input_at("images", &dir.path().join("a"));
    let levels = COLOURS.map(|colour| colour.map(f64::from));
    PaletteTable::from_levels(&levels).write(&trial.input("palette")).unwrap();
    trial.check_version(
        &trial.check(&json!({})),
        3,
        "6a04ed0a537413099fbb658d687d0770b1be680024c03aa633e97de1c00cb8a3",
    );
}

#[test]
fn tokens_are_the_nearest_colours_in_raster_order() {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("a"), "a", &[(5, 3); 70]);
    let table = run_in(dir.path(), &["a"], 2).unwrap();
    assert_eq!((table.info.height, table.info.width, table.info.vocab), (3, 5, 4));
    assert_eq!(
        table.info.palette.unwrap(),
        igpt_dataset::palette_digest(&dir.path().join("palette")).unwrap()
    );
    assert_eq!((table.len(), table.rows_of(Split::Test).len()), (70, 1));
    for row in 0..table.len() {
        let expected: Vec<u16> = (0..15).map(|i| colour(table.ids[row], i % 5, i / 5) as u16).collect();
        assert_eq!(table.row(row), expected);
    }
    // 70 images: every second one is on the sheet, each of 5x3 pixels magnified 12 times.
    let sheet = image::open(dir.path().join("tokens/preview.png")).unwrap().into_rgb8();
    assert_eq!(sheet.dimensions(), (8 * (2 * 60 + 10) + 8, 5 * (36 + 8) + 8));
    let (original, quantized) = (sheet.get_pixel(8, 8).0, sheet.get_pixel(8 + 60 + 2, 8).0);
    assert_eq!((original, quantized), ([7, 7, 7], [0, 0, 0]));
}

#[test]
fn equal_inputs_make_equal_bytes_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("a"), "a", &[(8, 8); 20]);
    let bytes = |threads| {
        run_in(dir.path(), &["a"], threads).unwrap();
        let files = ["tokens-00000.parquet", "tokens.json", "preview.png"];
        files.map(|file| std::fs::read(dir.path().join("tokens").join(file)).unwrap())
    };
    let first = bytes(1);
    assert_eq!(bytes(3), first);
}

/// Writes a set of `classes`, one training image of each, and a test image of the last.
fn labelled(dir: &Path, name: &str, classes: &[&str]) {
    let dir = dir.join(name);
    std::fs::create_dir(&dir).unwrap();
    let info = ImageSetInfo { name: name.into(), classes: classes.iter().map(|c| (*c).into()).collect() };
    let mut writer = ImageSetWriter::create(&dir, &info).unwrap();
    let n = classes.len().max(1);
    for id in 0..=n as u64 {
        let split = if id < n as u64 { Split::Train } else { Split::Test };
        let label = if classes.is_empty() { -1 } else { id.min(n as u64 - 1) as i32 };
        let key = RowKey { id, split, label, view: 0 };
        writer.append(ImageRow::new(key, &image(id, 4, 4)).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn classes_of_several_sets_are_matched_by_name() {
    let dir = tempfile::tempdir().unwrap();
    labelled(dir.path(), "one", &["a", "b", "c"]);
    labelled(dir.path(), "two", &["a", "c", "d"]);
    labelled(dir.path(), "web", &[]);
    let table = run_in(dir.path(), &["two", "web", "one"], 2).unwrap();
    assert_eq!(table.info.name, "one+two+web");
    assert_eq!(table.info.classes, ["a", "b", "c", "d"]);
    assert_eq!(table.labels, [0, 1, 2, 0, 2, 3, -1, 2, 3, -1]);
    // The way back from an id to its image.
    let sets: Vec<(&str, u64, u64, u64)> = table
        .info
        .sets
        .iter()
        .map(|set| (set.name.as_str(), set.first_id, set.rows.train, set.rows.test))
        .collect();
    assert_eq!(sets, [("one", 0, 3, 1), ("two", 1 << 40, 3, 1), ("web", 1 << 41, 1, 1)]);
    let of = |row: usize| igpt_dataset::image_in(table.ids[row], &table.info.name, &table.info.sets);
    assert_eq!((of(1), of(4), of(9)), (("one", 1), ("two", 1), ("web", 1)));
}

#[test]
fn one_set_is_what_it_was_and_classes_that_cannot_be_matched_are_named() {
    let dir = tempfile::tempdir().unwrap();
    labelled(dir.path(), "birds", &["crane", "crane", "wren"]);
    labelled(dir.path(), "more", &["crane"]);
    let table = run_in(dir.path(), &["birds"], 1).unwrap();
    assert_eq!((table.labels, table.info.sets), (vec![0, 1, 2, 2], vec![]));
    let text = std::fs::read_to_string(dir.path().join("tokens/tokens.json")).unwrap();
    assert!(!text.contains("sets"), "{text}");
    let error = run_in(dir.path(), &["birds", "more"], 1).unwrap_err().to_string();
    assert!(error.contains("`birds` has two classes named `crane`"), "{error}");
}

#[test]
fn several_sets_are_read_as_one_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("a"), "a", &[(4, 4); 3]);
    images(&dir.path().join("b"), "b", &[(4, 4); 2]);
    let table = run_in(dir.path(), &["a", "b"], 2).unwrap();
    assert_eq!(
        (table.info.name.as_str(), table.info.classes.as_slice()),
        ("a+b", &["a".into(), "b".into()][..])
    );
    assert_eq!(table.ids, [0, 1, 1 << 40, 2, (1 << 40) + 1]);
    assert_eq!(table.labels, [0, 0, 1, 0, 1]);
    assert_eq!(table.rows_of(Split::Train), 0..3);
    // Whatever order their digests have.
    assert_eq!(run_in(dir.path(), &["b", "a"], 2).unwrap(), table);
}

#[test]
fn the_first_image_of_another_size_is_named() {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("a"), "a", &[(8, 8), (8, 8), (9, 8), (8, 8)]);
    let StageError::Failed { what, hint: Some(hint), .. } = run_in(dir.path(), &["a"], 1).unwrap_err() else {
        panic!("no hint")
    };
    assert!(what.contains("8x8") && what.contains("found 8x9 in train image 2"), "{what}");
    assert!(hint.contains("`augment`"), "{hint}");
}

#[test]
fn there_must_be_an_image_and_no_parameter() {
    let dir = tempfile::tempdir().unwrap();
    let error = run_in(dir.path(), &[], 1).unwrap_err();
    assert!(error.to_string().contains("at least one image"), "{error}");
    assert_eq!(Tokenize.complete(&json!({"side": 32})).unwrap_err().path, "side");
}

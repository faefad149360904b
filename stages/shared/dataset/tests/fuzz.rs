//! Damaged files are errors, never a panic and never endless: seeded mutations of good files.

use std::fs;
use std::path::Path;

use igpt_contract::stream;
use igpt_dataset::{
    ImageRow, ImageSetInfo, ImageSetReader, ImageSetWriter, PaletteTable, RowKey, Split, TokenTable,
    TokensInfo, TokensWriter, decode, decode_file,
};
use image::{ImageFormat, Rgb, RgbImage};
use rand::RngExt as _;

/// Calls `check` after each of `rounds` mutations of a file: bytes changed, cut off or doubled.
fn mutate(path: &Path, rounds: usize, mut check: impl FnMut()) {
    let good = fs::read(path).unwrap();
    let mut random = stream(7, "mutations");
    for _ in 0..rounds {
        let mut bytes = good.clone();
        match random.random_range(0..4) {
            0 => bytes.truncate(random.random_range(0..good.len())),
            1 => {
                let at = random.random_range(0..good.len());
                bytes.splice(at..at, good[..good.len() - at].to_vec());
            }
            // Most of what can go wrong is in the footer.
            2 => {
                for _ in 0..random.random_range(1..5) {
                    let at = good.len() - 1 - random.random_range(0..good.len().min(1500));
                    bytes[at] = random.random();
                }
            }
            _ => {
                for _ in 0..random.random_range(1..20) {
                    let at = random.random_range(0..good.len());
                    bytes[at] = random.random();
                }
            }
        }
        fs::write(path, &bytes).unwrap();
        check();
    }
    fs::write(path, good).unwrap();
}

fn key(id: u64) -> RowKey {
    RowKey { id, split: Split::Train, label: -1, view: 0 }
}

#[test]
fn damaged_image_sets_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let info = ImageSetInfo { name: "test".to_owned(), classes: vec!["cat".to_owned()] };
    let mut writer = ImageSetWriter::create(dir.path(), &info).unwrap();
    for id in 0..40 {
        let image = RgbImage::from_fn(70 - id as u32, 6, |x, y| Rgb([x as u8, y as u8, id as u8]));
        writer.append(ImageRow::new(key(id), &image).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    let (mut good, mut bad) = (0, 0);
    let mut check = || {
        let rows = ImageSetReader::open(dir.path()).and_then(|set| set.rows().collect::<Result<Vec<_>, _>>());
        match rows {
            Ok(rows) => {
                good += 1;
                assert_eq!(rows.len(), 40);
                rows.iter().for_each(|row| drop(decode(row)));
            }
            Err(error) => {
                bad += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    };
    mutate(&dir.path().join("images-00000.parquet"), 1500, &mut check);
    mutate(&dir.path().join("classes.json"), 200, &mut check);
    assert!(bad > good, "{bad} refused, {good} read");
}

#[test]
fn damaged_token_sets_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (name, classes) = ("test".to_owned(), Vec::new());
    let info = TokensInfo { name, height: 4, width: 4, vocab: 16, palette: None, classes, sets: Vec::new() };
    let mut writer = TokensWriter::create(dir.path(), &info).unwrap();
    for id in 0..100 {
        writer.append(key(id), &[(id % 16) as u16; 16]).unwrap();
    }
    writer.finish().unwrap();
    let mut check = || {
        if let Ok(table) = TokenTable::read(dir.path()) {
            assert!(table.tokens.len() == 1600 && table.tokens.iter().all(|token| *token < 16));
        }
    };
    mutate(&dir.path().join("tokens-00000.parquet"), 1500, &mut check);
    mutate(&dir.path().join("tokens.json"), 200, &mut check);
}

#[test]
fn damaged_palettes_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    PaletteTable { colours: vec![[0.5; 3]; 20] }.write(dir.path()).unwrap();
    let path = dir.path().join("palette.npy");
    mutate(&path, 2000, || drop(PaletteTable::read(&path)));
    let path = dir.path().join("clusters.json");
    mutate(&path, 500, || drop(PaletteTable::read(&path)));
}

#[test]
fn damaged_photographs_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let image = RgbImage::from_fn(80, 60, |x, y| Rgb([(x * 3) as u8, (y * 4) as u8, (x * y) as u8]));
    for (format, encoding) in
        [(ImageFormat::Jpeg, igpt_dataset::Encoding::Jpeg), (ImageFormat::Png, igpt_dataset::Encoding::Png)]
    {
        let path = dir.path().join("image");
        image.save_with_format(&path, format).unwrap();
        mutate(&path, 1000, || drop(decode_file(&fs::read(&path).unwrap(), encoding)));
    }
}

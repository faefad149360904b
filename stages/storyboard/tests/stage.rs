//! The stage from end to end, on small image sets whose colours are not those of the palette.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use igpt_contract::{DynStage, LabelledInput, Signal, StageContext, StageError, StageIo};
use igpt_dataset::{
    ImageRow, ImageSetInfo, ImageSetWriter, PaletteTable, RowKey, Split, TokensInfo, TokensWriter,
};
use igpt_storyboard::Storyboard;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};

const PALETTE: [[u8; 3]; 4] = [[10, 200, 30], [20, 40, 220], [240, 190, 20], [90, 90, 90]];
const SIDE: u32 = 8;
const TRAIN: u64 = 5;
const TEST: u64 = 6;

fn token(id: u64, i: u32) -> u16 {
    ((id as u32 + i + i / SIDE) % 4) as u16
}

fn key(id: u64) -> RowKey {
    let split = if id < TRAIN { Split::Train } else { Split::Test };
    RowKey { id, split, label: (id % 3) as i32, view: 0 }
}

fn info() -> ImageSetInfo {
    ImageSetInfo { name: "drawn".into(), classes: ["cat", "dog & co", "ship"].map(String::from).to_vec() }
}

fn images(dir: &Path, side: u32) {
    std::fs::create_dir(dir).unwrap();
    let mut writer = ImageSetWriter::create(dir, &info()).unwrap();
    for id in 0..TRAIN + TEST {
        let image = RgbImage::from_fn(side, side, |x, y| Rgb([id as u8, x as u8, y as u8]));
        writer.append(ImageRow::new(key(id), &image).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

fn palette(dir: &Path, colours: &[[u8; 3]]) -> PaletteTable {
    std::fs::create_dir_all(dir).unwrap();
    let levels: Vec<[f64; 3]> = colours.iter().map(|colour| colour.map(f64::from)).collect();
    let palette = PaletteTable::from_levels(&levels);
    palette.write(dir).unwrap();
    palette
}

/// A folder with `images` (of so many pixels a side), `small`, `tokens` and `palette`.
fn project(side: u32) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: &str| root.path().join(name);
    images(&folder("images"), side);
    images(&folder("small"), SIDE);
    let palette = palette(&folder("palette"), &PALETTE);
    std::fs::create_dir(folder("tokens")).unwrap();
    let side = SIDE as usize;
    let ImageSetInfo { name, classes } = info();
    let digest = Some(palette.digest());
    let info =
        TokensInfo { name, height: side, width: side, vocab: 4, palette: digest, classes, sets: Vec::new() };
    let mut writer = TokensWriter::create(&folder("tokens"), &info).unwrap();
    for id in 0..TRAIN + TEST {
        let tokens: Vec<u16> = (0..SIDE * SIDE).map(|i| token(id, i)).collect();
        writer.append(key(id), &tokens).unwrap();
    }
    writer.finish().unwrap();
    root
}

/// What the stage wrote and said.
#[derive(Debug, PartialEq)]
struct Drawn {
    svg: String,
    png: Vec<u8>,
    notes: String,
}

fn draw(root: &Path, inputs: &[&str], params: &Value, seed: u64) -> Result<Drawn, StageError> {
    let input = |name: &&str| {
        let path: PathBuf = root.join(name);
        (name.to_string(), vec![LabelledInput { path, labels: Default::default() }])
    };
    let out = tempfile::tempdir().unwrap();
    let io = StageIo {
        inputs: inputs.iter().map(input).collect(),
        outputs: [("figure".to_owned(), out.path().to_owned())].into(),
    };
    let params =
        DynStage::complete(&Storyboard, params).map_err(|e| StageError::new(format!("{}: {e}", e.path)))?;
    let notes = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&notes);
    let sink = move |signal| {
        if let Signal::Note(text) = signal {
            heard.lock().unwrap().push_str(&text);
        }
    };
    DynStage::run(&Storyboard, &params, &io, &StageContext::new(seed, 1, root.to_owned(), sink))?;
    Ok(Drawn {
        svg: std::fs::read_to_string(out.path().join("figure.svg")).unwrap(),
        png: std::fs::read(out.path().join("figure.png")).unwrap(),
        notes: notes.lock().unwrap().clone(),
    })
}

const ALL: [&str; 4] = ["images", "small", "tokens", "palette"];

fn rects(svg: &str, [r, g, b]: [u8; 3]) -> usize {
    let colour = format!("#{r:02X}{g:02X}{b:02X}");
    svg.lines().filter(|line| line.starts_with("<rect") && line.contains(&colour)).count()
}

#[test]
fn every_token_is_drawn_where_it_is_seen() {
    let root = project(12);
    let params = json!({"ids": [9, 6], "context": 0.5, "mask_probability": 0.25});
    let drawn = draw(root.path(), &ALL, &params, 1).unwrap();
    assert_eq!(drawn.notes, "shows cat, cat");
    for words in [
        ">\nOriginal\n<",
        "12 × 12 pixels",
        "8 × 8 pixels",
        "4 colours",
        "64 tokens, row",
        "Autoregressive",
        "BERT",
    ] {
        assert!(drawn.svg.contains(words), "{words}: {}", drawn.svg);
    }
    let n = (SIDE * SIDE) as usize;
    // Four sides a frame.
    let (next, masked) = (rects(&drawn.svg, [0xd5, 0x5e, 0]) / 4, rects(&drawn.svg, [0, 0x72, 0xb2]) / 4);
    assert_eq!(next, 2, "one next pixel an image");
    assert!((10..=60).contains(&masked), "{masked} of 128 are masked");
    let tokens: usize = PALETTE.iter().map(|colour| rects(&drawn.svg, *colour)).sum();
    // The quantised image, the sequence, half of the context, what BERT sees.
    assert_eq!(tokens, 2 * (2 * n + n / 2 + n) - masked);
    // The first tokens of image 9: the colour of the first pixel of the quantised image.
    let first = |id: u64| (0..n as u32).filter(|i| token(id, *i) == 2).count();
    let seen = |id: u64| (0..n as u32 / 2).filter(|i| token(id, *i) == 2).count();
    let most: usize = [9, 6].map(|id| 3 * first(id) + seen(id)).iter().sum();
    let found = rects(&drawn.svg, PALETTE[2]);
    assert!(found <= most && found + masked >= most, "{found} of at most {most}");
    // All pixels of originals and of small images.
    for id in [9_u8, 6] {
        assert_eq!(rects(&drawn.svg, [id, 11, 11]), 1);
        assert_eq!(rects(&drawn.svg, [id, 7, 7]), 2);
    }
}

#[test]
fn equal_inputs_make_equal_bytes_and_the_seed_chooses() {
    let root = project(8);
    let drawn = draw(root.path(), &ALL, &json!({}), 1).unwrap();
    assert_eq!(draw(root.path(), &ALL, &json!({}), 1).unwrap(), drawn);
    let others: Vec<Drawn> = (2..6).map(|seed| draw(root.path(), &ALL, &json!({}), seed).unwrap()).collect();
    assert!(others.iter().any(|other| other.notes != drawn.notes), "{}", drawn.notes);
    assert_eq!(drawn.notes.split(", ").count(), 3);
    // As many as there are.
    let all = draw(root.path(), &ALL, &json!({"images": 12}), 1).unwrap();
    assert_eq!(all.notes, "shows ship, cat, dog & co, ship, cat, dog & co");
    assert!(all.svg.contains("dog &amp; co"), "{}", all.svg);
}

#[test]
fn the_picture_has_the_width_of_a_page_at_300_dpi() {
    let root = project(100);
    let drawn = draw(root.path(), &["images", "tokens", "palette"], &json!({"images": 1}), 1).unwrap();
    assert!(drawn.svg.starts_with("<svg width=\"174mm\""), "{}", &drawn.svg[..200]);
    assert!(!drawn.svg.contains("Input resolution"), "no such images are wired");
    let image = image::load_from_memory(&drawn.png).unwrap().into_rgb8();
    assert_eq!(image.width(), 2055);
    // Every colour of the palette is there, in print too.
    for colour in PALETTE {
        assert!(image.pixels().any(|pixel| pixel.0 == colour), "{colour:?}");
    }
    // The picture is white at its rim: nothing is cut off.
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    let rim = (0..=right)
        .flat_map(|x| [(x, 0), (x, bottom)])
        .chain((0..=bottom).flat_map(|y| [(0, y), (right, y)]));
    for (x, y) in rim {
        assert_eq!(image.get_pixel(x, y).0, [255; 3], "at ({x}, {y})");
    }
}

#[track_caller]
fn refused(root: &Path, params: &Value, expected: &[&str]) {
    let text = match draw(root, &ALL, params, 1).unwrap_err() {
        StageError::Failed { what, hint, .. } => format!("{what} {}", hint.unwrap_or_default()),
        cancelled => panic!("{cancelled}"),
    };
    for part in expected {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let root = project(8);
    refused(root.path(), &json!({"images": 0}), &["images: expected 1 to 12 images, found 0"]);
    refused(root.path(), &json!({"ids": [7, 7]}), &["ids: 7 is given twice"]);
    refused(root.path(), &json!({"context": 1.0}), &["context: expected a share from 0 to below 1"]);
    refused(root.path(), &json!({"ids": [7, 2]}), &["the tokens have no test image 2"]);
    let moved = root.path().join("small");
    std::fs::remove_dir_all(&moved).unwrap();
    images(&moved, 9);
    refused(root.path(), &json!({}), &["expected images of 8x8 pixels like the tokens", "found 9x9"]);
    palette(&root.path().join("palette"), &[[1, 2, 3]; 4]);
    refused(root.path(), &json!({}), &["made with another palette", "step that made the tokens"]);
}

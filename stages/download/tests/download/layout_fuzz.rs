//! Random folders, tars and files of labels: the label of every image that is written is the one that
//! was meant, or there is an error; nothing else.
//!
//! `IGPT_FUZZ_SECONDS` says how long (default: a few hundred rounds of each).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use igpt_contract::{Stream, stream};
use igpt_dataset::Split;
use image::{ImageFormat, Rgb, RgbImage};
use rand::RngExt as _;
use serde_json::{Value, json};

use crate::support::{Bench, gzip, tar_of};

/// What an image is meant to be; none where it must not be written.
type Meant = Option<(Split, Option<String>)>;

/// Files, and what is meant of each image by its number, which its colour tells.
#[derive(Default)]
struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    meant: Vec<Meant>,
}

impl Tree {
    fn image(&mut self, name: String, meant: Meant) {
        let number = self.meant.len();
        if self.files.contains_key(&name) {
            return;
        }
        let mut bytes = std::io::Cursor::new(Vec::new());
        let colour = Rgb([number as u8, (number >> 8) as u8, 7]);
        RgbImage::from_pixel(2, 2, colour).write_to(&mut bytes, ImageFormat::Png).unwrap();
        self.files.insert(name, bytes.into_inner());
        self.meant.push(meant);
    }
}

fn pick<'a>(random: &mut Stream, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}

const CLASSES: [&str; 12] =
    ["cat", "dog", "train", "test", "val", "7", "10", "a b", "Ünï", "Cat", "x,y", "n01440764"];
const SPLITS: [&str; 7] = ["train", "val", "test", "valid", "Validation", "TRAIN", "extra"];
const HIDDEN: [&str; 6] = [".git", "@eaDir", "__MACOSX", ".ipynb_checkpoints", "lost+found", ".x"];

fn split_of(name: &str) -> Option<Split> {
    match name.to_lowercase().as_str() {
        "train" => Some(Split::Train),
        "val" | "test" | "valid" | "validation" => Some(Split::Test),
        _ => None,
    }
}

/// Folders of one of the layouts, some with a fault in them: an image at another depth, a class
/// without images, a hidden folder, a file that is no image.
fn tree(random: &mut Stream) -> (Tree, Value) {
    let mut tree = Tree::default();
    let kind = random.random_range(0..4);
    let around = "w/".repeat(random.random_range(0..3));
    let dropped = kind == 3;
    for i in 0..random.random_range(1..12) {
        let class = pick(random, &CLASSES);
        let split = pick(random, &SPLITS[..if kind == 1 { 2 } else { 7 }]);
        match kind {
            0 => tree.image(format!("{around}{class}/{i}.png"), Some((Split::Train, Some(class.into())))),
            1 | 2 => {
                // `extra` alone is a folder around all; beside splits it is refused.
                let meant = split_of(split).unwrap_or(Split::Train);
                tree.image(format!("{around}{split}/{class}/{i}.png"), Some((meant, Some(class.to_owned()))));
            }
            _ => tree.image(
                format!("{around}{}{i}.png", "d/".repeat(random.random_range(0..5))),
                Some((Split::Train, None)),
            ),
        }
    }
    // A fault: none of these may get a label that its path does not say.
    for _ in 0..random.random_range(0..3) {
        let (class, hidden) = (pick(random, &CLASSES), pick(random, &HIDDEN));
        match random.random_range(0..6) {
            0 => tree.image(format!("{around}{hidden}/{class}/h.png"), None),
            1 => tree.image(format!("{around}{class}/{hidden}/h.png"), None),
            2 => drop(tree.files.insert(format!("{around}{class}/empty.gif"), b"GIF89a".to_vec())),
            3 => tree.image(format!("{around}stray.png"), dropped.then_some((Split::Train, None))),
            4 => drop(tree.files.insert(format!("{around}README.md"), b"x".to_vec())),
            _ => {
                tree.image(format!("{around}deep/er/{class}/s.png"), dropped.then_some((Split::Train, None)))
            }
        }
    }
    let mut params = json!({"source": "folder"});
    if dropped {
        params["labels"] = "drop".into();
    } else if random.random_range(0..3) == 0 {
        params["empty_classes"] = "keep".into();
    }
    (tree, params)
}

fn lay(bench: &Bench, tree: &Tree, random: &mut Stream) -> PathBuf {
    let place = bench.files().join("archive");
    let _ = fs::remove_dir_all(&place);
    let _ = fs::remove_file(&place);
    match random.random_range(0..3) {
        0 => {
            let files = tree.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
            let tar = tar_of(files);
            fs::write(&place, if random.random_range(0..2) == 0 { gzip(&tar) } else { tar }).unwrap();
        }
        linked => {
            fs::create_dir(&place).unwrap();
            let elsewhere = bench.files().join("elsewhere");
            let _ = fs::remove_dir_all(&elsewhere);
            fs::create_dir(&elsewhere).unwrap();
            for (i, (name, bytes)) in tree.files.iter().enumerate() {
                let path = place.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                if linked == 1 {
                    let real = elsewhere.join(i.to_string());
                    fs::write(&real, bytes).unwrap();
                    std::os::unix::fs::symlink(real, path).unwrap();
                } else {
                    fs::write(path, bytes).unwrap();
                }
            }
        }
    }
    place
}

/// Checks what was written against what was meant.
fn check(bench: &Bench, tree: &Tree, what: &str) {
    let (set, rows) = bench.images();
    assert!(!rows.is_empty());
    for row in rows {
        let number = usize::from(row.pixels[0]) | usize::from(row.pixels[1]) << 8;
        let Some((split, class)) = &tree.meant[number] else {
            panic!("{what}: an image that was to be left out is there: {number} of {:?}", tree.files.keys())
        };
        let found = usize::try_from(row.label).ok().map(|label| set.info().classes[label].clone());
        assert_eq!((row.split, &found), (*split, class), "{what}: image {number} of {:?}", tree.files.keys());
    }
}

/// Rounds until the time is over, or a few hundred.
fn rounds(mut round: impl FnMut(&Bench, &mut Stream) -> bool, purpose: &str) -> (u64, u64) {
    let bench = Bench::new();
    let mut random = stream(5, purpose);
    let time =
        std::env::var("IGPT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let (began, mut read, mut refused) = (Instant::now(), 0, 0);
    while time.map_or(read + refused < 300, |time| began.elapsed() < time) {
        *if round(&bench, &mut random) { &mut read } else { &mut refused } += 1;
    }
    println!("{purpose}: {read} read, {refused} refused");
    (read, refused)
}

#[test]
fn no_folder_or_tar_gives_a_label_that_its_paths_do_not_say() {
    let round = |bench: &Bench, random: &mut Stream| {
        let (tree, params) = tree(random);
        let place = lay(bench, &tree, random);
        let read = bench.run(params, Some(&place), None).is_ok();
        if read {
            check(bench, &tree, "layout");
        }
        read
    };
    let (read, refused) = rounds(round, "layouts");
    assert!(read > 20 && refused > 20, "{read} {refused}");
}

/// A field as it is, with blanks around, or in quotes.
fn field(random: &mut Stream, text: &str) -> String {
    match random.random_range(0..4) {
        0 => format!("\"{}\"", text.replace('"', "\"\"")),
        _ if text.contains([',', '"', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
        1 => format!(" {text}\t"),
        _ => text.to_owned(),
    }
}

#[test]
fn no_file_of_labels_gives_a_label_that_it_does_not_say() {
    let round = |bench: &Bench, random: &mut Stream| {
        let mut tree = Tree::default();
        let end = if random.random_range(0..2) == 0 { "\r\n" } else { "\n" };
        let with_split = random.random_range(0..2) == 0;
        let mut text = String::new();
        if random.random_range(0..2) == 0 {
            text.push('\u{feff}');
        }
        text += if with_split { "file,label,split" } else { "label,file" };
        text += end;
        for i in 0..random.random_range(1..12) {
            let (class, split) = (pick(random, &CLASSES), pick(random, &SPLITS[..2]));
            let name = format!("{}{i}, \"x\".png", "d/".repeat(random.random_range(0..3)));
            let listed = random.random_range(0..5) > 0;
            let split_meant = if with_split { split_of(split).unwrap() } else { Split::Train };
            tree.image(name.clone(), listed.then(|| (split_meant, Some(class.to_owned()))));
            for _ in 0..if listed { random.random_range(1..3) } else { 0 } {
                let (file, class) = (field(random, &name), field(random, class));
                let row =
                    if with_split { format!("{file},{class},{split}") } else { format!("{class},{file}") };
                write!(text, "{row}{end}").unwrap();
            }
            if random.random_range(0..10) == 0 {
                text += end;
            }
        }
        let mut bytes = text.into_bytes();
        // Damage may be refused, or say something else that is true of the damaged text.
        let damaged = random.random_range(0..4) == 0;
        if damaged {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..3) {
                    0 => bytes.truncate(at),
                    1 => bytes[at] = random.random(),
                    _ => bytes.insert(at, b",\"\n\r "[random.random_range(0..5)]),
                }
                if bytes.is_empty() {
                    break;
                }
            }
        }
        let place = lay(bench, &tree, random);
        let labels = bench.files().join("labels.csv");
        fs::write(&labels, &bytes).unwrap();
        let result = bench.run_labelled(json!({"source": "folder"}), &place, &labels);
        if result.is_ok() && !damaged {
            check(bench, &tree, "labels");
        }
        result.is_ok()
    };
    let (read, refused) = rounds(round, "labels");
    assert!(read > 20 && refused > 20, "{read} {refused}");
}

#[test]
fn damaged_parquet_files_of_labels_are_errors() {
    let bench = Bench::new();
    let mut tree = Tree::default();
    (0..4).for_each(|i| tree.image(format!("{i}.png"), None));
    let place = lay(&bench, &tree, &mut stream(1, "place"));
    let labels = bench.files().join("labels.parquet");
    crate::labels::four_rows(&labels);
    let good = fs::read(&labels).unwrap();
    let round = |bench: &Bench, random: &mut Stream| {
        let _ = bench;
        let mut bytes = good.clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        let cut = random.random_range(0..4) == 0;
        bytes.truncate(if cut { random.random_range(1..good.len()) } else { good.len() });
        fs::write(&labels, bytes).unwrap();
        run(&place, &labels)
    };
    let (read, refused) = rounds(round, "parquet");
    assert!(read + refused > 0 && refused > 20, "{read} {refused}");
}

fn run(place: &Path, labels: &Path) -> bool {
    Bench::new().run_labelled(json!({"source": "folder"}), place, labels).is_ok()
}

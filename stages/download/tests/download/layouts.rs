//! Ways to lay images out: read one way, or refused.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::images::{png, write};
use crate::support::{Bench, file, tar_of};
use igpt_dataset::Split::{self, Test, Train};
use serde_json::{Value, json};

/// A folder of images, each of a colour of its own by its place in the list.
pub(crate) fn folder(bench: &Bench, name: &str, files: &[&str]) -> PathBuf {
    let folder = bench.files().join(name);
    fs::create_dir_all(&folder).unwrap();
    let files: Vec<(&str, Vec<u8>)> = files.iter().zip(1..).map(|(name, i)| (*name, png(8, i))).collect();
    write(&folder, &files);
    folder
}

/// The classes, and of each row its split, label and colour.
pub(crate) fn rows(bench: &Bench) -> (String, Vec<(Split, i32, u8)>) {
    let (set, rows) = bench.images();
    let row = |row: &igpt_dataset::ImageRow| (row.split, row.label, row.pixels[0]);
    (set.info().classes.join(" "), rows.iter().map(row).collect())
}

/// A tar of the same files.
fn tar(bench: &Bench, files: &[&str]) -> PathBuf {
    let files: Vec<(&str, Vec<u8>)> = files.iter().zip(1..).map(|(name, i)| (*name, png(8, i))).collect();
    file(bench, "images.tar", &tar_of(files.iter().map(|(name, bytes)| (*name, bytes.as_slice()))))
}

/// What a folder of files is read as; a tar of them must be the same set.
fn read(files: &[&str], params: Value) -> (String, Vec<(Split, i32, u8)>) {
    let bench = Bench::new();
    bench.run(params.clone(), Some(&folder(&bench, "images", files)), None).unwrap();
    let of_folder = rows(&bench);
    bench.run(params, Some(&tar(&bench, files)), None).unwrap();
    assert_eq!(rows(&bench), of_folder);
    of_folder
}

/// Why a folder of files is refused; a tar of them must be, too.
fn refusal(files: &[&str], params: Value) -> String {
    let bench = Bench::new();
    bench.refusal(params.clone(), Some(&tar(&bench, files)), None);
    bench.refusal(params, Some(&folder(&bench, "images", files)), None)
}

fn plain() -> Value {
    json!({"source": "folder"})
}

#[test]
fn a_class_may_be_called_train() {
    let (classes, rows) = read(&["bicycle/0.png", "car/0.png", "train/0.png"], plain());
    assert_eq!(classes, "bicycle car train");
    assert_eq!(rows, [(Train, 0, 1), (Train, 1, 2), (Train, 2, 3)]);
    // Also where classes called so are all there are, and in a split.
    let splits = json!({"source": "folder", "splits": "none"});
    assert_eq!(read(&["test/0.png", "train/0.png"], splits.clone()).0, "test train");
    assert_eq!(read(&["around/test/0.png", "around/train/0.png"], splits).0, "test train");
    let (classes, rows) = read(&["train/train/0.png", "train/bus/0.png", "test/train/0.png"], plain());
    assert_eq!((classes.as_str(), rows), ("bus train", vec![(Train, 0, 2), (Train, 1, 1), (Test, 1, 3)]));
}

#[test]
fn layouts_that_can_be_read_in_two_ways_are_refused() {
    for files in [
        // Splits without classes, or classes?
        &["train/0.png", "val/1.png"][..],
        &["train/0.png", "val/1.png", "extra/2.png"],
        &["train/cat/0.png", "bicycle/1.png"],
        &["train/cat/0.png", "extra/cat/1.png"],
        &["train/cat/0.png", "1.png"],
    ] {
        let error = refusal(files, plain());
        assert!(error.contains("ambiguous") && error.contains("`splits: none`"), "{files:?}: {error}");
        assert!(error.contains("`train`") || error.contains("`train/cat/0.png`"), "{error}");
    }
    let deep = refusal(&["training/cat/0.png", "testing/cat/1.png"], plain());
    assert!(deep.contains("is deeper") && deep.contains("`splits: {train: [NAME]"), "{deep}");
}

#[test]
fn a_set_is_labelled_as_a_whole_or_not_at_all() {
    let error = refusal(&["train/cat/0.png", "val/1.png", "val/2.png"], plain());
    assert!(error.contains("found 2 images of `val` outside (`val/1.png`)"), "{error}");
    let error = refusal(&["cat/0.png", "1.png"], plain());
    assert!(error.contains("found 1 image outside (`1.png`)"), "{error}");
    let drop = json!({"source": "folder", "labels": "drop"});
    let (classes, rows) = read(&["train/cat/0.png", "val/1.png", "train/dog/old/2.png"], drop.clone());
    assert_eq!((classes.as_str(), rows), ("", vec![(Train, -1, 1), (Train, -1, 3), (Test, -1, 2)]));
    assert_eq!(read(&["cat/0.png", "1.png", "a/b/c/2.png"], drop.clone()).1.len(), 3);
    // What is left for testing must be known without labels too.
    let error = refusal(&["train/cat/0.png", "val/1.png", "extra/2.png"], drop);
    assert!(error.contains("ambiguous"), "{error}");
}

#[test]
fn split_folders_have_the_usual_names_in_any_case_or_those_that_are_given() {
    for test in ["val", "valid", "validation", "test", "Test", "VAL"] {
        let of_test = format!("{test}/cat/1.png");
        assert_eq!(read(&["Train/cat/0.png", &of_test], plain()).1, [(Train, 0, 1), (Test, 0, 2)]);
    }
    let all = ["train/cat/0.png", "val/cat/1.png", "test/cat/2.png"];
    let error = refusal(&all, plain());
    assert!(
        error.contains("`test`, `val`") && error.contains("`splits: {train: [train], test: [val]}`"),
        "{error}"
    );
    let splits = |splits: Value| read(&all, json!({"source": "folder", "splits": splits})).1;
    assert_eq!(splits(json!({"train": "train", "test": "val"})), [(Train, 0, 1), (Test, 0, 2)]);
    assert_eq!(
        splits(json!({"train": ["train", "val"], "test": ["test"]})),
        [(Train, 0, 1), (Train, 0, 2), (Test, 0, 3)]
    );
    assert_eq!(splits(json!({"train": "train"})), [(Train, 0, 1)]);
    let own = json!({"source": "folder", "splits": {"train": "lernen", "test": "prüfen"}});
    assert_eq!(read(&["Lernen/a/0.png", "PRÜFEN/a/1.png"], own.clone()).1, [(Train, 0, 1), (Test, 0, 2)]);
    let error = refusal(&["lernen/a/0.png", "other/a/1.png"], own);
    assert!(error.contains("top folders `prüfen`") && error.contains("found `lernen`, `other`"), "{error}");
}

#[test]
fn images_that_splits_does_not_name_are_listed() {
    let bench = Bench::new();
    let folder = folder(&bench, "images", &["train/cat/0.png", "val/cat/1.png", "test/2.png"]);
    let splits = json!({"source": "folder", "splits": {"train": "train", "test": "val"}});
    bench.run(splits, Some(&folder), None).unwrap();
    let note = "skipped 1 image (in no folder that `splits` names): `test/2.png`";
    assert!(bench.notes.lock().unwrap().iter().any(|text| text.starts_with(note)));
    assert!(bench.log.lock().unwrap().iter().any(|text| text.contains("`test/2.png`")));
}

#[test]
fn hidden_and_system_folders_are_passed_over() {
    let odd = [
        ".ipynb_checkpoints/0.png",
        "@eaDir/1.png",
        "__MACOSX/cat/._2.png",
        "cat/.git/3.png",
        "lost+found/4.png",
        "cat/Thumbs.db",
        "cat/5.png",
        "dog/6.png",
    ];
    let (classes, rows) = read(&odd, plain());
    assert_eq!((classes.as_str(), rows), ("cat dog", vec![(Train, 0, 7), (Train, 1, 8)]));
    let bench = Bench::new();
    let tar = tar(&bench, &odd);
    for source in ["folder", "web"] {
        bench.run(json!({"source": source}), Some(&tar), None).unwrap();
        assert_eq!(bench.images().1.len(), 2, "{source}");
        let log = bench.log.lock().unwrap();
        assert!(log.iter().any(|line| line.contains("@eaDir") && line.contains("hidden")), "{log:?}");
    }
}

#[test]
fn a_class_without_images_is_an_error_or_keeps_its_label() {
    let bench = Bench::new();
    let images = folder(&bench, "images", &["train/bee/0.png", "test/cat/1.png"]);
    write(&images, &[("train/ant/0.txt", b"GIF89a".to_vec())]);
    let error = bench.refusal(plain(), Some(&images), None);
    assert!(error.contains("1 class without readable images: `ant`"), "{error}");
    let keep = json!({"source": "folder", "empty_classes": "keep"});
    bench.run(keep.clone(), Some(&images), None).unwrap();
    assert_eq!(rows(&bench), ("ant bee cat".to_owned(), vec![(Train, 1, 1), (Test, 2, 2)]));
    let log = bench.log.lock().unwrap().join("\n");
    assert!(log.contains("skipped: `train/ant/0.txt` (no image extension)"), "{log}");
    // An empty folder, and a class that loses its only image when it is decoded.
    let empty = folder(&bench, "empty", &["bee/0.png"]);
    fs::create_dir(empty.join("ant")).unwrap();
    assert!(bench.refusal(plain(), Some(&empty), None).contains("`ant`"));
    write(&empty, &[("ant/cut.png", png(8, 1)[..40].to_vec())]);
    let skip = json!({"source": "folder", "skip_broken": true});
    assert!(bench.refusal(skip, Some(&empty), None).contains("without readable images: `ant`"));
    let both = json!({"source": "folder", "skip_broken": true, "empty_classes": "keep"});
    bench.run(both, Some(&empty), None).unwrap();
    assert_eq!(rows(&bench), ("ant bee".to_owned(), vec![(Train, 1, 1)]));
    // No set without labels is made of one whose classes are all empty.
    let bare = folder(&bench, "bare", &["0.png"]);
    write(&bare, &[("ant/0.txt", b"GIF89a".to_vec())]);
    assert!(bench.refusal(plain(), Some(&bare), None).contains("outside of them and none in the folder"));
    // Nor is a split passed over that has no image.
    let split = folder(&bench, "split", &["train/bee/0.png"]);
    write(&split, &[("test/bee/0.txt", b"GIF89a".to_vec())]);
    assert!(bench.refusal(plain(), Some(&split), None).contains("`test` has no images"));
}

#[test]
fn an_empty_class_folder_of_a_tar_counts() {
    let bench = Bench::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    tar.append_data(&mut header, "ant/", &b""[..]).unwrap();
    let bytes = png(8, 1);
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, "bee/0.png", bytes.as_slice()).unwrap();
    let archive = file(&bench, "classes.tar", &tar.into_inner().unwrap());
    assert!(bench.refusal(plain(), Some(&archive), None).contains("`ant`"));
}

#[test]
fn classes_of_two_splits_that_differ_in_case_alone_are_refused() {
    let error = refusal(&["train/Cat/0.png", "test/cat/1.png"], plain());
    assert!(error.contains("`Cat` of `train`") && error.contains("differ only in case"), "{error}");
    assert_eq!(read(&["train/A/0.png", "train/a/1.png", "test/a/2.png"], plain()).0, "A a");
}

#[test]
fn a_split_of_our_own_is_drawn_from_each_class() {
    let names: Vec<String> =
        (0..30).map(|i| format!("{}/{i:02}.png", if i < 20 { "cat" } else { "dog" })).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let drawn = |test: f64, seed: u64| {
        read(&names, json!({"source": "folder", "split": {"test": test, "seed": seed}}))
    };
    let (classes, rows) = drawn(0.1, 0);
    let of = |split, label| rows.iter().filter(|row| (row.0, row.1) == (split, label)).count();
    assert_eq!(
        (classes.as_str(), of(Train, 0), of(Test, 0), of(Train, 1), of(Test, 1)),
        ("cat dog", 18, 2, 9, 1)
    );
    assert!(rows.iter().all(|(_, label, colour)| *label == i32::from(*colour > 20)));
    assert_eq!(drawn(0.1, 0).1, rows);
    assert_ne!(drawn(0.1, 1).1, rows);
    let split = |test: f64| json!({"source": "folder", "split": {"test": test}});
    assert!(refusal(&["cat/0.png", "dog/1.png"], split(0.6)).contains("no training images"));
    assert!(refusal(&["cat/0.png", "dog/1.png"], split(0.1)).contains("less than half an image"));
    assert!(
        refusal(&["train/a/0.png", "test/a/1.png"], split(0.1))
            .contains("found the test image `test/a/1.png`")
    );
}

#[test]
fn links_within_a_folder_are_followed_and_circles_refused() {
    let bench = Bench::new();
    let all = folder(&bench, "all", &["n1/a.png", "n2/b.png", "n3/c.png"]);
    let subset = bench.files().join("subset");
    fs::create_dir_all(subset.join("train")).unwrap();
    symlink(all.join("n1"), subset.join("train/n1")).unwrap();
    fs::create_dir(subset.join("train/n3")).unwrap();
    symlink(all.join("n3/c.png"), subset.join("train/n3/c.png")).unwrap();
    bench.run(plain(), Some(&subset), None).unwrap();
    assert_eq!(rows(&bench), ("n1 n3".to_owned(), vec![(Train, 0, 1), (Train, 1, 3)]));
    symlink(&subset, subset.join("train/n3/up")).unwrap();
    let error = bench.refusal(plain(), Some(&subset), None);
    assert!(error.contains("link to a folder that contains it"), "{error}");
    fs::remove_file(subset.join("train/n3/up")).unwrap();
    symlink(Path::new("nowhere.png"), subset.join("train/n3/d.png")).unwrap();
    let error = bench.refusal(plain(), Some(&subset), None);
    assert!(error.contains("d.png") && error.contains("No such file"), "{error}");
}

#[test]
fn depth_has_no_limit_and_folders_around_are_passed_over() {
    let deep = "a/".repeat(30);
    let names = [format!("{deep}train/cat/0.png"), format!("{deep}val/cat/1.png")];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(read(&names, plain()), ("cat".to_owned(), vec![(Train, 0, 1), (Test, 0, 2)]));
    let names = [format!("{deep}0.png"), format!("{deep}b/1.png")];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(read(&names, json!({"source": "folder", "labels": "drop"})).1.len(), 2);
}

#[test]
fn what_is_left_out_is_listed_with_its_cause() {
    let bench = Bench::new();
    let folder = folder(&bench, "images", &["c/good.png"]);
    let cut: Vec<(String, Vec<u8>)> =
        (0..8).map(|i| (format!("c/cut{i}.png"), png(8, 1)[..40].to_vec())).collect();
    cut.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
    bench.run(json!({"source": "folder", "skip_broken": true}), Some(&folder), None).unwrap();
    let notes = bench.notes.lock().unwrap().join("\n");
    assert!(notes.contains("skipped 8 of 9 image files (unreadable): `c/cut0.png`"), "{notes}");
    assert!(notes.contains("unexpected end of file") && notes.contains("and 3 more"), "{notes}");
    let log = bench.log.lock().unwrap();
    assert!(cut.iter().all(|(name, _)| log.iter().any(|line| line.contains(name.as_str()))), "{log:?}");
    assert!(log.iter().all(|line| line.contains("unexpected end of file")), "{log:?}");
    drop(log);
    let list = file(&bench, "list.txt", b"nowhere.png\n");
    let error = bench.refusal(json!({"source": "web"}), Some(&list), None);
    assert!(error.contains("nowhere.png") && error.contains("No such file or directory"), "{error}");
}

//! Archives that are odd: good ones that only some tools write, and ones that are out to do harm.

use std::fs;

use crate::support::{Bench, cifar10_files, file, gzip, tar_of, tar_of_owned};
use serde_json::json;
use tar::{Builder, EntryType, Header};

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(8, 8).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A header with this name, whatever it is: the builder's own methods refuse some.
fn header(name: &[u8], size: u64) -> Header {
    let mut header = Header::new_old();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(size);
    header.set_cksum();
    header
}

/// A tar of such headers and their contents.
fn tar_with(members: &[(Header, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (header, bytes) in members {
        tar.append(header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn folder_refusal(bench: &Bench, bytes: &[u8]) -> String {
    let archive = file(bench, "odd.tar", bytes);
    bench.refusal(json!({"source": "folder"}), Some(&archive), None)
}

#[test]
fn old_folders_colons_and_padding_are_no_fault() {
    let bench = Bench::new();
    let png = png();
    // In archives from before POSIX a folder is a file without bytes whose name ends with `/`.
    let tar =
        tar_with(&[(header(b"cat/", 0), b""), (header(b"cat/a:b.png", png.len() as u64), png.as_slice())]);
    let archive = file(&bench, "padded.tar.gz", &[gzip(&tar), vec![0; 1000]].concat());
    bench.run(json!({"source": "folder"}), Some(&archive), None).unwrap();
    assert_eq!((bench.images().1.len(), bench.images().0.info().classes.join(" ")), (1, "cat".to_owned()));
    let official = [gzip(&tar_of_owned(&cifar10_files(1))), vec![0; 1000]].concat();
    let archive = file(&bench, "own.tar.gz", &official);
    bench.run(json!({"source": "cifar10"}), Some(&archive), None).unwrap();
}

#[test]
fn names_that_are_no_text_are_called_so() {
    let bench = Bench::new();
    let error = folder_refusal(&bench, &tar_with(&[(header(b"caf\xe9.png", 1), b"x")]));
    assert!(error.contains(r"expected names in UTF-8, found the member `caf\xe9.png`"), "{error}");
}

#[test]
fn no_name_steers_the_terminal() {
    let bench = Bench::new();
    let evil = b"\x1b]0;evil\x07.png";
    let mut link = header(evil, 0);
    link.set_entry_type(EntryType::Symlink);
    link.set_cksum();
    let outside = header(b"../\x1b[2J.png", 1);
    // The tar crate's own words quote the name.
    let mut number = header(evil, 1);
    number.as_old_mut().cksum = *b"evil\x1b[2J";
    for (header, bytes) in [(link, &b""[..]), (outside, b"x"), (number, b"x"), (header(evil, 1), b"x")] {
        let error = folder_refusal(&bench, &tar_with(&[(header, bytes)]));
        assert!(!error.contains(char::is_control) && error.contains(r"\u{1b}"), "{error}");
    }
}

#[test]
fn an_official_archive_without_images_is_none() {
    let bench = Bench::new();
    let empty = file(&bench, "empty.tar", &tar_of_owned(&cifar10_files(0)));
    let error = bench.refusal(json!({"source": "cifar10"}), Some(&empty), None);
    assert!(error.contains("expected training images, found none"), "{error}");
    let names: String = (0..10).map(|class| format!("class{class}\n")).collect();
    let files = ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"].map(|name| (name, &b""[..]));
    let empty =
        file(&bench, "empty.tar", &tar_of(files.into_iter().chain([("class_names.txt", names.as_bytes())])));
    let error = bench.refusal(json!({"source": "stl10"}), Some(&empty), None);
    assert!(error.contains("expected training images, found none"), "{error}");
}

#[test]
fn more_than_the_official_files_and_those_of_another_set_are_refused_unread() {
    let bench = Bench::new();
    let refusal = |name: &[u8], size| {
        // Nothing follows the header: whoever reads on finds a truncated archive.
        let archive = file(&bench, "large.tar", header(name, size).as_bytes());
        bench.refusal(json!({"source": "cifar10"}), Some(&archive), None)
    };
    let error = refusal(b"data_batch_1.bin", 200 << 20);
    assert!(error.contains("has 209715200 bytes, expected at most the official 30730000"), "{error}");
    let error = refusal(b"stl10_binary/train_X.bin", 138_240_000);
    assert!(error.contains("expected the files of CIFAR-10") && error.contains("of STL-10"), "{error}");
}

#[test]
fn errors_name_the_users_file_and_nothing_is_left_behind() {
    let bench = Bench::new();
    let bad = tar_with(&[(header(b"a.png", 40), &png()[..40])]);
    let own = file(&bench, "own.tar.gz", &gzip(&bad));
    // As the orchestrator lays inputs out.
    let input = bench.checkpoints().join("0");
    std::os::unix::fs::symlink(&own, &input).unwrap();
    let cut = file(&bench, "cut.tar.gz", &gzip(&bad[..700]));
    let second = bench.checkpoints().join("1");
    std::os::unix::fs::symlink(&cut, &second).unwrap();
    for (input, name) in [(&input, "own.tar.gz"), (&second, "cut.tar.gz")] {
        for source in ["folder", "cifar10"] {
            let error = bench.refusal(json!({"source": source}), Some(input), None);
            let scratch = error.contains("checkpoints") || error.contains("expanded.tar");
            assert!(!scratch && (error.contains(name) || error.contains("`a.png`")), "{error}");
            assert!(!bench.checkpoints().join("expanded.tar").exists(), "{error}");
        }
    }
    assert_eq!(fs::read_dir(bench.checkpoints()).unwrap().count(), 2);
}

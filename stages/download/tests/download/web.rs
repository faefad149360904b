//! Unlabelled images from lists, tars and folders, and what is made of unreadable ones.

use std::fs;

use crate::http::{Deed, Server};
use crate::images::{png, write};
use crate::support::{Bench, file, gzip, tar_of};
use igpt_dataset::{Split, SplitCounts, decode};
use serde_json::json;

/// The first pixel's red of each image, which tells them apart.
fn reds(bench: &Bench) -> Vec<u8> {
    bench.images().1.iter().map(|row| decode(row).unwrap().get_pixel(0, 0).0[0]).collect()
}

#[test]
fn a_folder_of_tars_is_one_unlabelled_set() {
    let bench = Bench::new();
    let shards = bench.files().join("shards");
    // As WebDataset has them: texts beside the images, in the archive's own order.
    let first = tar_of([("b.png", png(8, 1).as_slice()), ("b.json", b"{}"), ("a.png", &png(80, 2))]);
    let second = gzip(&tar_of([("x/c.png", png(8, 3).as_slice()), ("x/d.png", &png(8, 4))]));
    write(&shards, &[("0001.tar.gz", second), ("0000.tar", first)]);
    bench.run(json!({"source": "web"}), Some(&shards), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 4, test: 0 });
    assert_eq!((set.info().name.as_str(), set.info().classes.len()), ("web", 0));
    assert!(rows.iter().all(|row| row.label == -1 && row.split == Split::Train));
    assert_eq!(reds(&bench), [1, 2, 3, 4]);
    let whole = bench.nameless();
    // The list of the same tars, or one that names the images, is the same set.
    let list = file(&bench, "shards.txt", b"# two shards\nshards/0000.tar\n\nshards/0001.tar.gz\n");
    bench.run(json!({"source": "web"}), Some(&list), None).unwrap();
    assert_eq!(bench.nameless(), whole);
    let images = [("1.png", png(8, 1)), ("2.png", png(80, 2)), ("3.png", png(8, 3)), ("4.png", png(8, 4))];
    write(&bench.files().join("images"), &images);
    let list = file(&bench, "images.txt", b"images/1.png\nimages/2.png\nimages/3.png\r\nimages/4.png");
    bench.run(json!({"source": "web"}), Some(&list), None).unwrap();
    assert_eq!(bench.nameless(), whole);
    bench.run(json!({"source": "web"}), Some(&bench.files().join("images")), None).unwrap();
    assert_eq!(bench.nameless(), whole);
    // A step sees its inputs by links that have other names.
    let link = bench.checkpoints().join("archive");
    for target in ["images.txt", "shards/0000.tar", "shards/0001.tar.gz"] {
        std::os::unix::fs::symlink(bench.files().join(target), &link).unwrap();
        bench.run(json!({"source": "web"}), Some(&link), None).unwrap();
        fs::remove_file(&link).unwrap();
    }
    let params = json!({"source": "web", "name": "photos", "train": 3});
    bench.run(params, Some(&shards), None).unwrap();
    assert_eq!((bench.images().0.info().name.clone(), reds(&bench)), ("photos".to_owned(), vec![1, 2, 3]));
}

#[test]
fn unreadable_files_are_named_and_too_many_are_an_error() {
    let bench = Bench::new();
    let files: Vec<(String, Vec<u8>)> = (0..20)
        .map(|i| (format!("{i:02}.png"), if i % 7 == 3 { b"no image".to_vec() } else { png(8, i) }))
        .collect();
    let folder = bench.files().join("images");
    write(&folder, &files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect::<Vec<_>>());
    let run = |broken: f64| bench.run(json!({"source": "web", "broken": broken}), Some(&folder), None);
    run(0.15).unwrap();
    let (_, rows) = bench.images();
    assert_eq!((rows.len(), rows[3].id), (17, 4), "an id is the place among all");
    let notes = bench.notes.lock().unwrap().join("\n");
    assert!(notes.contains("03.png") && notes.contains("10.png") && notes.contains("3 of 20"), "{notes}");
    let error = run(0.1).unwrap_err().to_string();
    assert!(error.contains("3 of the 20 image files cannot be read"), "{error}");
    let list = file(&bench, "list.txt", b"no.png\nsuch.png\n");
    let error = bench.refusal(json!({"source": "web", "broken": 0.9}), Some(&list), None);
    assert!(error.contains("none of the 2 image files can be read"), "{error}");
}

#[test]
fn addresses_are_fetched_and_a_missing_one_is_left_out() {
    let mut bench = Bench::new();
    let server = Server::new(png(8, 5), &[Deed::Status("404 Not Found")]);
    let lines: Vec<String> = (0..5).map(|i| format!("{}/{i}.png", server.url)).collect();
    let list = file(&bench, "list.txt", lines.join("\n").as_bytes());
    bench.run(json!({"source": "web", "broken": 0.2}), Some(&list), None).unwrap();
    assert_eq!(reds(&bench), [5; 4]);
    let notes = bench.notes.lock().unwrap().join("\n");
    assert!(notes.contains("404") && notes.contains("1 of 5"), "{notes}");
    bench.offline = true;
    let error = bench.refusal(json!({"source": "web"}), Some(&list), None);
    assert!(error.contains("the network may not be used"), "{error}");
}

#[test]
fn a_tar_from_the_web_is_read_and_a_broken_one_is_an_error() {
    let tar = tar_of([("a.png", png(8, 6).as_slice()), ("b.png", &png(8, 7))]);
    let bench = Bench::new();
    let server = Server::new(tar.clone(), &[]);
    let list = file(&bench, "list.txt", format!("{}/0000.tar?part=1", server.url).as_bytes());
    bench.run(json!({"source": "web"}), Some(&list), None).unwrap();
    assert_eq!(reds(&bench), [6, 7]);
    let cut = file(&bench, "cut.tar", &tar[..600]);
    let error = bench.refusal(json!({"source": "web"}), Some(&cut), None);
    assert!(error.contains("truncated"), "{error}");
}

#[test]
fn what_holds_no_images_is_refused() {
    let bench = Bench::new();
    let refusal = |path: &std::path::Path| bench.refusal(json!({"source": "web"}), Some(path), None);
    assert!(refusal(&file(&bench, "empty.txt", b"# nothing\n")).contains("found none"));
    assert!(refusal(&file(&bench, "list.bin", &[0xff, 0xfe, 0])).contains("cannot read the list"));
    let texts = tar_of([("a.txt", b"x".as_slice())]);
    assert!(refusal(&file(&bench, "texts.tar", &texts)).contains("expected image files"));
    let folder = bench.files().join("folder");
    fs::create_dir(&folder).unwrap();
    assert!(refusal(&folder).contains("expected images, tars or one list"));
    let none = bench.refusal(json!({"source": "web"}), None, None);
    assert!(none.contains("needs the input `archive`"), "{none}");
}

#[test]
fn lists_of_any_editor_are_read() {
    let bench = Bench::new();
    let folder = bench.files().join("deep");
    write(&folder, &[("a b/1.png", png(8, 1)), ("2.png", png(8, 2)), ("3.png", png(8, 3))]);
    let absolute = folder.join("3.png");
    let text = format!("\u{feff}# mine\r\n  a b/1.png \r\n\r\n\t\r\n./2.png\r\n{}", absolute.display());
    fs::write(folder.join("list.txt"), text).unwrap();
    bench.run(json!({"source": "web"}), Some(&folder.join("list.txt")), None).unwrap();
    assert_eq!(reds(&bench), [1, 2, 3]);
    fs::write(folder.join("first.txt"), "\u{feff}a b/1.png\n").unwrap();
    bench.run(json!({"source": "web"}), Some(&folder.join("first.txt")), None).unwrap();
    assert_eq!(reds(&bench), [1]);
    let wide: Vec<u8> = "\u{feff}2.png\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.join("wide.txt"), wide).unwrap();
    let error = bench.refusal(json!({"source": "web"}), Some(&folder.join("wide.txt")), None);
    assert!(error.contains("UTF-8"), "{error}");
}

#[test]
fn folders_are_read_as_deep_as_they_go_and_circles_refused() {
    let bench = Bench::new();
    let root = bench.files().join("root");
    let deep = root.join("d/".repeat(300));
    write(&deep, &[("x.png", png(8, 7))]);
    bench.run(json!({"source": "web"}), Some(&root), None).unwrap();
    assert_eq!(reds(&bench), [7]);
    bench.run(json!({"source": "folder"}), Some(&root), None).unwrap();
    assert_eq!(reds(&bench), [7]);
    std::os::unix::fs::symlink("..", root.join("d/back")).unwrap();
    for source in ["web", "folder"] {
        let error = bench.refusal(json!({"source": source}), Some(&root), None);
        assert!(error.contains("d/back` is a link to a folder that contains it"), "{error}");
    }
}

#[test]
fn joined_tars_are_read_to_their_end_and_names_are_cleaned() {
    let bench = Bench::new();
    let one = tar_of([("a.png", png(8, 1).as_slice()), ("b.png", &png(8, 2))]);
    let two = tar_of([("c.png", png(8, 3).as_slice())]);
    let web = json!({"source": "web"});
    for (name, bytes) in [
        ("plain.tar", [&one[..], &two].concat()),
        ("inside.tar.gz", gzip(&[&one[..], &two].concat())),
        ("outside.tar.gz", [gzip(&one), gzip(&two)].concat()),
        // As `tar --concatenate` and tapes do: without the first end mark, or with many zeros.
        ("unmarked.tar", [&one[..one.len() - 1024], &two].concat()),
        ("spaced.tar", [&one[..], &[0; 10_240], &two, &[0; 5120]].concat()),
    ] {
        let path = file(&bench, name, &bytes);
        bench.run(web.clone(), Some(&path), None).unwrap();
        assert_eq!(reds(&bench), [1, 2, 3], "{name}");
        bench.run(json!({"source": "folder"}), Some(&path), None).unwrap();
        assert_eq!(bench.images().1.len(), 3, "{name}");
    }
    // What is no archive is not passed over, nor is half of one, nor a file that is there twice.
    let text = [&one[..], &[b'x'; 600]].concat();
    let half = [&one[..], &two[..700]].concat();
    let twice = [&one[..], &one].concat();
    let dotted = tar_of([("./x//y.png", png(8, 1).as_slice()), ("x/y.png", &png(8, 2))]);
    for (bytes, what) in [
        (&text, "tar archive"),
        (&half, "tar archive"),
        (&twice, "found the member `a.png` twice"),
        (&dotted, "found the member `x/y.png` twice"),
    ] {
        for (name, bytes) in [("bad.tar", bytes.clone()), ("bad.tar.gz", gzip(bytes))] {
            let path = file(&bench, name, &bytes);
            for source in ["web", "folder"] {
                let error = bench.refusal(json!({"source": source}), Some(&path), None);
                assert!(error.contains(what), "{name}: {error}");
            }
        }
    }
    let clean = file(&bench, "clean.tar", &tar_of([(".//cat//./a.png", png(8, 1).as_slice())]));
    bench.run(json!({"source": "folder"}), Some(&clean), None).unwrap();
    assert_eq!(bench.images().0.info().classes, ["cat"]);
}

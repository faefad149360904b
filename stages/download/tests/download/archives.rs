//! The official formats, from archives made here and from the real ones; and archives that are not
//! what they should be.

use std::fs;

use crate::support::{Bench, cifar10_files, data, file, gzip, tar_of_owned, words};
use igpt_contract::{DynStage as _, LabelledInput, StageIo};
use igpt_dataset::{Encoding, Split, SplitCounts, decode};
use igpt_download::{Download, OfficialDataset};
use serde_json::json;

#[test]
fn a_small_archive_of_the_users_own_is_read_in_the_official_order() {
    let bench = Bench::new();
    let mut files = cifar10_files(20);
    // The official archive's order is not that of the names.
    files.reverse();
    let archive = file(&bench, "own.tar.gz", &gzip(&tar_of_owned(&files)));
    bench.run(json!({"source": "cifar10"}), Some(&archive), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 100, test: 20 });
    assert_eq!((set.info().name.as_str(), set.info().classes[3].as_str()), ("cifar10", "class3"));
    let row = &rows[23];
    assert_eq!((row.id, row.label, row.split, row.encoding), (23, 3, Split::Train, Encoding::Rgb));
    // Image 3 of batch 2: planes of 0, 80 and 160, and the column.
    let pixel = decode(row).unwrap().get_pixel(5, 9).0;
    assert_eq!(pixel, [5 + 3 + 1, 80 + 5 + 3 + 1, 160 + 5 + 3 + 1]);
    assert_eq!((rows[119].id, rows[119].split), (119, Split::Test));
    // A folder that holds the archive, uncompressed this time, is as good.
    let first = bench.bytes();
    fs::remove_file(&archive).unwrap();
    file(&bench, "own.tar", &tar_of_owned(&files));
    bench.run(json!({"source": "cifar10"}), Some(&bench.files()), None).unwrap();
    assert_eq!(bench.bytes(), first);
    // The first of each split keep their numbers.
    bench.run(json!({"source": "cifar10", "train": 30, "test": 5}), Some(&bench.files()), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 30, test: 5 });
    assert_eq!((rows[29].id, rows[30].id), (29, 100));
}

#[test]
fn wrong_archives_are_named_with_what_was_expected() {
    let bench = Bench::new();
    let cifar10 = || json!({"source": "cifar10"});
    let good = cifar10_files(10);
    let refusal = |bytes: &[u8]| {
        let archive = file(&bench, "wrong.tar.gz", bytes);
        bench.refusal(cifar10(), Some(&archive), None)
    };
    let whole = gzip(&tar_of_owned(&good));
    let cut = refusal(&whole[..whole.len() / 2]);
    assert!(cut.contains("wrong.tar.gz") && cut.contains("truncated"), "{cut}");
    let plain = tar_of_owned(&good);
    let cut = refusal(&plain[..plain.len() / 2 + 100]);
    assert!(cut.contains("truncated"), "{cut}");
    let missing = refusal(&gzip(&tar_of_owned(&good[..6])));
    assert!(missing.contains("CIFAR-10") && missing.contains("`test_batch.bin`"), "{missing}");
    let mut ragged = good.clone();
    ragged[2].1.pop();
    let ragged = refusal(&gzip(&tar_of_owned(&ragged)));
    assert!(
        ragged.contains("expected a multiple of 3073 bytes (an image) in `data_batch_2.bin`, found 30729"),
        "{ragged}"
    );
    let mut label = good.clone();
    label[1].1[0] = 10;
    let label = refusal(&gzip(&tar_of_owned(&label)));
    assert!(label.contains("expected a label below 10 for train image 0, found 10"), "{label}");
    let mut names = good.clone();
    names[0].1 = b"cat\ndog\n".to_vec();
    let names = refusal(&gzip(&tar_of_owned(&names)));
    assert!(names.contains("expected 10 class names") && names.contains("found 2"), "{names}");
    let mut twice = good.clone();
    twice.push(good[1].clone());
    let twice = refusal(&gzip(&tar_of_owned(&twice)));
    assert!(twice.contains("twice"), "{twice}");
    let html = refusal(b"<html>404 Not Found</html>");
    assert!(html.contains("expected a tar archive"), "{html}");
    assert!(refusal(b"").contains("truncated"));
    let gone = bench.refusal(cifar10(), Some(&bench.files().join("gone.tar")), None);
    assert!(gone.contains("gone.tar"), "{gone}");
}

#[test]
fn an_archive_of_the_official_sizes_must_have_the_official_checksums() {
    let bench = Bench::new();
    let mut files = cifar10_files(1);
    files[1].1 = vec![0; 30_730_000];
    let archive = file(&bench, "cifar-10-binary.tar.gz", &gzip(&tar_of_owned(&files)));
    let error = bench.refusal(json!({"source": "cifar10"}), Some(&archive), None);
    assert!(error.contains("`data_batch_1.bin` has the MD5"), "{error}");
    assert!(error.contains("expected the official 5dd7e06a14cb22eb9f671a540d1b7c25"), "{error}");
}

#[test]
fn a_mirror_must_hold_the_official_sizes() {
    let bench = Bench::new();
    file(&bench, "cifar-10-binary.tar.gz", &gzip(&tar_of_owned(&cifar10_files(10))));
    let folder = bench.files();
    let mirror = folder.to_str().unwrap();
    let error = bench.refusal(json!({"source": "cifar10"}), None, Some(mirror));
    assert!(error.contains("has 30730 bytes, expected 30730000"), "{error}");
    let error = bench.refusal(json!({"source": "stl10"}), None, Some(mirror));
    assert!(error.contains("stl10_binary.tar.gz") && error.contains("IGPT_FLOW_MIRROR"), "{error}");
}

#[test]
fn without_a_network_the_error_says_what_to_do() {
    let mut bench = Bench::new();
    bench.offline = true;
    let error = bench.refusal(json!({"source": "cifar100"}), None, None);
    assert!(error.contains("`cifar-100-binary.tar.gz`") && error.contains("IGPT_FLOW_MIRROR"), "{error}");
}

#[test]
fn members_that_reach_outside_are_refused() {
    let bench = Bench::new();
    let refusal = |bytes: &[u8]| {
        let archive = file(&bench, "evil.tar", bytes);
        bench.refusal(json!({"source": "folder"}), Some(&archive), None)
    };
    let named = |name: &str| {
        // The builder itself refuses such names; the header is written by hand.
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, &b"x"[..]).unwrap();
        tar.into_inner().unwrap()
    };
    for name in ["../evil.png", "/etc/evil.png", "a/../../evil.png", "c:\\evil.png", "//evil.png", "a/.."] {
        let error = refusal(&named(name));
        assert!(error.contains("leads outside the archive") && error.contains(name), "{error}");
    }
    let linked = |kind| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_link(&mut header, "a.png", "/etc/passwd").unwrap();
        tar.into_inner().unwrap()
    };
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let error = refusal(&linked(kind));
        assert!(error.contains("found the link, device or sparse file `a.png`"), "{error}");
    }
    // A header that claims more than any photograph has.
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb.png").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    let error = refusal(header.as_bytes());
    assert!(error.contains("bytes, found `bomb.png` with 1099511627776"), "{error}");
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let error = refusal(header.as_bytes());
    assert!(error.contains("a name of at most 16384 bytes, found 1073741824"), "{error}");
}

#[test]
fn the_real_subsets_are_read() {
    let bench = Bench::new();
    if let Some(archive) = data("cifar10/cifar-10-binary-subset-5000-1000.tar.gz") {
        bench.run(json!({"source": "cifar10"}), Some(&archive), None).unwrap();
        let (set, rows) = bench.images();
        assert_eq!(set.counts(), SplitCounts { train: 5000, test: 1000 });
        for class in 0..10 {
            assert_eq!(rows.iter().filter(|row| row.label == class).count(), 600);
        }
    }
    if let Some(archive) = data("cifar100/cifar-100-binary-subset-5000-1000.tar.gz") {
        for (labels, classes, each) in [("fine", 100, 60), ("coarse", 20, 300)] {
            let params = json!({"source": "cifar100", "labels": labels});
            bench.run(params, Some(&archive), None).unwrap();
            let (set, rows) = bench.images();
            assert_eq!(set.info().classes.len(), classes);
            for class in 0..classes {
                let n = rows.iter().filter(|row| row.label == class as i32).count();
                assert_eq!(n, each, "{}", set.info().classes[class]);
            }
        }
    }
}

#[test]
fn the_whole_of_cifar10_has_the_official_checksums() {
    let Some(archive) = data("cifar10/cifar-10-binary.tar.gz") else { return };
    let bench = Bench::new();
    let mirror = archive.parent().unwrap().to_str().unwrap().to_owned();
    let start = std::time::Instant::now();
    bench.run(json!({"source": "cifar10"}), None, Some(&mirror)).unwrap();
    println!("60,000 images in {:.2} s", start.elapsed().as_secs_f64());
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 50_000, test: 10_000 });
    assert_eq!(set.info().classes[0], "airplane");
    assert_eq!(rows.iter().filter(|row| row.label == 9).count(), 6000);
}

/// The official archive as an object of its own: `download` makes the same images of it.
#[test]
fn an_archive_that_was_kept_is_as_good_as_the_mirrors() {
    let bench = Bench::new();
    let keep = |mirror: &std::path::Path| {
        let kept = bench.files().join("kept");
        fs::create_dir_all(&kept).unwrap();
        igpt_download::fetch_archive(OfficialDataset::Cifar10, mirror.to_str(), &kept, &bench.context())
            .map(|()| kept)
    };
    file(&bench, "cifar-10-binary.tar.gz", &gzip(&tar_of_owned(&cifar10_files(10))));
    let error = words(&keep(&bench.files()).unwrap_err());
    assert!(error.contains("has 30730 bytes, expected 30730000"), "{error}");
    let Some(archive) = data("cifar10/cifar-10-binary.tar.gz") else { return };
    let mirror = archive.parent().unwrap();
    let kept = keep(mirror).unwrap();
    let params = || json!({"source": "cifar10", "train": 100, "test": 10});
    bench.run(params(), Some(&kept), None).unwrap();
    let first = bench.bytes();
    bench.run(params(), None, mirror.to_str()).unwrap();
    assert_eq!(bench.bytes(), first);
}

#[test]
fn the_stage_runs_from_its_ports_and_refuses_other_parameters() {
    let bench = Bench::new();
    let archive = file(&bench, "own.tar", &tar_of_owned(&cifar10_files(2)));
    fs::create_dir(bench.out()).unwrap();
    let input = LabelledInput { path: archive, labels: Default::default() };
    let io = StageIo {
        inputs: [("archive".to_owned(), vec![input])].into(),
        outputs: [("images".to_owned(), bench.out())].into(),
    };
    let params = Download.complete(&json!({"source": "cifar10"})).unwrap();
    Download.run(&params, &io, &bench.context()).unwrap();
    assert_eq!(bench.images().1.len(), 12);
    for wrong in [json!({}), json!({"source": "mnist"}), json!({"source": "cifar10", "path": "x"})] {
        assert!(Download.complete(&wrong).is_err(), "{wrong}");
    }
    let error = Download.complete(&json!({"source": "cifar10", "size": 9})).unwrap_err();
    assert_eq!(error.path, "size");
}

#[test]
fn a_cancelled_run_stops() {
    let bench = Bench::new();
    let archive = file(&bench, "own.tar", &tar_of_owned(&cifar10_files(2)));
    fs::create_dir(bench.out()).unwrap();
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let params = igpt_download::Params::of(igpt_download::Source::Cifar10);
    let cx = bench.context().cancelled_by(flag);
    let given = igpt_download::Inputs { archive: Some(&archive), labels: None };
    let error = igpt_download::ingest(&params, given, None, &bench.out(), &cx).unwrap_err();
    assert_eq!(words(&error), "cancelled");
}

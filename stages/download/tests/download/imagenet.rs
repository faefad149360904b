//! A synthetic ImageNet: in its official archives, unpacked, by links, and wrong in many ways.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use igpt_dataset::{Split, SplitCounts};
use serde_json::json;

use crate::imagenet_files::{
    CLASSES, TRAIN, VAL, class_tars, kit, official, picture, put, source, train, truth, unpacked, val, wnid,
};
use crate::support::{Bench, gzip, tar_of_owned};

#[test]
fn the_official_archives_are_read_in_place_with_the_kits_labels() {
    let bench = Bench::new();
    bench.run(source(), Some(&official(&bench)), None).unwrap();
    let (set, rows) = bench.images();
    let mut wnids: Vec<String> = (1..=CLASSES).map(wnid).collect();
    wnids.sort();
    assert_eq!((&set.info().classes, set.info().name.as_str()), (&wnids, "imagenet"));
    assert_eq!(set.counts(), SplitCounts { train: (CLASSES * TRAIN) as u64, test: VAL as u64 });
    // The picture itself says of which class it is.
    let by_picture: BTreeMap<Vec<u8>, (Split, String)> = train()
        .into_iter()
        .map(|(name, bytes)| (bytes, (Split::Train, name[..9].to_owned())))
        .chain((1..=VAL).map(|i| (picture(truth(i), 200 + i), (Split::Test, wnid(truth(i))))))
        .map(|(bytes, what)| (image::load_from_memory(&bytes).unwrap().to_rgb8().into_raw(), what))
        .collect();
    assert_eq!(by_picture.len(), rows.len());
    for row in &rows {
        let pixels = igpt_dataset::decode(row).unwrap().into_raw();
        assert_eq!((row.split, wnids[row.label as usize].clone()), by_picture[&pixels]);
    }
    let words = fs::read_to_string(bench.out().join("synsets.csv")).unwrap();
    assert_eq!(words.lines().count(), 1 + CLASSES);
    assert!(words.contains(&format!("{},\"thing 5, \"\"it\"\"\"\n", wnid(5))), "{words}");
    assert!(!words.contains("entity"));
    assert_eq!(fs::read_dir(bench.checkpoints()).unwrap().count(), 0, "nothing is unpacked");
}

#[test]
fn every_layout_gives_the_same_bytes() {
    let bench = Bench::new();
    let rows = |root: &Path| {
        bench.run(source(), Some(root), None).unwrap();
        let mut bytes = bench.bytes();
        bytes.remove("synsets.csv");
        bytes
    };
    let expected = rows(&official(&bench));
    let root = unpacked(&bench);
    assert_eq!(rows(&root), expected, "unpacked");
    // Class tars in a folder, some of them unpacked.
    let tars = bench.files().join("tars");
    put(&tars.join("train"), &class_tars(train()));
    for class in [wnid(3), wnid(4)] {
        fs::remove_file(tars.join(format!("train/{class}.tar"))).unwrap();
        symlink(root.join("train").join(&class), tars.join("train").join(&class)).unwrap();
    }
    symlink(root.join("val"), tars.join("val")).unwrap();
    put(&tars, &vec![("ILSVRC2012_devkit_t12.tar.gz".to_owned(), gzip(&tar_of_owned(&kit())))]);
    assert_eq!(rows(&tars), expected, "class tars and links");
    // Links to files alone; validation images in folders of their classes need no kit.
    let links = bench.files().join("links");
    for (name, _) in train() {
        let link = links.join("train").join(&name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(root.join("train").join(&name), link).unwrap();
    }
    for (i, (name, _)) in val().into_iter().enumerate() {
        let link = links.join("val").join(wnid(truth(i + 1))).join(&name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(root.join("val").join(&name), link).unwrap();
    }
    fs::create_dir(links.join("train/.ipynb_checkpoints")).unwrap();
    assert_eq!(rows(&links), expected, "links");
    // Kaggle's tables in place of the kit.
    let kaggle = bench.files().join("kaggle");
    let data = kaggle.join("ILSVRC/Data/CLS-LOC");
    fs::create_dir_all(data.join("test")).unwrap();
    symlink(root.join("train"), data.join("train")).unwrap();
    symlink(root.join("val"), data.join("val")).unwrap();
    let mapping: String = (1..=CLASSES).map(|id| format!("{} thing {id}\r\n", wnid(id))).collect();
    let solution = (1..=VAL).rev().map(|i| {
        let wnid = wnid(truth(i));
        format!("ILSVRC2012_val_{i:08},{wnid} 85 1 499 272 {wnid} 1 2 3 4 \r\n")
    });
    let solution = format!("\u{feff}ImageId,PredictionString\r\n{}", solution.collect::<String>());
    put(
        &kaggle,
        &vec![
            ("LOC_synset_mapping.txt".to_owned(), mapping.into_bytes()),
            ("LOC_val_solution.csv".to_owned(), solution.into_bytes()),
        ],
    );
    assert_eq!(rows(&kaggle), expected, "Kaggle");
    assert!(
        bench.notes.lock().unwrap().iter().any(|note| note.contains("skipped `") && note.contains("test`"))
    );
    // The source `folder` reads the same rows from folders of classes.
    bench.run(json!({"source": "folder", "name": "imagenet"}), Some(&links), None).unwrap();
    assert_eq!(bench.bytes(), expected, "the source `folder`");
}

#[test]
fn limits_take_from_each_class_in_turn() {
    let bench = Bench::new();
    let params = json!({"source": "imagenet", "train": 200, "test": 0, "name": "few"});
    bench.run(params, Some(&official(&bench)), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!((set.counts(), set.info().name.as_str()), (SplitCounts { train: 200, test: 0 }, "few"));
    assert!((0..CLASSES as i32).all(|label| rows.iter().filter(|row| row.label == label).count() == 2));
}

#[test]
fn what_does_not_fit_together_is_named() {
    let bench = Bench::new();
    let root = unpacked(&bench);
    let refusal = || bench.refusal(source(), Some(&root), None);
    let image = |name: &str| root.join(name);
    let kit_folder = root.join("ILSVRC2012_devkit_t12");
    // A validation image too few.
    let last = image(&format!("val/ILSVRC2012_val_{VAL:08}.JPEG"));
    fs::rename(&last, root.join("kept")).unwrap();
    let error = refusal();
    assert!(error.contains("has 149 validation images, expected the 150 of"), "{error}");
    // Another in its place.
    let other = image("val/ILSVRC2012_val_00000151.JPEG");
    fs::rename(root.join("kept"), &other).unwrap();
    let error = refusal();
    assert!(error.contains("a number from 1 to 150, found `ILSVRC2012_val_00000151.JPEG`"), "{error}");
    fs::rename(&other, image("val/ILSVRC2012_val_00000001.jpg")).unwrap();
    let error = refusal();
    assert!(error.contains("each image number once"), "{error}");
    fs::rename(image("val/ILSVRC2012_val_00000001.jpg"), &last).unwrap();
    // No kit.
    fs::rename(&kit_folder, root.join("elsewhere")).unwrap();
    let error = refusal();
    assert!(error.contains("has 150 images without classes") && error.contains("devkit_t12"), "{error}");
    fs::rename(root.join("elsewhere"), &kit_folder).unwrap();
    // A class that the kit does not know.
    put(&root, &vec![("train/n99999999/a.JPEG".to_owned(), picture(1, 1))]);
    let error = refusal();
    assert!(error.contains("the training class `n99999999` is not among the 100"), "{error}");
    fs::remove_dir_all(root.join("train/n99999999")).unwrap();
    // An image of another class, an empty class, a class without training images.
    let strange = root.join(format!("train/{}/{}_7.JPEG", wnid(1), wnid(2)));
    fs::write(&strange, picture(1, 1)).unwrap();
    let error = refusal();
    assert!(error.contains("named after another class"), "{error}");
    fs::remove_file(strange).unwrap();
    let class = root.join("train").join(wnid(8));
    fs::rename(&class, root.join("kept")).unwrap();
    let error = refusal();
    assert!(error.contains(&format!("the validation class `{}` has no training images", wnid(8))), "{error}");
    fs::create_dir(&class).unwrap();
    let error = refusal();
    assert!(error.contains(&format!("the class `{}` has no training image", wnid(8))), "{error}");
    fs::remove_dir(&class).unwrap();
    fs::rename(root.join("kept"), &class).unwrap();
    bench.run(source(), Some(&root), None).unwrap();
    fs::rename(root.join("val"), root.join("kept")).unwrap();
    fs::create_dir(root.join("val")).unwrap();
    let error = refusal();
    assert!(error.contains("val` has no validation images"), "{error}");
    fs::remove_dir(root.join("val")).unwrap();
    bench.run(source(), Some(&root), None).unwrap();
    assert!(bench.notes.lock().unwrap().iter().any(|note| note.contains("the set has no test split")));
    fs::rename(root.join("kept"), root.join("val")).unwrap();
    // Folders that are no classes, and two places for one split.
    fs::create_dir(root.join("train/dogs")).unwrap();
    let error = refusal();
    assert!(error.contains("dogs`: expected class folders named by wnid"), "{error}");
    fs::remove_dir(root.join("train/dogs")).unwrap();
    fs::write(root.join("ILSVRC2012_img_train.tar"), b"").unwrap();
    let error = refusal();
    assert!(error.contains("found both"), "{error}");
    fs::remove_file(root.join("ILSVRC2012_img_train.tar")).unwrap();
    // A ground truth of something else.
    let truth = kit_folder.join("data/ILSVRC2012_validation_ground_truth.txt");
    fs::write(&truth, "1\n101\n").unwrap();
    let error = refusal();
    assert!(
        error.contains("line 2: expected one of the 100 values of ILSVRC2012_ID in `meta.mat`, found `101`"),
        "{error}"
    );
    let file = root.join("kept");
    fs::write(&file, b"x").unwrap();
    let error = bench.refusal(source(), Some(&file), None);
    assert!(error.contains("expected a folder, found a file"), "{error}");
}

#[test]
fn a_validation_image_in_another_classs_folder_is_named() {
    let bench = Bench::new();
    let root = unpacked(&bench);
    fs::remove_dir_all(root.join("val")).unwrap();
    for (i, (name, bytes)) in val().into_iter().enumerate() {
        // Sorted into folders by the number as the alphabet has it: a well-known mistake.
        let class = wnid(truth(i + 1) % CLASSES + 1);
        put(&root, &vec![(format!("val/{class}/{name}"), bytes)]);
    }
    let error = bench.refusal(source(), Some(&root), None);
    assert!(error.contains("belongs to the class `") && error.contains("ground_truth"), "{error}");
}

#[test]
fn inner_archives_are_as_safe_as_outer_ones() {
    let bench = Bench::new();
    let root = bench.files().join("root");
    let refusal = |class: &[u8]| {
        let inner = vec![(format!("{}.tar", wnid(1)), class.to_vec())];
        put(&root, &vec![("ILSVRC2012_img_train.tar".to_owned(), tar_of_owned(&inner))]);
        bench.refusal(source(), Some(&root), None)
    };
    let good = tar_of_owned(&[(format!("{}_1.JPEG", wnid(1)), picture(1, 1))]);
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, "a.JPEG", "/etc/passwd").unwrap();
    let error = refusal(&link.into_inner().unwrap());
    assert!(
        error.contains(&format!(
            "{}.tar`: expected only files and folders, found the link, device or sparse file `a.JPEG`",
            wnid(1)
        )),
        "{error}"
    );
    let error = refusal(&good[..1024]);
    assert!(error.contains(".tar`: expected a tar archive"), "{error}");
    let error = refusal(&good[..600]);
    assert!(error.contains(".tar`: expected a tar archive"), "{error}");
    let error = refusal(&gzip(&good));
    assert!(error.contains("uncompressed tar, found gzip"), "{error}");
    let error = refusal(&[&good[..], &good].concat());
    assert!(error.contains("twice"), "{error}");
    let error = refusal(b"");
    assert!(error.contains("expected a tar archive"), "{error}");
    // Cut off within the outer archive: an inner one must not read beyond it.
    let inner = vec![(format!("{}.tar", wnid(1)), good)];
    let outer = tar_of_owned(&inner);
    for cut in [100, 512, 1100, outer.len() - 1024, outer.len() - 513] {
        put(&root, &vec![("ILSVRC2012_img_train.tar".to_owned(), outer[..cut].to_vec())]);
        let error = bench.refusal(source(), Some(&root), None);
        assert!(error.contains("expected a tar archive"), "{cut}: {error}");
    }
}

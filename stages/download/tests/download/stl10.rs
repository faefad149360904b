//! STL-10: its layout and its folds.

use crate::support::{Bench, file, gzip, tar_of};
use igpt_dataset::{Encoding, SplitCounts, decode};
use serde_json::json;

#[test]
fn stl10_is_column_major_and_its_labels_start_at_one() {
    let bench = Bench::new();
    let image = |i: u8| -> Vec<u8> {
        // Red holds the column, green the row, blue the image; columns come first.
        let plane = |value: fn(usize, usize, u8) -> u8| {
            (0..96 * 96).map(move |at| value(at / 96, at % 96, i)).collect::<Vec<u8>>()
        };
        [plane(|x, _, _| x as u8), plane(|_, y, _| y as u8), plane(|_, _, i| i)].concat()
    };
    let images = |n: u8| (0..n).flat_map(image).collect::<Vec<u8>>();
    let names: String = (0..10).map(|class| format!("class{class}\n")).collect();
    let (train, test) = (images(6), images(3));
    let archive = |labels: &'static [u8]| {
        gzip(&tar_of([
            ("stl10_binary/test_X.bin", test.as_slice()),
            ("stl10_binary/test_y.bin", &[1, 2, 10]),
            ("stl10_binary/train_X.bin", &train),
            ("stl10_binary/train_y.bin", labels),
            ("stl10_binary/unlabeled_X.bin", &[7; 27_648]),
            ("stl10_binary/class_names.txt", names.as_bytes()),
            ("stl10_binary/fold_indices.txt", b"0 1 2"),
        ]))
    };
    let good = file(&bench, "stl10_binary.tar.gz", &archive(&[10, 9, 8, 7, 6, 5]));
    bench.run(json!({"source": "stl10"}), Some(&good), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 6, test: 3 });
    assert_eq!((rows[0].label, rows[5].label, rows[8].label), (9, 4, 9));
    assert_eq!(rows[4].encoding, Encoding::Png);
    assert_eq!(decode(&rows[4]).unwrap().get_pixel(17, 80).0, [17, 80, 4]);
    let zero = file(&bench, "zero.tar.gz", &archive(&[0, 9, 8, 7, 6, 5]));
    let error = bench.refusal(json!({"source": "stl10"}), Some(&zero), None);
    assert!(error.contains("expected a label from 1 to 10 for train image 0, found 0"), "{error}");
    let fewer = file(&bench, "fewer.tar.gz", &archive(&[10, 9]));
    let error = bench.refusal(json!({"source": "stl10"}), Some(&fewer), None);
    assert!(error.contains("as many train images as labels, found 6 and 2"), "{error}");
}

#[test]
fn a_fold_of_stl10_is_the_images_that_its_line_names() {
    let bench = Bench::new();
    let images = |n: u8| (0..n).flat_map(|i| vec![i; 3 * 96 * 96]).collect::<Vec<u8>>();
    let names: String = (0..10).map(|class| format!("class{class}\n")).collect();
    let (train, test) = (images(6), images(2));
    let archive = |folds: Option<&str>| {
        let mut files = vec![
            ("b/train_X.bin", train.as_slice()),
            ("b/train_y.bin", &[10, 9, 8, 7, 6, 5]),
            ("b/test_X.bin", &test),
            ("b/test_y.bin", &[1, 2]),
            ("b/class_names.txt", names.as_bytes()),
        ];
        files.extend(folds.map(|folds| ("b/fold_indices.txt", folds.as_bytes())));
        file(&bench, "stl10.tar", &tar_of(files))
    };
    let folds = |third: &str| format!("0 1\n1 2 \n{third}\n{}", "3 4\n".repeat(7));
    let params = json!({"source": "stl10", "fold": 2});
    bench.run(params.clone(), Some(&archive(Some(&folds("5 0 3")))), None).unwrap();
    let (set, rows) = bench.images();
    assert_eq!(set.counts(), SplitCounts { train: 3, test: 2 });
    let kept: Vec<(u64, i32)> = rows.iter().map(|row| (row.id, row.label)).collect();
    assert_eq!(kept, [(0, 9), (3, 6), (5, 4), (6, 0), (7, 1)], "ids are those of the whole set");
    let two = json!({"source": "stl10", "fold": 2, "train": 2});
    bench.run(two, Some(&archive(Some(&folds("5 0 3")))), None).unwrap();
    assert_eq!(bench.images().1.iter().map(|row| row.id).collect::<Vec<_>>(), [0, 3, 6, 7]);
    for (line, what) in [
        ("5 6", "names the training image 6, expected 0 to 5"),
        ("1 1", "line 3: expected each number of a training image once, found `1`"),
        ("1 -1", "found `-1`"),
        ("1 +1", "found `+1`"),
        ("1 99999999999999999999", "found `99999999999999999999`"),
    ] {
        let error = bench.refusal(params.clone(), Some(&archive(Some(&folds(line)))), None);
        assert!(error.contains(what), "{error}");
    }
    let error = bench.refusal(params.clone(), Some(&archive(Some("0 1\n"))), None);
    assert!(error.contains("expected 10 lines in `fold_indices.txt`, found 1"), "{error}");
    let error = bench.refusal(params, Some(&archive(None)), None);
    assert!(error.contains("`fold` needs the file `fold_indices.txt`"), "{error}");
    bench.run(json!({"source": "stl10"}), Some(&archive(None)), None).unwrap();
}

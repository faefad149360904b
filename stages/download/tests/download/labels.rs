//! Labels from a file of the user's own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray,
};
use igpt_dataset::Split::{Test, Train};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::images::png;
use crate::layouts::{folder, rows};
use crate::support::{Bench, file, tar_of, words};

fn plain() -> Value {
    json!({"source": "folder"})
}

/// A bench with the images `a.png` to `d.png`, of the colours 1 to 4, in a folder `images`.
fn bench() -> (Bench, PathBuf) {
    let bench = Bench::new();
    let images = folder(&bench, "images", &["a.png", "b.png", "sub/c.png", "sub/d.png"]);
    (bench, images)
}

fn refusal(csv: &str, params: Value) -> String {
    let (bench, images) = bench();
    let labels = file(&bench, "labels.csv", csv.as_bytes());
    words(&bench.run_labelled(params, &images, &labels).unwrap_err())
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A Parquet file that labels `0.png` to `3.png`.
pub(crate) fn four_rows(path: &Path) {
    let texts = |texts: [&str; 4]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
    let files = texts(["0.png", "1.png", "2.png", "3.png"]);
    parquet(path, vec![("file", files), ("label", texts(["a", "b", "c", "a"]))]);
}

#[test]
fn a_csv_and_a_parquet_file_give_labels_and_splits() {
    let (bench, images) = bench();
    let expected = ("cat dog".to_owned(), vec![(Train, 0, 1), (Train, 1, 3), (Test, 0, 4), (Test, 1, 2)]);
    let text = "\u{feff}split,file,label,note\r\ntrain,./a.png,cat,x\r\n\r\nval,b.png, dog ,\r\n\
                Train,\"sub/c.png\",\"dog\",\r\nval,sub//d.png,cat,\r\n";
    let csv = file(&bench, "labels.csv", text.as_bytes());
    bench.run_labelled(plain(), &images, &csv).unwrap();
    assert_eq!(rows(&bench), expected);
    let texts = |texts: [&str; 4]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
    let table = bench.files().join("labels.parquet");
    parquet(
        &table,
        vec![
            ("label", texts(["cat", "dog", "dog", "cat"])),
            ("file", texts(["a.png", "b.png", "sub/c.png", "sub/d.png"])),
            ("split", texts(["train", "val", "train", "val"])),
        ],
    );
    bench.run_labelled(plain(), &images, &table).unwrap();
    assert_eq!(rows(&bench), expected);
    // Beside a tar with a folder around all of it.
    let names = ["pets/a.png", "pets/b.png", "pets/sub/c.png", "pets/sub/d.png"];
    let files: Vec<(&str, Vec<u8>)> = names.iter().zip(1..).map(|(name, i)| (*name, png(8, i))).collect();
    let tar = file(&bench, "pets.tar", &tar_of(files.iter().map(|(name, bytes)| (*name, bytes.as_slice()))));
    bench.run_labelled(plain(), &tar, &csv).unwrap();
    assert_eq!(rows(&bench), expected);
    let drop = json!({"source": "folder", "labels": "drop"});
    bench.run_labelled(drop, &images, &csv).unwrap();
    assert_eq!(
        rows(&bench),
        (String::new(), vec![(Train, -1, 1), (Train, -1, 3), (Test, -1, 2), (Test, -1, 4)])
    );
}

#[test]
fn numbers_are_classes_in_their_order() {
    let (bench, images) = bench();
    let csv = file(&bench, "labels.csv", b"file,label\na.png,10\nb.png,9\nsub/c.png,2\nsub/d.png,2\n");
    bench.run_labelled(plain(), &images, &csv).unwrap();
    assert_eq!(
        rows(&bench),
        ("2 9 10".to_owned(), vec![(Train, 0, 3), (Train, 0, 4), (Train, 1, 2), (Train, 2, 1)])
    );
    assert!(bench.notes.lock().unwrap().iter().any(|note| note.contains("numbers from 2 to 10")));
    let table = bench.files().join("labels.parquet");
    let files: ArrayRef = Arc::new(StringArray::from(vec!["a.png", "b.png"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 0]));
    parquet(&table, vec![("file", files), ("label", numbers)]);
    bench.run_labelled(plain(), &images, &table).unwrap();
    assert_eq!(rows(&bench), ("0 1".to_owned(), vec![(Train, 0, 2), (Train, 1, 1)]));
    assert!(refusal("file,label\na.png,1\nb.png,01\n", plain()).contains("`01` and `1` are the same number"));
    // Names that look like numbers in part stay names.
    let csv = file(&bench, "labels.csv", b"file,label\na.png,10\nb.png,9b\n");
    bench.run_labelled(plain(), &images, &csv).unwrap();
    assert_eq!(rows(&bench).0, "10 9b");
}

#[test]
fn a_parquet_file_holds_strings_of_any_kind_and_categories() {
    let (bench, images) = bench();
    let table = bench.files().join("labels.parquet");
    let files: ArrayRef = Arc::new(LargeStringArray::from(vec![" a.png", "b.png", "sub/c.png"]));
    // What pandas writes for categories.
    let labels: DictionaryArray<Int8Type> = ["y", "x", "y"].into_iter().collect();
    let splits: ArrayRef = Arc::new(StringViewArray::from(vec!["train", "val", "val"]));
    parquet(&table, vec![("file", files.clone()), ("label", Arc::new(labels)), ("split", splits)]);
    bench.run_labelled(plain(), &images, &table).unwrap();
    assert_eq!(rows(&bench), ("x y".to_owned(), vec![(Train, 1, 1), (Test, 0, 2), (Test, 1, 3)]));
    let refused = |labels: ArrayRef| {
        parquet(&table, vec![("file", files.clone()), ("label", labels)]);
        words(&bench.run_labelled(plain(), &images, &table).unwrap_err())
    };
    let one_missing: DictionaryArray<Int8Type> = [Some("y"), None, Some("x")].into_iter().collect();
    let error = refused(Arc::new(one_missing));
    assert!(error.contains("row 2: the column `label` is empty"), "{error}");
    let all_missing: DictionaryArray<Int8Type> = [None::<&str>; 3].into_iter().collect();
    let error = refused(Arc::new(all_missing));
    assert!(error.contains("row 1: the column `label` is empty"), "{error}");
    let error = refused(Arc::new(Float64Array::from(vec![0.0, 1.0, 2.0])));
    assert!(error.contains("expected strings or integers, found Float64"), "{error}");
}

#[test]
fn images_that_are_not_listed_are_left_out_by_name() {
    let (bench, images) = bench();
    let csv = file(&bench, "labels.csv", b"file,label\na.png,x\nsub/c.png,y\n");
    bench.run_labelled(plain(), &images, &csv).unwrap();
    assert_eq!(rows(&bench), ("x y".to_owned(), vec![(Train, 0, 1), (Train, 1, 3)]));
    let notes = bench.notes.lock().unwrap().join("\n");
    assert!(
        notes.contains("skipped 2 images (not in the label file)") && notes.contains("`sub/d.png`"),
        "{notes}"
    );
}

#[test]
fn rows_that_say_nothing_or_two_things_are_refused_by_line() {
    let error = refusal("file,label\na.png,x\n\nnowhere.png,y\n", plain());
    assert!(
        error.contains("line 4: 1 of the 2 listed files are not in") && error.contains("`nowhere.png`"),
        "{error}"
    );
    let error = refusal("file,label\na.png,x\n./a.png,y\n", plain());
    assert!(error.contains("line 3: `a.png` has the label `y` here and `x` in line 2"), "{error}");
    let error = refusal("file,label,split\na.png,x,train\na.png,x,val\n", plain());
    assert!(error.contains("line 3: `a.png` has the split `val` here and `train` in line 2"), "{error}");
    assert!(refusal("file,label\na.png,\n", plain()).contains("line 2: the column `label` is empty"));
    assert!(refusal("file,label,split\na.png,x,\n", plain()).contains("the column `split` is empty"));
    assert!(refusal("file,label\na.png,x,y\n", plain()).contains("line 2: expected 2 fields"));
    assert!(
        refusal("a.png,x\n", plain()).contains("expected the columns `file` and `label`, found `a.png`, `x`")
    );
    assert!(refusal("file;label\na.png;x\n", plain()).contains("found `file;label`"));
    assert!(
        refusal("file,label\n../a.png,x\n", plain()).contains("line 2: `../a.png`: expected a path below")
    );
    assert!(refusal("file,label\n", plain()).contains("found no rows"));
    assert!(refusal("file,label,label\na.png,x,y\n", plain()).contains("`label` once, found it twice"));
    let error = refusal("file,label,split\na.png,x,holdout\n", plain());
    assert!(error.contains("line 2: expected a split (`test`, `train`, `val`"), "{error}");
    let error = refusal("file,label,split\na.png,x,val\nb.png,x,test\n", plain());
    assert!(error.contains("one test split, found `test`, `val`"), "{error}");
}

#[test]
fn splits_hold_for_the_column_and_for_folders_of_listed_files() {
    let (bench, _) = bench();
    let csv = "file,label,split\na.png,x,one\nb.png,x,two\nsub/c.png,y,three\n";
    let csv = file(&bench, "labels.csv", csv.as_bytes());
    let images = bench.files().join("images");
    let params =
        json!({"source": "folder", "splits": {"train": "one", "test": "two"}, "empty_classes": "keep"});
    bench.run_labelled(params, &images, &csv).unwrap();
    // The classes are those of all rows: leaving out a split moves no label.
    assert_eq!(rows(&bench), ("x y".to_owned(), vec![(Train, 0, 1), (Test, 0, 2)]));
    let images = folder(&bench, "splits", &["train/a.png", "val/b.png"]);
    let csv = file(&bench, "labels.csv", b"file,label\ntrain/a.png,x\nval/b.png,x\n");
    bench.run_labelled(plain(), &images, &csv).unwrap();
    assert_eq!(rows(&bench).1, [(Train, 0, 1), (Test, 0, 2)]);
    let error = bench.refusal(json!({"source": "shapes"}), Some(&images), None);
    assert!(error.contains("does not take the input `archive`"), "{error}");
    let other = words(&bench.run_labelled(json!({"source": "web"}), &images, &csv).unwrap_err());
    assert!(other.contains("`web` does not take the input `labels`"), "{other}");
}

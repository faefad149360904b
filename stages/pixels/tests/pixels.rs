//! The stage from artifact to artifact.

use std::path::Path;

use igpt_dataset::{Encoding, FeatureTable, ImageRow, ImageSetInfo, ImageSetWriter, Split, UPRIGHT};
use igpt_pixels::Pixels;
use igpt_testing::Trial;
use serde_json::json;

/// A set of images of the given sizes (height, width); the last two are test images.
fn images(folder: &Path, sizes: &[(u16, u16)]) {
    let info = ImageSetInfo { name: "ramps".to_owned(), classes: vec!["a".to_owned(), "b".to_owned()] };
    let mut writer = ImageSetWriter::create(folder, &info).unwrap();
    for (i, &(height, width)) in sizes.iter().enumerate() {
        let n = 3 * usize::from(height) * usize::from(width);
        let row = ImageRow {
            id: i as u64,
            split: if i + 2 < sizes.len() { Split::Train } else { Split::Test },
            label: (i % 2) as i32,
            view: 0,
            height,
            width,
            encoding: Encoding::Rgb,
            orientation: UPRIGHT,
            name: format!("ramp {i}"),
            pixels: (0..n).map(|j| (i * 50 + j * 5) as u8).collect(),
        };
        writer.append(row).unwrap();
    }
    writer.finish().unwrap();
}

/// The stage with such images.
fn trial(sizes: &[(u16, u16)]) -> Trial {
    let mut trial = Trial::new(Pixels);
    images(&trial.input("images"), sizes);
    trial
}

#[test]
fn pixels_become_features_in_order_and_the_contract_is_kept() {
    let trial = trial(&[(2, 3); 5]);
    let first = trial.check(&json!({}));
    trial.check_version(&first, 4, "499053e20c3bbcafb88b13a9535e3169a66bbc851fb975223582ef75ea66561c");
    let table = FeatureTable::read(first.folder("layer")).unwrap();
    assert_eq!((table.len(), table.dim, table.ids), (5, 18, vec![0, 1, 2, 3, 4]));
    assert_eq!(table.labels, [0, 1, 0, 1, 0]);
    assert_eq!(table.splits[2..], [Split::Train, Split::Test, Split::Test]);
    let expected: Vec<f32> = (0..18).map(|j| f32::from(50 + 5 * j as u8) / 127.5 - 1.0).collect();
    assert_eq!(table.values[18..36], expected);
    assert_eq!((table.info.pooling.as_str(), table.info.n_layer), ("none", 0));
}

#[test]
fn images_of_each_split_can_be_chosen() {
    let out = trial(&[(2, 2); 6]).run(&json!({ "train_images": 2, "test_images": 1 })).unwrap();
    let drawn = igpt_dataset::draw_images((0..4).collect(), 2, &igpt_contract::stream(0, "labels"));
    let drawn: Vec<u64> = drawn.into_iter().map(|image| image as u64).chain([4]).collect();
    assert_eq!(FeatureTable::read(out.folder("layer")).unwrap().ids, drawn);
}

#[test]
fn images_of_several_sizes_are_refused_by_name() {
    let trial = trial(&[(2, 2), (2, 2), (2, 3), (2, 2)]);
    let error = trial.run(&json!({})).unwrap_err().to_string();
    assert!(
        error.contains("expected images of 2 x 2 pixels like the first, found 2 x 3 in test image 2"),
        "{error}"
    );
    let error = trial.run(&json!({ "side": 8 })).unwrap_err().to_string();
    assert!(
        error.contains("expected images of 8 x 8 pixels (`side`), found 2 x 2 in train image 0"),
        "{error}"
    );
}

//! The stage from artifact to artifact.

use std::path::Path;

use igpt_contract::MetricValues;
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split};
use igpt_template::Template;
use igpt_testing::Trial;
use serde_json::json;

/// Images of 2x2 pixels of one grey each.
fn write_images(folder: &Path, greys: &[(Split, u8)]) {
    let info = ImageSetInfo { name: "greys".to_owned(), classes: Vec::new() };
    let mut writer = ImageSetWriter::create(folder, &info).unwrap();
    for (id, (split, grey)) in (0..).zip(greys) {
        let key = RowKey { id, split: *split, label: -1, view: 0 };
        let image = image::RgbImage::from_pixel(2, 2, image::Rgb([*grey; 3]));
        writer.append(ImageRow::new(key, &image).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

fn trial(greys: &[(Split, u8)]) -> Trial {
    let mut trial = Trial::new(Template);
    write_images(&trial.input("images"), greys);
    trial
}

#[test]
fn brightness_is_measured_by_split_and_the_contract_is_kept() {
    let trial = trial(&[(Split::Train, 0), (Split::Train, 255), (Split::Test, 51)]);
    let outputs = trial.check(&json!({}));
    trial.check_version(&outputs, 1, "1b596673904d107d330dc61fe6c5b623123192676bb8e23bb76d268aa6cb8e78");
    let metrics = MetricValues::read(outputs.folder("metrics")).unwrap();
    assert_eq!((metrics.values["brightness.train"], metrics.values["brightness.test"]), (0.5, 0.2));
    let first = trial.run(&json!({"images": 1})).unwrap();
    assert_eq!(MetricValues::read(first.folder("metrics")).unwrap().values["brightness.train"], 0.0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let error = trial(&[(Split::Train, 0)]).run(&json!({"trim": 0.5})).unwrap_err().to_string();
    assert_eq!(error, "trim: expected a share in [0, 0.5), found 0.5");
    let error = trial(&[]).run(&json!({})).unwrap_err().to_string();
    assert_eq!(error, "the image set has no image");
}

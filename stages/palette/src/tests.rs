//! The stage from end to end, on small image sets.

use std::path::Path;

use igpt_contract::{DynStage as _, LabelledInput};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey};
use serde_json::json;

use super::*;

/// Eight training images and one test image of pure green, which must leave no trace.
fn images(dir: &Path) {
    let info = ImageSetInfo { name: "test".into(), classes: vec!["only".into()] };
    let mut writer = ImageSetWriter::create(dir, &info).unwrap();
    for id in 0..9 {
        let split = if id < 8 { Split::Train } else { Split::Test };
        let image = image::RgbImage::from_fn(16, 16, |x, y| {
            let [x, y, z] = [x as u8 * 16, y as u8 * 16, id as u8 * 31];
            image::Rgb(if split == Split::Train { [x, y / 2, z] } else { [0, 255, 0] })
        });
        let key = RowKey { id, split, label: 0, view: 0 };
        writer.append(ImageRow::new(key, &image).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

/// Runs the stage in `dir`, on the image set in `dir/images` if there is one.
fn run_in(
    dir: &Path,
    from: Option<&Path>,
    params: serde_json::Value,
    threads: usize,
) -> Result<(), StageError> {
    let input = |path: &Path| vec![LabelledInput { path: path.to_owned(), labels: Default::default() }];
    let mut io = StageIo::default();
    let set = dir.join("images");
    if set.exists() {
        io.inputs.insert("images".into(), input(&set));
    }
    if let Some(from) = from {
        io.inputs.insert("from".into(), input(from));
    }
    for port in ["palette", "metrics"] {
        let folder = dir.join(port);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        io.outputs.insert(port.into(), folder);
    }
    let cx = StageContext::new(7, threads, dir.to_owned(), |_| {});
    let params = PaletteFit.complete(&params).unwrap();
    igpt_contract::DynStage::run(&PaletteFit, &params, &io, &cx)
}

fn bytes(dir: &Path) -> Vec<Vec<u8>> {
    let files =
        ["palette/palette.npy", "palette/clusters.json", "palette/palette.json", "palette/palette.png"];
    files.iter().chain(&["metrics/metrics.json"]).map(|file| std::fs::read(dir.join(file)).unwrap()).collect()
}

#[test]
fn the_contract_is_kept_and_bytes_move_with_the_version() {
    let mut trial = igpt_testing::Trial::new(PaletteFit).seed(7);
    images(&trial.input("images"));
    trial.check_version(
        &trial.check(&json!({"colours": 24})),
        3,
        "e1ed8b24f637ba3f84ebcd20d6bf85f383c902ad3ad859e3b0570482952b44ac",
    );
}

#[test]
fn equal_inputs_make_equal_bytes_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("images")).unwrap();
    images(&dir.path().join("images"));
    run_in(dir.path(), None, json!({"colours": 24}), 1).unwrap();
    let first = bytes(dir.path());
    run_in(dir.path(), None, json!({"colours": 24}), 3).unwrap();
    assert_eq!(bytes(dir.path()), first);

    let palette = PaletteTable::read(&dir.path().join("palette")).unwrap();
    assert_eq!(palette.colours.len(), 24);
    assert!(palette.rgb().iter().all(|[_, g, _]| *g < 128), "a colour of the test images");
    let metrics = MetricValues::read(&dir.path().join("metrics")).unwrap();
    assert_eq!(metrics.values["pixels"], 8.0 * 256.0);
    assert!(metrics.values["psnr_db"] > 20.0);

    // The palette as a file of its own: taken as it is, and measured on the same images.
    let kept = dir.path().join("kept.json");
    std::fs::copy(dir.path().join("palette/clusters.json"), &kept).unwrap();
    run_in(dir.path(), Some(&kept), json!({}), 2).unwrap();
    assert_eq!(PaletteTable::read(&dir.path().join("palette")).unwrap(), palette);
    let again = MetricValues::read(&dir.path().join("metrics")).unwrap();
    assert_eq!(again.values["inertia"], metrics.values["inertia"]);
}

#[test]
fn parameters_that_mean_nothing_beside_a_palette_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    PaletteTable::from_levels(&[[0.0; 3], [255.0; 3], [9.0; 3]]).write(dir.path()).unwrap();
    let kept = dir.path().join("palette.npy");
    let run = |params| run_in(dir.path(), Some(&kept), params, 1).map_err(|error| error.to_string());
    assert_eq!(run(json!({"colours": 3})), Ok(()));
    let error = run(json!({"sample": 9, "tolerance": 0.5})).unwrap_err();
    assert!(error.contains("together with a palette in `from`, found `sample`, `tolerance`"), "{error}");
    let error = run(json!({"colours": 4})).unwrap_err();
    assert!(error.contains("expected 4 colours (`colours`), found 3"), "{error}");
}

/// Black as 0, white as 1, the file under a name without extension as the engine gives it.
#[test]
fn a_palette_of_others_is_taken_in_its_range_or_asked_about() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("0");
    std::fs::write(&from, "{\"clusters\": [[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]]}").unwrap();
    let StageError::Failed { what, hint: Some(hint), .. } =
        run_in(dir.path(), Some(&from), json!({}), 1).unwrap_err()
    else {
        panic!("no hint")
    };
    assert!(what.contains("cannot tell the palette") && hint.contains("`range`"), "{what} {hint}");
    run_in(dir.path(), Some(&from), json!({"range": "0..1"}), 1).unwrap();
    let palette = PaletteTable::read(&dir.path().join("palette")).unwrap();
    assert_eq!(palette.rgb(), [[0; 3], [128; 3], [255; 3]]);
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&from, folder.join("clusters.json")).unwrap();
    run_in(dir.path(), Some(&folder), json!({"range": "0..1"}), 1).unwrap();
    assert_eq!(PaletteTable::read(&dir.path().join("palette")).unwrap(), palette);
    assert_eq!(PaletteFit.complete(&json!({"range": "0..2"})).unwrap_err().path, "range");

    std::fs::create_dir(dir.path().join("images")).unwrap();
    images(&dir.path().join("images"));
    let error = run_in(dir.path(), None, json!({"colours": 4, "range": "0..1"}), 1).unwrap_err();
    assert!(error.to_string().contains("without a palette in `from`"), "{error}");
}

#[test]
fn more_colours_than_the_images_have_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("images")).unwrap();
    images(&dir.path().join("images"));
    let error = run_in(dir.path(), None, json!({"colours": 60_000}), 1).unwrap_err();
    let StageError::Failed { what, hint: Some(hint), .. } = error else { panic!("{error}") };
    assert!(what.contains("60000 distinct colours, found"), "{what}");
    assert!(hint.contains("`colours`"), "{hint}");
}

#[test]
fn a_sample_of_fewer_colours_than_are_wanted_is_named_as_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("images")).unwrap();
    images(&dir.path().join("images"));
    let error = run_in(dir.path(), None, json!({"colours": 8, "sample": 5}), 1).unwrap_err();
    let StageError::Failed { what, hint: Some(hint), .. } = error else { panic!("{error}") };
    assert!(what.starts_with("`sample` 5 drew ") && what.contains("fewer than `colours` 8"), "{what}");
    assert!(hint.contains("raise `sample`"), "{hint}");
}

#[test]
fn without_images_and_without_a_palette_there_is_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = run_in(dir.path(), None, json!({}), 1).unwrap_err();
    assert!(error.to_string().contains("`images` or `from`, found neither"), "{error}");
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    for (params, path) in [
        (json!({"colors": 512}), "colors"),
        (json!({"colours": 1}), "colours"),
        (json!({"max_iterations": 0}), "max_iterations"),
        (json!({"tolerance": -1.0}), "tolerance"),
    ] {
        assert_eq!(PaletteFit.complete(&params).unwrap_err().path, path);
    }
}

//! Turns images into rows of numbers.

use std::path::Path;

use igpt_contract::{StageContext, StageError, stream};
use igpt_dataset::{FeatureWriter, ImageSetReader, LayerInfo, RowKey, Split, decode, subset_rows};

use crate::params::Params;

/// Writes the pixels of the images in the folder `images` into the folder `layer`, one image at a
/// time: red, green and blue of each pixel, rows from top to bottom, each value c as c / 127.5 - 1
/// (in [-1, 1], like a palette's colours).
pub(crate) fn flatten(
    params: &Params,
    images: &Path,
    layer: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let reader = ImageSetReader::open(images)?;
    let keys = reader.keys()?;
    let labels = stream(params.label_seed, "labels");
    let taken = subset_rows(&keys, params.train_images, params.test_images, &labels);
    let total = taken.iter().filter(|taken| **taken).count() as u64;
    let mut done = 0;
    let mut writer: Option<((u32, u32), FeatureWriter)> = None;
    for (row, taken) in reader.rows().zip(taken) {
        cx.check()?;
        let row = row?;
        if !taken {
            continue;
        }
        let RowKey { id, split, .. } = row.key();
        let image = decode(&row)
            .map_err(|error| StageError::caused(format!("cannot decode {split} image {id}"), error))?;
        let size = image.dimensions();
        let (first, writer) = match &mut writer {
            Some((first, writer)) => (*first, writer),
            none => {
                let info = info(&reader, size);
                let (first, writer) = none.insert((size, FeatureWriter::create(layer, &info)?));
                (*first, writer)
            }
        };
        check_size(params, id, split, size, first)?;
        let values: Vec<f32> = image.as_raw().iter().map(|c| f32::from(*c) / 127.5 - 1.0).collect();
        writer.append(&[row.key()], &values)?;
        done += 1;
        cx.progress(done, total, "images");
    }
    match writer {
        Some((_, writer)) => Ok(writer.finish()?),
        None => Err(StageError::new("expected at least one image, found none")),
    }
}

/// The description of the features.
fn info(reader: &ImageSetReader, (width, height): (u32, u32)) -> LayerInfo {
    let none = || "none".to_owned();
    LayerInfo {
        name: reader.info().name.clone(),
        classes: reader.info().classes.clone(),
        sets: Vec::new(),
        dim: 3 * height as usize * width as usize,
        layer: 0,
        joined: Vec::new(),
        n_layer: 0,
        n_embd: 0,
        preset: None,
        pooling: none(),
        norm: none(),
        objective: none(),
    }
}

/// Refuses an image of another size than the first, or than `side`.
fn check_size(
    params: &Params,
    id: u64,
    split: Split,
    (width, height): (u32, u32),
    (first_width, first_height): (u32, u32),
) -> Result<(), StageError> {
    let hint = "resize the images with `augment`";
    if params.side > 0 && (width, height) != (params.side, params.side) {
        let side = params.side;
        let what = format!(
            "expected images of {side} x {side} pixels (`side`), found {height} x {width} in {split} image {id}"
        );
        return Err(StageError::new(what).hint(hint));
    }
    if (width, height) != (first_width, first_height) {
        let what = format!(
            "expected images of {first_height} x {first_width} pixels like the first, found {height} x {width} \
             in {split} image {id}"
        );
        return Err(StageError::new(what).hint(hint));
    }
    Ok(())
}

//! Draws labelled images: ten kinds of shapes on a plain background, for experiments without a download.
//!
//! Position, size, rotation, background colour, a gradient and noise are random and independent of the
//! class. The shape's colour leans towards one of its class, as a lawn's towards green, so that colour
//! carries some information and shape more. Only additions, multiplications, divisions and square roots
//! are used, which every machine rounds alike.

use std::path::Path;

use igpt_contract::{StageContext, StageError, Stream, stream};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split};
use image::{Rgb, RgbImage};
use rand::RngExt as _;

use crate::params::Params;

/// The classes, by label.
const CLASSES: [&str; 10] =
    ["circle", "square", "triangle", "cross", "ring", "frame", "rows", "columns", "checks", "half"];
/// Samples per pixel along each axis, for its coverage.
const SAMPLES: usize = 3;
/// The least distance of the two colours, in levels, over red, green and blue.
const CONTRAST: f32 = 110.0;

/// The colours that the shapes of each class lean towards, in levels.
const TINTS: [[f32; 3]; 10] = [
    [230.0, 25.0, 25.0],
    [25.0, 200.0, 25.0],
    [25.0, 25.0, 230.0],
    [230.0, 230.0, 25.0],
    [230.0, 25.0, 230.0],
    [25.0, 230.0, 230.0],
    [245.0, 245.0, 245.0],
    [10.0, 10.0, 10.0],
    [240.0, 130.0, 25.0],
    [128.0, 128.0, 128.0],
];
/// How much of a shape's colour is its class's; the rest is random.
const LEAN: f32 = 0.4;

/// Writes the images of each split, with equally many of each class in random order.
pub(crate) fn ingest(params: &Params, out: &Path, cx: &StageContext) -> Result<(), StageError> {
    let n_classes = params.classes.unwrap_or(CLASSES.len());
    let size = params.size.unwrap_or(32);
    let counts = [(Split::Train, params.train.unwrap_or(5000)), (Split::Test, params.test.unwrap_or(1000))];
    let total = counts.iter().map(|(_, n)| n).sum();
    let classes = CLASSES[..n_classes].iter().map(|name| (*name).to_owned()).collect();
    let mut writer = ImageSetWriter::create(out, &ImageSetInfo { name: "shapes".to_owned(), classes })?;
    let mut id = 0;
    for (split, n) in counts {
        let random = |purpose: &str| stream(params.seed.unwrap_or(0), &format!("shapes {split} {purpose}"));
        let (images, labels) = (random("images"), random("labels"));
        for i in 0..n {
            let label = label(&labels, i, n_classes);
            // Each image has a stream of its own: more images do not change the first ones.
            let mut random = images.clone();
            random.set_stream(i);
            let image = draw(label, size, &mut random);
            let key = RowKey { id, split, label: label as i32, view: 0 };
            let row = ImageRow::new(key, &image)
                .map_err(|error| StageError::caused("cannot store a drawn image", error))?;
            writer.append(row.named(format!("{}:{id}", CLASSES[label])))?;
            id += 1;
            if id % 256 == 0 {
                cx.check()?;
                cx.progress(id, total, "images");
            }
        }
    }
    writer.finish()?;
    cx.progress(total, total, "images");
    Ok(())
}

/// The class of the image `i`: every run of `n_classes` images has each class once, in random order.
fn label(stream: &Stream, i: u64, n_classes: usize) -> usize {
    let mut random = stream.clone();
    random.set_stream(i / n_classes as u64);
    let mut order: Vec<usize> = (0..n_classes).collect();
    for place in (1..n_classes).rev() {
        order.swap(place, random.random_range(0..=place));
    }
    order[(i % n_classes as u64) as usize]
}

/// Draws a shape of a class.
fn draw(class: usize, size: u32, random: &mut Stream) -> RgbImage {
    let (ground, ink) = colours(TINTS[class], random);
    // The centre and half the extent of the shape, as shares of the image's side.
    let extent: f32 = random.random_range(0.30..0.44);
    let middle: [f32; 2] = [(); 2].map(|()| random.random_range(extent + 0.04..=0.96 - extent));
    // A rotation of up to 10 degrees: cosine and sine from the tangent of half the angle.
    let half: f32 = random.random_range(-0.087..0.087);
    let (cos, sin) = ((1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half));
    let shade: [f32; 2] = [(); 2].map(|()| random.random_range(-24.0..24.0));
    let noise: f32 = random.random_range(2.0..8.0);
    let inside = |x: f32, y: f32| {
        let (dx, dy) = ((x - middle[0]) / extent, (y - middle[1]) / extent);
        covers(class, cos * dx + sin * dy, cos * dy - sin * dx)
    };
    RgbImage::from_fn(size, size, |x, y| {
        let at =
            |pixel: u32, sample: usize| (pixel as f32 + (sample as f32 + 0.5) / SAMPLES as f32) / size as f32;
        let hits = (0..SAMPLES * SAMPLES)
            .filter(|sample| inside(at(x, sample % SAMPLES), at(y, sample / SAMPLES)))
            .count();
        let coverage = hits as f32 / (SAMPLES * SAMPLES) as f32;
        let slope = shade[0] * (at(x, 1) - 0.5) + shade[1] * (at(y, 1) - 0.5);
        // The sum of three uniform numbers is close enough to normal.
        let speck = noise * (0..3).map(|_| random.random_range(-1.0f32..1.0)).sum::<f32>();
        let level = |c: usize| ground[c] + coverage * (ink[c] - ground[c]) + slope + speck;
        Rgb([0, 1, 2].map(|c| level(c).round().clamp(0.0, 255.0) as u8))
    })
}

/// The colours of the background and of the shape, which must differ enough.
fn colours(tint: [f32; 3], random: &mut Stream) -> ([f32; 3], [f32; 3]) {
    let mut colour = || [(); 3].map(|()| random.random_range(0.0f32..256.0));
    loop {
        let (ground, free) = (colour(), colour());
        let ink = [0, 1, 2].map(|c| LEAN * tint[c] + (1.0 - LEAN) * free[c]);
        let distance2: f32 = ground.iter().zip(&ink).map(|(a, b)| (a - b) * (a - b)).sum();
        if distance2 >= CONTRAST * CONTRAST {
            return (ground, ink);
        }
    }
}

/// Whether a shape covers a point, in units of half its extent from its centre.
fn covers(class: usize, x: f32, y: f32) -> bool {
    let (ax, ay) = (x.abs(), y.abs());
    let in_square = ax.max(ay) < 0.9;
    let radius2 = x * x + y * y;
    // Stripes and fields of a third of the square: wide enough to be seen at 8 x 8 pixels.
    let odd = |t: f32| ((t + 0.9) / 0.6) as i32 % 2 == 0;
    match class {
        0 => radius2 < 1.0,
        1 => in_square,
        // Upright, its point at the top.
        2 => y < 0.85 && ax < 0.55 * (y + 1.0),
        3 => ax.max(ay) < 1.0 && ax.min(ay) < 0.3,
        4 => (0.3..1.0).contains(&radius2),
        5 => in_square && ax.max(ay) > 0.5,
        6 => in_square && odd(y),
        7 => in_square && odd(x),
        8 => in_square && (x < 0.0) == (y < 0.0),
        // The half above the diagonal.
        _ => in_square && x > y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_labels_has_each_class_once() {
        let labels = stream(3, "labels");
        for run in 0..20 {
            let mut seen: Vec<usize> = (0..7).map(|i| label(&labels, 7 * run + i, 7)).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn classes_differ_in_shape_alone() {
        let grid = |class| -> Vec<bool> {
            (0..256)
                .map(|i| covers(class, (i % 16) as f32 / 8.0 - 0.97, (i / 16) as f32 / 8.0 - 0.97))
                .collect()
        };
        for (a, one) in CLASSES.iter().enumerate() {
            for (b, other) in CLASSES[..a].iter().enumerate() {
                let differ = grid(a).iter().zip(grid(b)).filter(|(a, b)| **a != *b).count();
                assert!(differ >= 20, "{one} and {other} differ in {differ} of 256 points");
            }
        }
    }
}

//! What the sources that draw their images share: writing a labelled set, and rendering one image of two
//! colours. Only additions, multiplications, divisions and rounding are used, which give the same bits on
//! every machine.

use std::path::Path;

use igpt_contract::{StageContext, StageError, Stream, stream};
use igpt_dataset::{ImageRow, ImageSetInfo, ImageSetWriter, RowKey, Split};
use image::{Rgb, RgbImage};
use rand::RngExt as _;

use crate::params::{DRAWN_TEST, DRAWN_TRAIN, Params};

/// The number of classes of each drawn set.
pub(crate) const N_CLASSES: usize = 10;

/// Samples per pixel along each axis, for its coverage.
const SAMPLES: usize = 3;

/// A source that draws its images.
pub(crate) struct Drawing {
    /// The set's name, which is the source's.
    pub(crate) name: &'static str,
    /// The classes, by label.
    pub(crate) classes: [&'static str; N_CLASSES],
    /// Draws an image of a class, so many pixels wide and high.
    pub(crate) draw: fn(class: usize, size: u32, random: &mut Stream) -> RgbImage,
}

impl Drawing {
    /// Writes the images of each split, with equally many of each class in random order.
    pub(crate) fn ingest(&self, params: &Params, out: &Path, cx: &StageContext) -> Result<(), StageError> {
        let n_classes = params.classes.unwrap_or(N_CLASSES);
        let size = params.size.unwrap_or(32);
        let counts = [
            (Split::Train, params.train.unwrap_or(DRAWN_TRAIN)),
            (Split::Test, params.test.unwrap_or(DRAWN_TEST)),
        ];
        let total = counts.iter().map(|(_, n)| n).sum();
        let classes = self.classes[..n_classes].iter().map(|name| (*name).to_owned()).collect();
        let mut writer = ImageSetWriter::create(out, &ImageSetInfo { name: self.name.to_owned(), classes })?;
        let mut id = 0;
        for (split, n) in counts {
            let random =
                |purpose: &str| stream(params.seed.unwrap_or(0), &format!("{} {split} {purpose}", self.name));
            let (images, labels) = (random("images"), random("labels"));
            for i in 0..n {
                let label = label(&labels, i, n_classes);
                // Each image has a stream of its own: more images do not change the first ones.
                let mut random = images.clone();
                random.set_stream(i);
                let image = (self.draw)(label, size, &mut random);
                let key = RowKey { id, split, label: label as i32, view: 0 };
                let row = ImageRow::new(key, &image)
                    .map_err(|error| StageError::caused("cannot store a drawn image", error))?;
                writer.append(row.named(format!("{}:{id}", self.classes[label])))?;
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

/// The cosine and sine of an angle, from the tangent of half of it.
pub(crate) fn cos_sin(half: f32) -> (f32, f32) {
    ((1.0 - half * half) / (1.0 + half * half), 2.0 * half / (1.0 + half * half))
}

/// How an image of two colours looks. All values are in levels, 0 to 255.
pub(crate) struct Look {
    /// The colour of the background.
    pub(crate) ground: [f32; 3],
    /// The colour of what is drawn on it.
    pub(crate) ink: [f32; 3],
    /// How much brighter the image gets from left to right and from top to bottom.
    pub(crate) gradient: [f32; 2],
    /// The scale of the noise that is added to each pixel.
    pub(crate) noise: f32,
}

impl Look {
    /// An image whose ink covers the points for which `inside` holds; x and y run from 0 to 1.
    pub(crate) fn render(
        &self,
        size: u32,
        inside: impl Fn(f32, f32) -> bool,
        random: &mut Stream,
    ) -> RgbImage {
        let Self { ground, ink, gradient, noise } = self;
        RgbImage::from_fn(size, size, |x, y| {
            let at = |pixel: u32, sample: usize| {
                (pixel as f32 + (sample as f32 + 0.5) / SAMPLES as f32) / size as f32
            };
            let hits = (0..SAMPLES * SAMPLES)
                .filter(|sample| inside(at(x, sample % SAMPLES), at(y, sample / SAMPLES)))
                .count();
            let coverage = hits as f32 / (SAMPLES * SAMPLES) as f32;
            let slope = gradient[0] * (at(x, 1) - 0.5) + gradient[1] * (at(y, 1) - 0.5);
            // The sum of three uniform numbers is close enough to normal.
            let speck = noise * (0..3).map(|_| random.random_range(-1.0f32..1.0)).sum::<f32>();
            let level = |c: usize| ground[c] + coverage * (ink[c] - ground[c]) + slope + speck;
            Rgb([0, 1, 2].map(|c| level(c).round().clamp(0.0, 255.0) as u8))
        })
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
}

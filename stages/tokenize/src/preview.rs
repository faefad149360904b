//! A contact sheet: some of the images, each next to its quantised version.

use image::{Rgb, RgbImage, imageops};

/// Images on a sheet, and in a row of it.
const IMAGES: u64 = 64;
const COLUMNS: u32 = 8;
/// Images are magnified by the largest integer that keeps them within so many pixels.
const SIDE: u32 = 64;
/// Pixels between pairs, and between the two images of a pair.
const GAP: u32 = 8;
const PAIR_GAP: u32 = 2;

/// Collects images, evenly spread over a set, for the sheet.
pub(crate) struct Preview {
    palette: Vec<[u8; 3]>,
    /// Every how many images one is taken.
    stride: u64,
    seen: u64,
    pairs: Vec<(RgbImage, RgbImage)>,
}

impl Preview {
    /// A sheet for a set of `total` images.
    pub(crate) fn new(palette: Vec<[u8; 3]>, total: u64) -> Self {
        Self { palette, stride: total.div_ceil(IMAGES).max(1), seen: 0, pairs: Vec::new() }
    }

    /// Counts the next image and returns whether it goes on the sheet.
    pub(crate) fn wants_next(&mut self) -> bool {
        self.seen += 1;
        (self.seen - 1).is_multiple_of(self.stride)
    }

    /// Adds an image and its tokens.
    pub(crate) fn add(&mut self, image: &RgbImage, tokens: &[u16]) {
        let (width, height) = image.dimensions();
        let quantized = RgbImage::from_fn(width, height, |x, y| {
            Rgb(self.palette[usize::from(tokens[(y * width + x) as usize])])
        });
        let magnify = |image: &RgbImage| {
            let times = (SIDE / width.max(height)).max(1);
            imageops::resize(image, times * width, times * height, imageops::FilterType::Nearest)
        };
        self.pairs.push((magnify(image), magnify(&quantized)));
    }

    /// The sheet: original left, quantised right, in rows of eight pairs.
    pub(crate) fn sheet(&self) -> RgbImage {
        let (width, height) = self.pairs.first().map_or((0, 0), |(image, _)| image.dimensions());
        let (pair, row) = (2 * width + PAIR_GAP + GAP, height + GAP);
        let count = self.pairs.len() as u32;
        let columns = count.min(COLUMNS);
        let mut sheet =
            RgbImage::from_pixel(columns * pair + GAP, count.div_ceil(COLUMNS) * row + GAP, Rgb([255; 3]));
        for (i, (image, quantized)) in (0..).zip(&self.pairs) {
            let (x, y) = (i64::from(GAP + i % COLUMNS * pair), i64::from(GAP + i / COLUMNS * row));
            imageops::replace(&mut sheet, image, x, y);
            imageops::replace(&mut sheet, quantized, x + i64::from(width + PAIR_GAP), y);
        }
        sheet
    }
}

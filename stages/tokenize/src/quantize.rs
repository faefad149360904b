//! Quantises pixels to colour indices, a batch of images at a time.

use igpt_dataset::{BadImage, Encoding, ImageRow, NearestColour, decode};
use rayon::prelude::*;

/// The indices of the nearest palette colours of each image's pixels, in raster order.
///
/// # Errors
/// The index of the first image in the batch that cannot be decoded, and why.
pub(crate) fn quantize(
    rows: &[ImageRow],
    nearest: &NearestColour,
) -> Result<Vec<Vec<u16>>, (usize, BadImage)> {
    let one = |(i, row): (usize, &ImageRow)| {
        let decoded;
        let rgb = if row.encoding == Encoding::Rgb {
            &row.pixels
        } else {
            decoded = decode(row).map_err(|error| (i, error))?;
            decoded.as_raw()
        };
        let mut tokens = vec![0; rgb.len() / 3];
        nearest.ids(rgb, &mut tokens);
        Ok(tokens)
    };
    let results: Vec<Result<Vec<u16>, (usize, BadImage)>> = rows.par_iter().enumerate().map(one).collect();
    results.into_iter().collect()
}

//! Antialiased resampling of bytes, bit for bit as in Pillow: along the rows, rounded to bytes, then along
//! the columns, with weights of 22 fractional bits. All sums are of integers, so their order changes no
//! bit.

use image::RgbImage;

use crate::filter::Filter;
#[cfg(target_arch = "x86_64")]
use crate::resample_avx2;
use crate::taps::{FRACTION, Span, Taps};

/// The byte of a sum of weighted bytes.
fn byte(sum: i32) -> u8 {
    ((sum + (1 << (FRACTION - 1))) >> FRACTION).clamp(0, 255) as u8
}

/// The `side` x `side` pixels at `columns` and `rows` of the resized image, which must not be empty.
pub(crate) fn resample(image: &RgbImage, columns: Span, rows: Span, side: u32, filter: Filter) -> RgbImage {
    let (width, height) = image.dimensions();
    let columns = Taps::new(width, columns, side, filter);
    let rows = Taps::new(height, rows, side, filter);
    let mut out = RgbImage::new(side, side);
    let (rgb, width) = (image.as_raw(), width as usize);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature, as just detected.
        unsafe { resample_avx2::both_passes(rgb, width, &columns, &rows, &mut out) };
        return out;
    }
    both_passes(rgb, width, &columns, &rows, &mut out);
    out
}

/// Both passes in plain code, for processors without vectors of our own.
fn both_passes(rgb: &[u8], width: usize, columns: &Taps, rows: &Taps, out: &mut [u8]) {
    let stride = 3 * columns.first.len();
    let used = rows.used(rgb.len() / (3 * width));
    let mut narrow = vec![0; stride * used.len()];
    let wanted = rgb.chunks_exact(3 * width).skip(used.start);
    for (row, out) in wanted.zip(narrow.chunks_exact_mut(stride)) {
        along_row(row, columns, out);
    }
    let mut sums = vec![0; stride];
    let weights = rows.weights.chunks_exact(rows.count);
    for ((out, &first), weights) in out.chunks_exact_mut(stride).zip(&rows.first).zip(weights) {
        along_columns(&narrow[stride * (first - used.start)..], weights, &mut sums, out);
    }
}

/// Resamples a row horizontally.
fn along_row(row: &[u8], taps: &Taps, out: &mut [u8]) {
    let (row, out) = (row.as_chunks::<3>().0, out.as_chunks_mut::<3>().0);
    for ((out, &first), weights) in out.iter_mut().zip(&taps.first).zip(taps.weights.chunks_exact(taps.count))
    {
        let mut sums = [0; 3];
        for (pixel, weight) in row[first..].iter().zip(weights) {
            for (sum, channel) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(*channel) * weight;
            }
        }
        *out = sums.map(byte);
    }
}

/// Resamples rows vertically to one row: `narrow` begins with the first of them, each as long as `out`.
/// `sums` is scratch of that length.
fn along_columns(narrow: &[u8], weights: &[i32], sums: &mut [i32], out: &mut [u8]) {
    sums.fill(0);
    for (row, weight) in narrow.chunks_exact(out.len()).zip(weights) {
        sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += i32::from(*byte) * weight);
    }
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = byte(*sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of every small size, and weights of every filter, through both ways.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn vectors_give_the_bytes_of_plain_code() {
        if !is_x86_feature_detected!("avx2") {
            igpt_fixtures::skipped("resampling in vectors (the processor has no AVX2)");
            return;
        }
        let mut state = 7u32;
        let mut random = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % most
        };
        for round in 0..600 {
            let (width, height) = (1 + random(70), 1 + random(70));
            let image = RgbImage::from_fn(width, height, |_, _| {
                // Extremes make bicubic and Lanczos overshoot.
                image::Rgb(
                    [0, 1, 2].map(|_| if random(3) == 0 { random(256) as u8 } else { 255 * random(2) as u8 }),
                )
            });
            let side = 1 + random(40);
            let mut span = || {
                let first = random(20);
                Span { resized: first + side + random(9), first }
            };
            let (columns, rows) = (span(), span());
            let filter = [Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos][round % 4];
            let columns = Taps::new(width, columns, side, filter);
            let rows = Taps::new(height, rows, side, filter);
            let mut plain = RgbImage::new(side, side);
            both_passes(image.as_raw(), width as usize, &columns, &rows, &mut plain);
            let mut vectors = RgbImage::new(side, side);
            // SAFETY: the processor has the feature, as just detected.
            unsafe {
                resample_avx2::both_passes(image.as_raw(), width as usize, &columns, &rows, &mut vectors);
            }
            assert!(plain == vectors, "{width}x{height} to {side}, {filter:?}");
        }
    }
}

//! Antialiased resampling of bytes, bit for bit as in Pillow: along the rows, rounded to bytes, then along
//! the columns, with weights of 22 fractional bits. All sums are of integers, so wider vectors change no
//! bit.

use std::ops::Range;

use image::RgbImage;

use crate::filter::Filter;

/// Fractional bits of a weight: of 32, a byte takes 8, the sign one, and filters that overshoot one.
const FRACTION: u32 = 22;

/// A stretch of a resized side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The side's length after resizing, in pixels.
    pub(crate) resized: u32,
    /// The first resized pixel that is needed.
    pub(crate) first: u32,
}

/// The source pixels of each result pixel along a side, and their weights.
struct Taps {
    /// The first source pixel of each result pixel.
    first: Vec<usize>,
    /// The number of weights of each, an even number; those after the last source pixel are 0.
    count: usize,
    weights: Vec<i32>,
}

impl Taps {
    /// The taps of `wanted` pixels of a side of `source` pixels; Pillow's `precompute_coeffs`.
    fn new(source: u32, span: Span, wanted: u32, filter: Filter) -> Self {
        let scale = f64::from(source) / f64::from(span.resized);
        let stretch = scale.max(1.0);
        let support = filter.radius() * stretch;
        let count = (2.0 * support + 1.0).ceil() as usize;
        let count = count.min(source as usize).next_multiple_of(2);
        let mut taps = Self { first: Vec::new(), count, weights: Vec::new() };
        for pixel in span.first..span.first + wanted {
            let centre = (f64::from(pixel) + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(source as usize);
            let weight = |x: usize| filter.weight((x as f64 - centre + 0.5) / stretch);
            let sum: f64 = (first..end).map(weight).sum();
            let whole = |x: usize| (weight(x) / sum * f64::from(1 << FRACTION)).round() as i32;
            taps.weights.extend((first..end).map(whole));
            taps.first.push(first);
            taps.weights.resize(taps.first.len() * count, 0);
        }
        taps
    }

    /// The pixels of a side of `source` that have weights.
    fn used(&self, source: usize) -> Range<usize> {
        let last = self.first.last().map_or(0, |last| last + self.count);
        self.first.first().copied().unwrap_or(0)..source.min(last)
    }
}

/// The byte of a sum of weighted bytes.
#[inline(always)]
fn byte(sum: i32) -> u8 {
    ((sum + (1 << (FRACTION - 1))) >> FRACTION).clamp(0, 255) as u8
}

/// Numbers that are summed at once: pixels of four channels. (RGB has three; an unused fourth costs less
/// than a number that is not a power of two.)
const LANES: usize = 8;

/// Resamples a row horizontally, to four bytes per pixel. `wide` is scratch: every source pixel is needed
/// several times and widened once. `weights` has each weight of the taps four times.
#[inline(always)]
fn along_row(row: &[u8], wide: &mut [[i32; 4]], taps: &Taps, weights: &[[i32; 4]], out: &mut [u8]) {
    let used = taps.used(row.len() / 3);
    for (&[r, g, b], wide) in row.as_chunks().0[used.clone()].iter().zip(&mut wide[used]) {
        *wide = [r.into(), g.into(), b.into(), 0];
    }
    let pixels = out.as_chunks_mut::<4>().0.iter_mut().zip(&taps.first);
    for ((out, &first), weights) in pixels.zip(weights.chunks_exact(taps.count)) {
        let source = wide[first..first + taps.count].as_flattened().as_chunks::<LANES>().0;
        let weights = weights.as_flattened().as_chunks::<LANES>().0;
        let mut sums = [0; LANES];
        for (source, weight) in source.iter().zip(weights) {
            for i in 0..LANES {
                sums[i] += source[i] * weight[i];
            }
        }
        for (i, out) in out.iter_mut().enumerate() {
            *out = byte(sums[i] + sums[i + 4]);
        }
    }
}

/// Resamples rows vertically to one row: `narrow` begins with the first of them, each as long as `out`.
/// `sums` is scratch of that length. Two rows at a time halve the memory traffic of the sums.
#[inline(always)]
fn along_columns(narrow: &[u8], weights: &[i32], sums: &mut [i32], out: &mut [u8]) {
    sums.fill(0);
    let pairs = narrow.chunks_exact(2 * out.len()).zip(weights.as_chunks::<2>().0);
    for (rows, weights) in pairs {
        let (upper, lower) = rows.split_at(out.len());
        for ((sum, upper), lower) in sums.iter_mut().zip(upper).zip(lower) {
            *sum += i32::from(*upper) * weights[0] + i32::from(*lower) * weights[1];
        }
    }
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = byte(*sum));
}

#[inline(always)]
fn both_passes(rgb: &[u8], width: usize, columns: &Taps, rows: &Taps, out: &mut [u8]) {
    let side = columns.first.len();
    let (top, last) = (rows.first[0], rows.first[side - 1]);
    // Taps may reach beyond the last source pixel and row, where there are zeros.
    let mut narrow = vec![0; 4 * side * (last + rows.count - top)];
    let mut wide = vec![[0; 4]; width + columns.count];
    let weights: Vec<[i32; 4]> = columns.weights.iter().map(|&weight| [weight; 4]).collect();
    for (row, out) in rgb.chunks_exact(3 * width).skip(top).zip(narrow.chunks_exact_mut(4 * side)) {
        along_row(row, &mut wide, columns, &weights, out);
    }
    let mut sums = vec![0; 4 * side];
    let mut four = vec![0; 4 * side];
    let weights = rows.weights.chunks_exact(rows.count);
    for ((out, &first), weights) in out.chunks_exact_mut(3 * side).zip(&rows.first).zip(weights) {
        along_columns(&narrow[4 * side * (first - top)..], weights, &mut sums, &mut four);
        for (out, four) in out.as_chunks_mut::<3>().0.iter_mut().zip(four.as_chunks::<4>().0) {
            out.copy_from_slice(&four[..3]);
        }
    }
}

/// The `side` x `side` pixels at `columns` and `rows` of the resized image, which must not be empty.
pub(crate) fn resample(image: &RgbImage, columns: Span, rows: Span, side: u32, filter: Filter) -> RgbImage {
    let (width, height) = image.dimensions();
    let columns = Taps::new(width, columns, side, filter);
    let rows = Taps::new(height, rows, side, filter);
    let mut out = RgbImage::new(side, side);
    let (rgb, width) = (image.as_raw(), width as usize);
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(rgb: &[u8], width: usize, columns: &Taps, rows: &Taps, out: &mut [u8]) {
            both_passes(rgb, width, columns, rows, out);
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature, as just detected.
            unsafe { avx2(rgb, width, &columns, &rows, &mut out) };
            return out;
        }
    }
    both_passes(rgb, width, &columns, &rows, &mut out);
    out
}

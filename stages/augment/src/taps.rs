//! Which source pixels a resized pixel is made of, and their weights.

use std::ops::Range;

use crate::filter::Filter;

/// Fractional bits of a weight: of 32, a byte takes 8, the sign one, and filters that overshoot one.
pub(crate) const FRACTION: u32 = 22;

/// A stretch of a resized side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The side's length after resizing, in pixels.
    pub(crate) resized: u32,
    /// The first resized pixel that is needed.
    pub(crate) first: u32,
}

/// The source pixels of each result pixel along a side, and their weights.
pub(crate) struct Taps {
    /// The first source pixel of each result pixel.
    pub(crate) first: Vec<usize>,
    /// The number of weights of each, a multiple of four; those after the last source pixel are 0.
    pub(crate) count: usize,
    /// `count` weights of each result pixel, in 2^-22.
    pub(crate) weights: Vec<i32>,
}

impl Taps {
    /// The taps of `wanted` pixels of a side of `source` pixels; Pillow's `precompute_coeffs`.
    pub(crate) fn new(source: u32, span: Span, wanted: u32, filter: Filter) -> Self {
        let scale = f64::from(source) / f64::from(span.resized);
        let stretch = scale.max(1.0);
        let support = filter.radius() * stretch;
        let count = (2.0 * support + 1.0).ceil() as usize;
        let count = count.min(source as usize).next_multiple_of(4);
        let mut taps = Self { first: Vec::new(), count, weights: Vec::new() };
        let mut weights = Vec::with_capacity(count);
        for pixel in span.first..span.first + wanted {
            let centre = (f64::from(pixel) + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(source as usize);
            weights.clear();
            weights.extend((first..end).map(|x| filter.weight((x as f64 - centre + 0.5) / stretch)));
            let sum: f64 = weights.iter().sum();
            let whole = |weight: &f64| {
                let scaled = weight / sum * f64::from(1 << FRACTION);
                (scaled + f64::copysign(0.5, scaled)) as i32
            };
            taps.weights.extend(weights.iter().map(whole));
            taps.first.push(first);
            taps.weights.resize(taps.first.len() * count, 0);
        }
        taps
    }

    /// The pixels of a side of `source` that have weights.
    pub(crate) fn used(&self, source: usize) -> Range<usize> {
        let last = self.first.last().map_or(0, |last| last + self.count);
        self.first.first().copied().unwrap_or(0)..source.min(last)
    }
}

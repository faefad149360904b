//! The histogram of distinct colours, which is all that k-means needs of any number of pixels.
//!
//! Colours are counted by Morton code (the bits of r, g and b interleaved), so the table is already
//! sorted along an octree: neighbours in the list are neighbours in colour space, and the colour tree
//! needs no sort of its own.

use std::collections::BTreeMap;

use igpt_dataset::{morton, morton_colour};
use rand::{Rng, RngExt as _};

/// Distinct colours in Morton order, and the number of pixels of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Colours {
    /// The colours: red, green, blue.
    pub rgb: Vec<[u8; 3]>,
    /// Pixels of each colour, at least 1.
    pub weight: Vec<u64>,
}

impl Colours {
    /// The number of distinct colours.
    pub fn len(&self) -> usize {
        self.rgb.len()
    }

    /// Whether there are no colours.
    pub fn is_empty(&self) -> bool {
        self.rgb.is_empty()
    }

    /// The number of pixels.
    pub fn pixels(&self) -> u64 {
        self.weight.iter().sum()
    }

    /// The histogram of `n` of the pixels, drawn without replacement; of all of them if there are no more
    /// than `n`.
    #[must_use]
    pub fn sample(&self, n: u64, random: &mut impl Rng) -> Self {
        let pixels = self.pixels();
        if n >= pixels {
            return self.clone();
        }
        // Pixels of one colour are interchangeable, so a draw only needs the number of each colour that
        // is left: memory depends on the colours, not on `n`. Either the pixels to keep or those to
        // drop are drawn, whichever are fewer.
        let stay = n <= pixels / 2;
        let mut left = RemainingPixels::new(&self.weight);
        let mut drawn = vec![0; self.len()];
        let draws = if stay { n } else { pixels - n };
        for rest in (pixels - draws + 1..=pixels).rev() {
            drawn[left.take(random.random_range(0..rest))] += 1;
        }
        let mut sample = Self::default();
        for ((&rgb, &weight), drawn) in self.rgb.iter().zip(&self.weight).zip(drawn) {
            let weight = if stay { drawn } else { weight - drawn };
            if weight > 0 {
                sample.rgb.push(rgb);
                sample.weight.push(weight);
            }
        }
        sample
    }
}

/// The number of pixels of each colour that are left to draw: a binary indexed tree (Fenwick, "A new data
/// structure for cumulative frequency tables", 1994).
struct RemainingPixels {
    /// At i ≥ 1: the pixels of the colours from i - (lowest bit of i) to i - 1.
    sums: Vec<u64>,
}

impl RemainingPixels {
    fn new(weight: &[u64]) -> Self {
        let mut sums = vec![0];
        sums.extend_from_slice(weight);
        for i in 1..sums.len() {
            let parent = i + (i & i.wrapping_neg());
            if parent < sums.len() {
                sums[parent] += sums[i];
            }
        }
        Self { sums }
    }

    /// Removes the pixel with that ordinal, which must be less than the number left, and returns its
    /// colour.
    fn take(&mut self, mut ordinal: u64) -> usize {
        let mut at = 0;
        let mut step = 1 << self.sums.len().ilog2();
        while step > 0 {
            let next = at + step;
            match self.sums.get_mut(next) {
                Some(sum) if *sum <= ordinal => {
                    ordinal -= *sum;
                    at = next;
                }
                // The colour is below `next`.
                Some(sum) => *sum -= 1,
                None => {}
            }
            step /= 2;
        }
        at
    }
}

/// Counts pixels by colour, in 64 MiB for any number of pixels.
pub struct Histogram {
    counts: Vec<u32>,
    /// How often the 32-bit count of a colour overflowed (more than 4 billion pixels).
    wraps: BTreeMap<u32, u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; 1 << 24], wraps: BTreeMap::new() }
    }
}

impl Histogram {
    /// Counts pixels: `rgb` holds red, green and blue of one after another.
    pub fn add(&mut self, rgb: &[u8]) {
        for &pixel in rgb.as_chunks().0 {
            let code = morton(pixel);
            let count = &mut self.counts[code as usize];
            *count = count.wrapping_add(1);
            if *count == 0 {
                *self.wraps.entry(code).or_default() += 1;
            }
        }
    }

    /// The distinct colours counted so far.
    pub fn colours(&self) -> Colours {
        let mut colours = Colours::default();
        for (code, &count) in (0u32..).zip(&self.counts) {
            let wraps = if self.wraps.is_empty() { 0 } else { self.wraps.get(&code).copied().unwrap_or(0) };
            let weight = u64::from(count) + (wraps << 32);
            if weight > 0 {
                colours.rgb.push(morton_colour(code));
                colours.weight.push(weight);
            }
        }
        colours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::stream;

    #[test]
    fn pixels_are_counted_by_colour_in_morton_order() {
        let mut histogram = Histogram::default();
        histogram.add(&[9, 9, 9, 0, 0, 1, 9, 9, 9]);
        histogram.add(&[0, 0, 1, 9, 9, 9]);
        let colours = histogram.colours();
        assert_eq!(colours.rgb, [[0, 0, 1], [9, 9, 9]]);
        assert_eq!(colours.weight, [2, 3]);
        assert_eq!(colours.pixels(), 5);
    }

    #[test]
    fn a_count_beyond_32_bits_is_kept() {
        let mut histogram = Histogram::default();
        histogram.counts[0] = u32::MAX;
        histogram.add(&[0; 6]);
        assert_eq!(histogram.colours().weight, [(1 << 32) + 1]);
    }

    #[test]
    fn a_sample_has_n_pixels_and_no_colour_more_often_than_there_was() {
        let colours = Colours { rgb: (0..100).map(|i| [i, 0, 0]).collect(), weight: (1..=100).collect() };
        let sample = colours.sample(1000, &mut stream(3, "sample"));
        assert_eq!(sample.pixels(), 1000);
        for (rgb, weight) in sample.rgb.iter().zip(&sample.weight) {
            assert!(*weight <= u64::from(rgb[0]) + 1);
        }
        assert_eq!(sample, colours.sample(1000, &mut stream(3, "sample")));
        assert_ne!(sample, colours.sample(1000, &mut stream(4, "sample")));
        assert_eq!(colours.sample(5050, &mut stream(3, "sample")), colours);
        let most = colours.sample(5049, &mut stream(3, "sample"));
        assert_eq!(most.pixels(), 5049);
        let fewer = |(i, weight): (usize, &u64)| (i as u64 + 1) - weight;
        assert_eq!(most.weight.iter().enumerate().map(fewer).sum::<u64>(), 1);
    }

    #[test]
    fn samples_hold_the_colours_in_their_proportions() {
        // Of weights 1 to 20 (210 pixels) 60 are drawn: 2/7 of each colour on average.
        let colours = Colours { rgb: (0..20).map(|i| [i, 0, 0]).collect(), weight: (1..=20).collect() };
        for n in [60, 150] {
            let mut random = stream(3, "sample");
            let mut sums = [0; 20];
            for _ in 0..4000 {
                let sample = colours.sample(n, &mut random);
                sample.rgb.iter().zip(&sample.weight).for_each(|(rgb, w)| sums[usize::from(rgb[0])] += w);
            }
            for (sum, weight) in sums.iter().zip(&colours.weight) {
                let expected = n as f64 / 210.0 * *weight as f64;
                let mean = *sum as f64 / 4000.0;
                // Five standard errors of a hypergeometric draw.
                let share = *weight as f64 / 210.0;
                let variance = n as f64 * share * (1.0 - share) * (210 - n) as f64 / 209.0;
                assert!((mean - expected).abs() < 5.0 * (variance / 4000.0).sqrt(), "{weight}: {mean}");
            }
        }
    }
}

//! The exact nearest colour of a palette, quickly.
//!
//! Colour space is divided into 32 x 32 x 32 cells. Each keeps the palette colours that are nearest to
//! some point of it, usually fewer than ten, and only those are compared. The result for each of the
//! 2^24 colours is cached, as images repeat their colours; it does not depend on the order of queries,
//! so threads share the cache.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::morton::morton;

/// Bits of a channel that choose the cell.
const CELL_BITS: u32 = 5;
/// Levels of a channel in a cell.
const CELL: usize = 256 >> CELL_BITS;
/// Cells along an edge of a block, a coarser cell from which cells take their candidates.
const BLOCK: usize = 4;
/// Palette colours that are farther by less than this everywhere in a cell are kept: far above the
/// rounding errors of the comparison, and too small to cost time.
const SLACK: f64 = 1e-9;

/// A palette that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPalette {
    /// Tokens are 16 bits wide.
    #[error("expected 1 to 65535 colours, found {0}")]
    Size(usize),
    /// Distances to not-a-number are undefined.
    #[error("colour {0} is not finite")]
    NotFinite(usize),
}

/// Finds the nearest palette colour of any RGB colour.
///
/// The distance is Euclidean over red, green and blue in [-1, 1] (`x / 127.5 - 1`), computed in
/// `f64`; on a tie the lowest index wins.
pub struct NearestColour {
    palette: Vec<[f64; 3]>,
    /// Where the candidates of each cell start; and the end of the last.
    starts: Vec<u32>,
    candidates: Vec<u16>,
    /// By Morton code, as neighbours in an image have similar colours: the result plus 1, or 0 if not
    /// computed yet.
    known: Vec<AtomicU16>,
}

/// The value of a channel's byte.
fn level(x: usize) -> f64 {
    x as f64 / 127.5 - 1.0
}

fn distance2(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
}

impl NearestColour {
    /// Prepares the search in a palette of 1 to 65,535 colours in [-1, 1].
    ///
    /// # Errors
    /// If there are none or too many, or one is not finite.
    pub fn new(palette: &[[f32; 3]]) -> Result<Self, BadPalette> {
        if palette.is_empty() || palette.len() > usize::from(u16::MAX) {
            return Err(BadPalette::Size(palette.len()));
        }
        if let Some(i) = palette.iter().position(|colour| colour.iter().any(|c| !c.is_finite())) {
            return Err(BadPalette::NotFinite(i));
        }
        let palette: Vec<[f64; 3]> = palette.iter().map(|colour| colour.map(f64::from)).collect();
        let all: Vec<u16> = (0..palette.len() as u16).collect();

        const BLOCKS: usize = (1 << CELL_BITS) / BLOCK;
        let blocks: Vec<Vec<u16>> = (0..BLOCKS * BLOCKS * BLOCKS)
            .map(|i| {
                let corner = [i / (BLOCKS * BLOCKS), i / BLOCKS % BLOCKS, i % BLOCKS];
                possible(&palette, &all, corner.map(|x| x * BLOCK * CELL), BLOCK * CELL)
            })
            .collect();
        let mut starts = vec![0];
        let mut candidates = Vec::new();
        for cell in 0..1 << (3 * CELL_BITS) {
            let mask = (1 << CELL_BITS) - 1;
            let at = [cell >> (2 * CELL_BITS), cell >> CELL_BITS & mask, cell & mask];
            let block = at.iter().fold(0, |block, x| block * BLOCKS + x / BLOCK);
            candidates.extend(possible(&palette, &blocks[block], at.map(|x| x * CELL), CELL));
            starts.push(candidates.len() as u32);
        }
        let known = (0..1 << 24).map(|_| AtomicU16::new(0)).collect();
        Ok(Self { palette, starts, candidates, known })
    }

    /// The index of the nearest palette colour.
    #[inline]
    pub fn id(&self, rgb: [u8; 3]) -> u16 {
        let known = &self.known[morton(rgb) as usize];
        match known.load(Ordering::Relaxed) {
            0 => {
                let id = self.search(rgb.map(usize::from));
                known.store(id + 1, Ordering::Relaxed);
                id
            }
            id => id - 1,
        }
    }

    /// The indices of the nearest palette colours of pixels: `rgb` holds red, green and blue of one
    /// after another, three times as many bytes as `ids` has places.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn ids(&self, rgb: &[u8], ids: &mut [u16]) {
        assert_eq!(rgb.len(), 3 * ids.len(), "three bytes make a pixel");
        for (&pixel, id) in rgb.as_chunks().0.iter().zip(ids) {
            *id = self.id(pixel);
        }
    }

    /// Compares the candidates. Kept out of the loop over pixels: a short loop overlaps more of its memory
    /// reads.
    #[cold]
    #[inline(never)]
    fn search(&self, rgb: [usize; 3]) -> u16 {
        let cell = rgb.iter().fold(0, |cell, x| (cell << CELL_BITS) | (x / CELL));
        let range = self.starts[cell] as usize..self.starts[cell + 1] as usize;
        let colour = rgb.map(level);
        let (mut best, mut least) = (0, f64::INFINITY);
        for &candidate in &self.candidates[range] {
            let d2 = distance2(&colour, &self.palette[usize::from(candidate)]);
            if d2 < least {
                (best, least) = (candidate, d2);
            }
        }
        best
    }
}

/// The candidates that may be nearest to a colour of the box of `size` levels per side, in their order.
///
/// The one nearest to the box's middle rules a rival out where it is nearer in the whole box: it is
/// enough to look at the corner that lies farthest towards the rival.
fn possible(palette: &[[f64; 3]], candidates: &[u16], corner: [usize; 3], size: usize) -> Vec<u16> {
    let lo = corner.map(level);
    let hi = corner.map(|x| level(x + size - 1));
    let middle = std::array::from_fn(|i| 0.5 * (lo[i] + hi[i]));
    let of = |id: u16| &palette[usize::from(id)];
    let nearest = |a: &u16, b: &u16| distance2(&middle, of(*a)).total_cmp(&distance2(&middle, of(*b)));
    let Some(best) = candidates.iter().copied().min_by(nearest) else { return Vec::new() };
    let best = of(best);
    let rules_out = |rival: &[f64; 3]| {
        let extreme = std::array::from_fn(|i| if rival[i] > best[i] { hi[i] } else { lo[i] });
        distance2(&extreme, rival) > distance2(&extreme, best) + SLACK
    };
    candidates.iter().copied().filter(|&id| !rules_out(of(id))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use igpt_contract::stream;
    use rand::RngExt as _;

    use super::*;
    use igpt_fixtures::{file, fixtures, npy_data};

    fn brute_force(palette: &[[f32; 3]], rgb: [u8; 3]) -> u16 {
        let colour = rgb.map(|x| level(usize::from(x)));
        let distance = |i: usize| distance2(&colour, &palette[i].map(f64::from));
        (0..palette.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap() as u16
    }

    #[test]
    fn ids_are_those_of_brute_force() {
        let mut random = stream(0, "nearest");
        for k in [1, 2, 16, 512, 2000] {
            // Half of the palettes on levels, so that ties are frequent.
            let palette: Vec<[f32; 3]> = (0..k)
                .map(|_| {
                    let colour: [u8; 3] = random.random();
                    if k % 3 == 0 { colour.map(|x| level(usize::from(x)) as f32) } else { random.random() }
                })
                .collect();
            let nearest = NearestColour::new(&palette).unwrap();
            for _ in 0..5000 {
                let rgb: [u8; 3] = random.random();
                assert_eq!(nearest.id(rgb), brute_force(&palette, rgb));
                assert_eq!(nearest.id(rgb), brute_force(&palette, rgb), "remembered");
            }
        }
    }

    #[test]
    fn ties_go_to_the_lowest_index() {
        let palette = [[0.5, 0.0, 0.0], [-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]];
        let nearest = NearestColour::new(&palette).unwrap();
        assert_eq!(nearest.id([0, 0, 0]), 1);
        assert_eq!(nearest.id([191, 128, 128]), 0);
    }

    #[test]
    fn palettes_that_cannot_be_searched_are_refused() {
        assert_eq!(NearestColour::new(&[]).err(), Some(BadPalette::Size(0)));
        let palette = [[0.0; 3], [f32::NAN, 0.0, 0.0]];
        assert_eq!(NearestColour::new(&palette).err(), Some(BadPalette::NotFinite(1)));
    }

    /// The numbers of an `.npy` file of integers of any width, of which there are `count`.
    fn integers(path: &Path, count: usize) -> Vec<u64> {
        let data = npy_data(path);
        let width = data.len() / count;
        let wide = |bytes: &[u8]| {
            let mut wide = [0; 8];
            wide[..width].copy_from_slice(bytes);
            u64::from_le_bytes(wide)
        };
        data.chunks_exact(width).map(wide).collect()
    }

    #[test]
    fn ids_are_those_of_transformers_but_for_ties_and_all_of_brute_force() {
        for folder in fixtures("kmeans") {
            let palette = npy_data(&folder.join("palette_f32.npy"));
            let numbers: Vec<f32> = palette.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            let palette = numbers.as_chunks::<3>().0;
            let images = npy_data(&file(&folder, "images_"));
            let gaps = npy_data(&folder.join("top2_distance_gap_f64.npy"));
            let nearest = NearestColour::new(palette).unwrap();
            let mut ids = vec![0; images.len() / 3];
            nearest.ids(&images, &mut ids);
            for (rgb, id) in images.as_chunks::<3>().0.iter().zip(&ids) {
                assert_eq!(*id, brute_force(palette, *rgb));
            }
            for name in ["exact_ids_f64.npy", "hf_input_ids_pil.npy"] {
                let expected = integers(&folder.join(name), ids.len());
                for (i, (id, gap)) in ids.iter().zip(gaps.as_chunks().0).enumerate() {
                    if f64::from_le_bytes(*gap) >= 1e-6 {
                        assert_eq!(u64::from(*id), expected[i], "{name}: pixel {i}");
                    }
                }
            }
        }
    }
}

//! An image of a palette: a swatch for each colour.

use image::{Rgb, RgbImage};

/// The side of a swatch and the gap between two, in pixels.
const SWATCH: u32 = 22;
const GAP: u32 = 2;
/// Swatches in a row.
const COLUMNS: usize = 32;

/// Swatches from dark (top) to light (bottom), each row by hue from left to right.
pub fn swatches(palette: &[[u8; 3]]) -> RgbImage {
    let mut colours = palette.to_vec();
    colours.sort_by_key(|&[r, g, b]| 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b));
    let columns = colours.len().min(COLUMNS);
    let rows = colours.len().div_ceil(COLUMNS);
    let pitch = SWATCH + GAP;
    let mut picture =
        RgbImage::from_pixel(columns as u32 * pitch + GAP, rows as u32 * pitch + GAP, Rgb([255; 3]));
    for (row, colours) in (0..).zip(colours.chunks_mut(COLUMNS)) {
        colours.sort_by(|a, b| hue(*a).total_cmp(&hue(*b)));
        for (column, colour) in (0..).zip(colours) {
            for y in 0..SWATCH {
                for x in 0..SWATCH {
                    picture.put_pixel(GAP + column * pitch + x, GAP + row * pitch + y, Rgb(*colour));
                }
            }
        }
    }
    picture
}

/// The hue in sixths of the circle, from red over green and blue; -1 for a grey.
fn hue(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(f64::from);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = most - least;
    if chroma == 0.0 {
        -1.0
    } else if most == r {
        ((g - b) / chroma).rem_euclid(6.0)
    } else if most == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_its_swatch() {
        let palette: Vec<[u8; 3]> = (0..70).map(|i| [3 * i, 255 - i, i]).collect();
        let picture = swatches(&palette);
        assert_eq!(picture.dimensions(), (32 * 24 + 2, 3 * 24 + 2));
        for colour in palette {
            assert_eq!(picture.pixels().filter(|pixel| pixel.0 == colour).count(), 22 * 22);
        }
    }

    #[test]
    fn hues_go_round_the_circle() {
        let hues = [[9, 9, 9], [255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 0, 255], [255, 0, 254]].map(hue);
        assert!(hues.is_sorted(), "{hues:?}");
    }
}

//! The Wide-ResNet augmentation of CIFAR, exact on grids of colour indices.
//!
//! Full fine-tuning on CIFAR augments as Zagoruyko and Komodakis (2016) do (iGPT paper, section
//! 3.1): pad by 4 pixels, reflecting, and take a random 32 x 32 crop of the image or of its mirror
//! image. Moving pixels commutes with quantising each of them, so the tokens of the augmented image are
//! the augmented grid of tokens: nothing needs to be tokenized again.

/// Where a pixel of the padded grid comes from: `i` counts from the start of the padding. The edge
/// is not repeated (numpy's `reflect`): ... 2 1 0 1 2 ...
fn reflected(i: usize, pad: usize, side: usize) -> usize {
    let distance = i.abs_diff(pad);
    if i >= pad && distance >= side { 2 * (side - 1) - distance } else { distance }
}

/// Fills `out` with the crop at (`top`, `left`) of a square grid, mirrored left to right first if
/// `flip`, and padded by `pad` on every side.
///
/// `grid` and `out` hold `side * side` elements in raster order; `top` and `left` run from 0 to
/// `2 * pad`, and `pad` alone is the whole grid itself.
///
/// # Panics
/// If a slice has another length, `pad >= side`, or the crop reaches over the padded grid: callers
/// know all of these beforehand.
pub fn pad_crop_flip<T: Copy>(
    grid: &[T],
    side: usize,
    pad: usize,
    top: usize,
    left: usize,
    flip: bool,
    out: &mut [T],
) {
    assert!(grid.len() == side * side && out.len() == grid.len(), "the grid is not {side} x {side}");
    assert!(pad < side && top.max(left) <= 2 * pad, "no crop at ({top}, {left}) of {side} + 2 * {pad}");
    for (y, row) in out.chunks_exact_mut(side).enumerate() {
        let source = &grid[reflected(top + y, pad, side) * side..][..side];
        for (x, cell) in row.iter_mut().enumerate() {
            let column = reflected(left + x, pad, side);
            *cell = source[if flip { side - 1 - column } else { column }];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_fixtures::{fixtures, npy_data};

    #[test]
    fn every_crop_is_that_of_numpy() {
        for folder in fixtures("resize") {
            let image = npy_data(&folder.join("cifar_image.npy"));
            let image = image.as_chunks::<3>().0;
            let side = image.len().isqrt();
            let mut crop = vec![[0; 3]; image.len()];
            for (name, flip) in [("cifar_crops_9x9.npy", false), ("cifar_flip_then_pad_crops_9x9.npy", true)]
            {
                let expected = npy_data(&folder.join(name));
                let crops: Vec<_> = expected.as_chunks::<3>().0.chunks_exact(image.len()).collect();
                assert_eq!(crops.len(), 81);
                for (i, expected) in crops.into_iter().enumerate() {
                    pad_crop_flip(image, side, 4, i / 9, i % 9, flip, &mut crop);
                    assert_eq!(crop, expected, "crop at ({}, {}), flip {flip}", i / 9, i % 9);
                }
            }
        }
    }

    #[test]
    fn the_padding_alone_is_the_grid_and_its_mirror_image() {
        let grid: [u16; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        let mut out = [0; 9];
        pad_crop_flip(&grid, 3, 1, 1, 1, false, &mut out);
        assert_eq!(out, grid);
        pad_crop_flip(&grid, 3, 1, 1, 1, true, &mut out);
        assert_eq!(out, [2, 1, 0, 5, 4, 3, 8, 7, 6]);
        pad_crop_flip(&grid, 3, 1, 0, 2, false, &mut out);
        assert_eq!(out, [4, 5, 4, 1, 2, 1, 4, 5, 4]);
    }
}

//! Generated images as one picture: a grid, in the colours of the palette.

use image::{Rgb, RgbImage};

/// The colour of pixels that were not given, and of the space between images.
const HIDDEN: [u8; 3] = [200; 3];
const GROUND: [u8; 3] = [255; 3];

/// The size of the grid's cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellSize {
    /// The images' sizes.
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// The side of an image's pixel in the picture.
    pub(crate) scale: u32,
}

/// A column of the picture: whether it stands apart from the one before it, and its images by row.
pub(crate) struct GridColumn<'a> {
    pub(crate) apart: bool,
    /// The tokens of each row's image, from the first pixel on; pixels that are missing are grey.
    pub(crate) images: Vec<&'a [u16]>,
}

/// The columns side by side.
pub(crate) fn grid(size: CellSize, palette: &[[u8; 3]], columns: &[GridColumn]) -> RgbImage {
    let CellSize { height, width, scale } = size;
    let (cell_height, cell_width) = (height as u32 * scale, width as u32 * scale);
    let gap = (scale / 2).max(1);
    let rows = columns.iter().map(|column| column.images.len()).max().unwrap_or(0) as u32;
    let lefts: Vec<u32> = columns
        .iter()
        .scan(0, |x, column| {
            let left = *x + if column.apart { 4 * gap } else { gap };
            *x = left + cell_width;
            Some(left)
        })
        .collect();
    let right = lefts.last().map_or(0, |left| left + cell_width);
    let mut picture = RgbImage::from_pixel(right + gap, rows * (cell_height + gap) + gap, Rgb(GROUND));
    for (column, left) in columns.iter().zip(lefts) {
        for (row, tokens) in (0..).zip(&column.images) {
            let top = gap + row * (cell_height + gap);
            for y in 0..cell_height {
                for x in 0..cell_width {
                    let at = (y / scale) as usize * width + (x / scale) as usize;
                    let colour = tokens.get(at).map_or(HIDDEN, |token| palette[usize::from(*token)]);
                    picture.put_pixel(left + x, top + y, Rgb(colour));
                }
            }
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_where_their_cells_are() {
        let palette = [[1; 3], [2; 3]];
        let size = CellSize { height: 2, width: 1, scale: 2 };
        let columns = [
            GridColumn { apart: false, images: vec![&[0], &[1, 0]] },
            GridColumn { apart: true, images: vec![&[1, 1]] },
        ];
        let picture = grid(size, &palette, &columns);
        // Two cells of 2 x 4, spaces of 1, 4 and 1; rows of 4 with spaces of 1.
        assert_eq!(picture.dimensions(), (1 + 2 + 4 + 2 + 1, 1 + 4 + 1 + 4 + 1));
        let at = |x, y| picture.get_pixel(x, y).0[0];
        assert_eq!([at(0, 0), at(1, 1), at(2, 2), at(1, 3), at(2, 4)], [255, 1, 1, 200, 200]);
        assert_eq!([at(1, 6), at(2, 9), at(7, 1), at(8, 4), at(7, 6)], [2, 1, 2, 2, 255]);
    }
}

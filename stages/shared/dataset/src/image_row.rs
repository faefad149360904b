//! One image of a set.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::bad_image::BadImage;
use crate::encoding::Encoding;
use crate::row::{RowKey, Split};

/// Images up to this many pixels high and wide are stored as raw RGB, others encoded.
pub const RAW_SIDE: u16 = 64;
/// The Exif orientation of an upright image.
pub const UPRIGHT: u8 = 1;

/// An image and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// The image's number in its set.
    pub id: u64,
    /// The official split.
    pub split: Split,
    /// The class, an index into the set's class names; -1 if unknown.
    pub label: i32,
    /// Which augmented view of the image; 0 for the first or only one.
    pub view: u16,
    /// Rows of pixels.
    pub height: u16,
    /// Columns of pixels.
    pub width: u16,
    /// The encoding of `pixels`.
    pub encoding: Encoding,
    /// The Exif orientation of `pixels`, from 1 (upright) to 8, which decoding applies. `height` and
    /// `width` are those after it. Raw pixels are upright.
    pub orientation: u8,
    /// The image's name at its source: a file's path in its folder or archive, or a record's number in
    /// its file (`data_batch_1.bin:17`). Empty if unknown.
    pub name: String,
    /// The image's bytes.
    pub pixels: Vec<u8>,
}

impl ImageRow {
    /// A row for an image: raw up to [`RAW_SIDE`] pixels per side, as PNG above.
    ///
    /// # Errors
    /// If a side is 0 or above 65,535 pixels.
    pub fn new(key: RowKey, image: &RgbImage) -> Result<Self, BadImage> {
        let (width, height) = image.dimensions();
        let raw = width.max(height) <= u32::from(RAW_SIDE);
        let (Ok(height), Ok(width)) = (u16::try_from(height), u16::try_from(width)) else {
            return Err(BadImage::Size(format!("{height}x{width} pixels, expected at most 65535 per side")));
        };
        if height == 0 || width == 0 {
            return Err(BadImage::Size(format!("{height}x{width} pixels, expected at least 1x1")));
        }
        let (encoding, pixels) = if raw {
            (Encoding::Rgb, image.as_raw().clone())
        } else {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Png).map_err(BadImage::Encode)?;
            (Encoding::Png, bytes.into_inner())
        };
        let RowKey { id, split, label, view } = key;
        let (orientation, name) = (UPRIGHT, String::new());
        Ok(Self { id, split, label, view, height, width, encoding, orientation, name, pixels })
    }

    /// The row with its name at the source.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The key of the row.
    pub fn key(&self) -> RowKey {
        RowKey { id: self.id, split: self.split, label: self.label, view: self.view }
    }
}

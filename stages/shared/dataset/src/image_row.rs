//! One image of a set: its row, and its pixels decoded.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage};

use crate::jpeg;
use crate::row::{RowKey, Split};

/// Images up to this many pixels high and wide are stored as raw RGB, others encoded.
pub const RAW_SIDE: u16 = 64;
/// Images with a longer side are refused rather than decoded.
const MAX_SIDE: u32 = 16_384;
/// Images that take more bytes when decoded are refused: each thread holds one, and its conversion
/// to RGB. It is a photograph of 89 million pixels.
const MAX_DECODED: u64 = 1 << 28;

/// What the bytes of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Red, green and blue bytes of one pixel after another, rows from top to bottom.
    Rgb,
    /// A JPEG file.
    Jpeg,
    /// A PNG file.
    Png,
}

impl Encoding {
    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Rgb, Self::Jpeg, Self::Png].into_iter().find(|encoding| encoding.as_str() == text)
    }
}

/// An image with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// The image's number in its set.
    pub id: u64,
    /// The official split.
    pub split: Split,
    /// The class, an index into the set's class names; -1 where nobody knows it.
    pub label: i32,
    /// Which augmented view of the image; 0 for the first or only one.
    pub view: u16,
    /// Rows of pixels.
    pub height: u16,
    /// Columns of pixels.
    pub width: u16,
    /// What `pixels` holds.
    pub encoding: Encoding,
    /// The image's bytes.
    pub pixels: Vec<u8>,
}

/// Why bytes are not the image that they should be.
#[derive(Debug, thiserror::Error)]
pub enum BadImage {
    /// Raw pixels of the wrong length, an image that is too large or of another size.
    #[error("{0}")]
    Size(String),
    /// A JPEG that the decoder would fill up with grey.
    #[error("the jpeg image is cut off: expected its end mark (FF D9), found the end of its {0} bytes")]
    CutOff(usize),
    /// The decoder's answer.
    #[error("cannot decode the {0} image")]
    Decode(&'static str, #[source] image::ImageError),
    /// The encoder's answer.
    #[error("cannot encode the image as PNG")]
    Encode(#[source] image::ImageError),
}

impl ImageRow {
    /// A row for an image: raw up to [`RAW_SIDE`] pixels a side, as PNG above.
    ///
    /// # Errors
    /// If a side is 0 or above 65,535 pixels.
    pub fn new(key: RowKey, image: &RgbImage) -> Result<Self, BadImage> {
        let (width, height) = image.dimensions();
        let raw = width.max(height) <= u32::from(RAW_SIDE);
        let (Ok(height), Ok(width)) = (u16::try_from(height), u16::try_from(width)) else {
            return Err(BadImage::Size(format!("{height}x{width} pixels, expected at most 65535 a side")));
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
        Ok(Self { id, split, label, view, height, width, encoding, pixels })
    }

    /// Whose row it is.
    pub fn key(&self) -> RowKey {
        RowKey { id: self.id, split: self.split, label: self.label, view: self.view }
    }
}

/// Decodes a JPEG or PNG file to RGB. Grey images get three equal channels, CMYK is converted,
/// transparency is dropped (as PIL's `convert("RGB")` does), an Exif orientation is not applied.
///
/// # Errors
/// If the bytes are no such image, end before it does, or its sides or memory exceed the bounds of
/// this module.
pub fn decode_file(bytes: &[u8], encoding: Encoding) -> Result<RgbImage, BadImage> {
    let format = match encoding {
        Encoding::Jpeg => ImageFormat::Jpeg,
        Encoding::Png => ImageFormat::Png,
        Encoding::Rgb => return Err(BadImage::Size("raw pixels have no size of their own".to_owned())),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let failed = |error| BadImage::Decode(encoding.as_str(), error);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let size = decoder.total_bytes().max(3 * u64::from(width) * u64::from(height));
    if size > MAX_DECODED {
        return Err(BadImage::Size(format!(
            "expected an image of at most {} MiB when decoded, found {} MiB ({height}x{width} pixels); \
             scale it down first",
            MAX_DECODED >> 20,
            size.div_ceil(1 << 20)
        )));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    // After the decoder, which knows better what is wrong with other damage.
    if encoding == Encoding::Jpeg && !jpeg::is_whole(bytes) {
        return Err(BadImage::CutOff(bytes.len()));
    }
    Ok(image.into_rgb8())
}

/// The image of a row.
///
/// # Errors
/// If the bytes are not an image of the row's size.
pub fn decode(row: &ImageRow) -> Result<RgbImage, BadImage> {
    let (height, width) = (u32::from(row.height), u32::from(row.width));
    if row.encoding == Encoding::Rgb {
        let found = row.pixels.len();
        return RgbImage::from_raw(width, height, row.pixels.clone())
            .filter(|_| found as u64 == 3 * u64::from(height) * u64::from(width))
            .ok_or_else(|| {
                BadImage::Size(format!(
                    "image {}: expected {} bytes for {height}x{width} RGB pixels, found {found}",
                    row.id,
                    3 * u64::from(height) * u64::from(width)
                ))
            });
    }
    let image = decode_file(&row.pixels, row.encoding)?;
    if image.dimensions() == (width, height) {
        Ok(image)
    } else {
        let (w, h) = image.dimensions();
        Err(BadImage::Size(format!("image {}: expected {height}x{width} pixels, found {h}x{w}", row.id)))
    }
}

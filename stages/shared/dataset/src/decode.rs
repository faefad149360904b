//! Decodes image files and rows to RGB pixels.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Limits, RgbImage};

use crate::bad_image::BadImage;
use crate::encoding::Encoding;
use crate::image_row::ImageRow;
use crate::{gif, jpeg, jpeg_decode};

/// Images with a longer side are refused.
const MAX_SIDE: u32 = 16_384;
/// Images that take more bytes when decoded are refused, as each thread holds one and its conversion to
/// RGB, and may begin another while others do rows of its own. This is a photograph of 89 million pixels.
const MAX_DECODED: u64 = 1 << 28;

/// Decodes an image file to RGB without applying its [`crate::orientation`]. Grey images get three equal
/// channels, CMYK is converted, 16 bits are rounded to 8, transparency is dropped (the colours below it
/// are kept, as PIL's `convert("RGB")` does); of several frames or pages the first is taken.
///
/// # Errors
/// If the bytes are not such an image, are truncated, or exceed the limits of this module.
pub fn decode_file(bytes: &[u8], encoding: Encoding) -> Result<RgbImage, BadImage> {
    let Some(format) = encoding.format() else {
        return Err(BadImage::Size("raw pixels carry no size".to_owned()));
    };
    let frame = if encoding == Encoding::Jpeg { jpeg::frame(bytes) } else { None };
    if let Some(what) = frame.as_ref().and_then(jpeg::Frame::unsupported) {
        return Err(BadImage::Unsupported(what));
    }
    if encoding == Encoding::Gif && !gif::first_frame_covers(bytes) {
        return Err(BadImage::Unsupported("a GIF whose first frame does not cover the whole image"));
    }
    if let Some(frame) = &frame
        && let Some(image) = decode_jpeg(bytes, frame)?
    {
        return Ok(image);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let failed = |error| BadImage::Decode(encoding.as_str(), error);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes())?;
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?.into_rgb8();
    // After the decoder, which describes other damage better.
    if encoding == Encoding::Jpeg && !jpeg::is_whole(bytes) {
        return Err(BadImage::Truncated(bytes.len()));
    }
    Ok(image)
}

/// Decodes a whole JPEG; `None` if it is damaged or of a kind that `image` decodes or describes.
fn decode_jpeg(bytes: &[u8], frame: &jpeg::Frame) -> Result<Option<RgbImage>, BadImage> {
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    if width.max(height) > MAX_SIDE || !jpeg::is_whole(bytes) {
        return Ok(None);
    }
    check_size(width, height, 0)?;
    if frame.is_odd() {
        return jpeg_decode::slow(bytes, frame).map(Some);
    }
    Ok(jpeg_decode::fast(bytes, frame))
}

/// Refuses an image that takes too much memory: `decoded` bytes, and its conversion to RGB.
fn check_size(width: u32, height: u32, decoded: u64) -> Result<(), BadImage> {
    let size = decoded.max(3 * u64::from(width) * u64::from(height));
    if size > MAX_DECODED {
        return Err(BadImage::Size(format!(
            "expected an image of at most {} MiB when decoded, found {} MiB ({height}x{width} pixels); \
             scale it down first",
            MAX_DECODED >> 20,
            size.div_ceil(1 << 20)
        )));
    }
    Ok(())
}

/// The image rotated and mirrored according to an Exif orientation; values outside 1 to 8 change
/// nothing.
#[must_use]
pub fn turned(image: RgbImage, orientation: u8) -> RgbImage {
    let mut image = DynamicImage::from(image);
    image.apply_orientation(Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms));
    image.into_rgb8()
}

/// The image of a row, upright.
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
    let image = turned(decode_file(&row.pixels, row.encoding)?, row.orientation);
    if image.dimensions() == (width, height) {
        Ok(image)
    } else {
        let (w, h) = image.dimensions();
        Err(BadImage::Size(format!("image {}: expected {height}x{width} pixels, found {h}x{w}", row.id)))
    }
}

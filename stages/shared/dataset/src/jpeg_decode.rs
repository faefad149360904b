//! Decodes JPEG files to RGB: with the fast decoder, or with a slower one what the fast one gets wrong.

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::bad_image::BadImage;
use crate::jpeg::Frame;

/// Decodes a JPEG of three components with `image`'s own decoder. `image` itself copies the file and reads
/// its tables twice. `None` where it fails or another kind of file is found: `image` says why.
pub(crate) fn fast(bytes: &[u8], frame: &Frame) -> Option<RgbImage> {
    if frame.components() != 3 {
        return None;
    }
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(frame.width.into())
        .set_max_height(frame.height.into())
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let rgb = JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().ok()?;
    sized(rgb, frame).ok()
}

/// Decodes a JPEG that the fast decoder gets wrong.
///
/// # Errors
/// If the file is damaged, or has more than 8 bits per sample.
pub(crate) fn slow(bytes: &[u8], frame: &Frame) -> Result<RgbImage, BadImage> {
    let mut decoder = Decoder::new(bytes);
    let pixels = decoder.decode().map_err(BadImage::Jpeg)?;
    let format = decoder.info().map(|info| info.pixel_format);
    let rgb = match format {
        Some(PixelFormat::RGB24) => pixels,
        Some(PixelFormat::L8) => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        Some(PixelFormat::CMYK32) => pixels.chunks_exact(4).flat_map(from_cmyk).collect(),
        Some(PixelFormat::L16) | None => {
            return Err(BadImage::Unsupported("a JPEG of more than 8 bits per sample"));
        }
    };
    sized(rgb, frame)
}

/// The pixels as an image of the frame's size.
fn sized(rgb: Vec<u8>, frame: &Frame) -> Result<RgbImage, BadImage> {
    let found = rgb.len();
    RgbImage::from_raw(frame.width.into(), frame.height.into(), rgb)
        .filter(|_| found == 3 * usize::from(frame.width) * usize::from(frame.height))
        .ok_or_else(|| {
            let Frame { width, height, .. } = frame;
            BadImage::Size(format!("expected {height}x{width} RGB pixels, found {found} bytes"))
        })
}

/// Subtractive mixing: the light that remains after cyan, magenta and yellow, and after black.
fn from_cmyk(cmyk: &[u8]) -> [u8; 3] {
    [0, 1, 2].map(|c| {
        let product = (255 - u32::from(cmyk[c])) * (255 - u32::from(cmyk[3]));
        ((product + 127) / 255) as u8
    })
}

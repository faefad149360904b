//! Decodes the JPEG files that the fast decoder gets wrong, with a slower one.

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};

use crate::bad_image::BadImage;
use crate::jpeg::Frame;

/// Decodes a JPEG to RGB.
pub(crate) fn decode(bytes: &[u8], frame: &Frame) -> Result<RgbImage, BadImage> {
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

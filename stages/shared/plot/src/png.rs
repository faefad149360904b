//! Writes a PNG that knows its size on paper.

use std::io;
use std::path::Path;

use crate::{DPI, Size};

/// Writes RGB pixels, one a dot.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write(path: &Path, pixels: &[u8], size: Size) -> io::Result<()> {
    std::fs::write(path, encode(pixels, size)?)
}

/// RGB pixels, one a dot, as the bytes of a file.
///
/// # Errors
/// If there are not as many pixels as dots.
pub(crate) fn encode(pixels: &[u8], size: Size) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = (DPI / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(pixels).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(out)
}

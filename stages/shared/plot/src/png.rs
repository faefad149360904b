//! Writes a PNG that knows its size on paper.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use crate::{DPI, Size};

/// Writes RGB pixels, one a dot.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write(path: &Path, pixels: &[u8], size: Size) -> io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
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
    out.flush()
}

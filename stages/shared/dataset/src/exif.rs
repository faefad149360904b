//! The Exif orientation of a photograph.

use std::io::Cursor;

use image::ImageDecoder as _;
use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;

use crate::encoding::Encoding;
use crate::image_row::UPRIGHT;
use crate::jpeg;

/// The Exif orientation of an image file, 1 to 8; 1 (upright) if it has none, or one that is damaged or
/// unknown. It is read from JPEG's first Exif segment, PNG's `eXIf`, WebP's `EXIF` and TIFF's own tag.
pub fn orientation(bytes: &[u8], encoding: Encoding) -> u8 {
    let found = match encoding {
        Encoding::Rgb | Encoding::Gif | Encoding::Bmp => None,
        Encoding::Jpeg => jpeg::exif(bytes).and_then(Orientation::from_exif_chunk),
        Encoding::Png => png(bytes).and_then(Orientation::from_exif_chunk),
        Encoding::Webp => webp(bytes).and_then(Orientation::from_exif_chunk),
        Encoding::Tiff => {
            TiffDecoder::new(Cursor::new(bytes)).and_then(|mut decoder| decoder.orientation()).ok()
        }
    };
    found.map_or(UPRIGHT, Orientation::to_exif)
}

/// The content of PNG's `eXIf`, wherever it is. A chunk is its length, four letters, the content
/// and a checksum of four bytes.
fn png(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (head, body) = rest.split_at_checked(8)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if head.ends_with(b"eXIf") {
            return body.get(..length);
        }
        rest = body.get(length.checked_add(4)?..)?;
    }
}

/// The content of WebP's `EXIF`. A chunk is four letters, its length, the content and one more byte if
/// the length is odd.
fn webp(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (head, body) = rest.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head.starts_with(b"EXIF") {
            let content = body.get(..length)?;
            // As in JPEG, from which some programs copy it.
            return Some(content.strip_prefix(b"Exif\0\0").unwrap_or(content));
        }
        rest = body.get(length.checked_add(length % 2)?..)?;
    }
}

//! An image file's bytes as a row of an image set.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use igpt_contract::StageError;
use igpt_dataset::{Encoding, ImageRow, RAW_SIDE, RowKey, decode_file, shown};

/// The most bytes of an image file: a photograph of 64 MiB is none.
pub(crate) const MOST_BYTES: u64 = 1 << 26;

/// Whether a path is an image's, by its extension. Hidden files are none: macOS leaves `._x.jpg`
/// in archives.
pub(crate) fn is_image(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or_default();
    let extension = base.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    !base.starts_with('.') && matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}

/// Reads a file that is no larger than an image may be.
pub(crate) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let what = format!("expected at most {MOST_BYTES} bytes, found more");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// Decodes a file's bytes; `name` is what an error calls it. Small images are kept as pixels, others
/// as the bytes of the file.
///
/// # Errors
/// If the file could not be read, is no JPEG or PNG, or not a whole one.
pub(crate) fn row(name: &str, bytes: std::io::Result<Vec<u8>>, key: RowKey) -> Result<ImageRow, StageError> {
    let failed = |what: &str| format!("`{}`: {what}", shown(name));
    let bytes = bytes.map_err(|error| StageError::caused(failed("cannot read the file"), error))?;
    // By content, not by name: some of ImageNet's `.JPEG` files are PNG.
    let encoding = match bytes.as_slice() {
        [0xff, 0xd8, ..] => Encoding::Jpeg,
        [0x89, b'P', b'N', b'G', ..] => Encoding::Png,
        _ => return Err(StageError::new(failed("expected a JPEG or PNG image, found something else"))),
    };
    let image = decode_file(&bytes, encoding)
        .map_err(|error| StageError::caused(failed("expected a whole image, cannot decode it"), error))?;
    if image.width().max(image.height()) <= u32::from(RAW_SIDE) {
        return ImageRow::new(key, &image)
            .map_err(|error| StageError::caused(failed("cannot keep the image"), error));
    }
    // Decoding has bounded both sides far below 65,536.
    let (height, width) = (image.height() as u16, image.width() as u16);
    let RowKey { id, split, label, view } = key;
    Ok(ImageRow { id, split, label, view, height, width, encoding, pixels: bytes })
}

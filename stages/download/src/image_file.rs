//! Image files: which files are images, and how one becomes a row of an image set.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::params::{Exif, Params};
use igpt_contract::{StageContext, StageError, counted};
use igpt_dataset::{Encoding, ImageRow, RAW_SIDE, RowKey, UPRIGHT, decode_file, orientation, shown, turned};

/// The most bytes of an image file. No photograph is larger.
pub(crate) const MOST_BYTES: u64 = 1 << 26;

/// The extensions of the supported image files.
const READ: [&str; 12] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff"];
/// Kinds of images that are not supported, with their extensions. They count as images, so that each is
/// reported rather than ignored.
const UNSUPPORTED: [(&str, &[&str]); 4] = [
    ("AVIF", &["avif", "avifs"]),
    ("HEIC", &["heic", "heif", "hif"]),
    ("JPEG XL", &["jxl"]),
    ("JPEG 2000", &["jp2", "j2k", "jpx", "jpf", "j2c", "jpc"]),
];

fn is_unsupported(extension: &str) -> bool {
    UNSUPPORTED.iter().any(|(_, extensions)| extensions.contains(&extension))
}

/// The kind of an image that is not supported, from its first bytes.
fn unsupported_kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
            [b'a', b'v', b'i', b'f' | b's', ..] => Some("AVIF"),
            _ => Some("HEIC"),
        },
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0, 0, 0, 12, b'j', b'P', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Some("JPEG 2000"),
        _ => None,
    }
}

/// Why a file is skipped that is not named like an image.
pub(crate) const NO_IMAGE: &str = "no image extension";

/// Whether a path has an image extension. Hidden files do not count: macOS leaves `._x.jpg` in archives.
pub(crate) fn is_image(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or_default();
    let extension = base.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    !base.starts_with('.')
        && extension.is_some_and(|extension| READ.contains(&extension.as_str()) || is_unsupported(&extension))
}

/// Reads an image file, up to [`MOST_BYTES`].
pub(crate) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let what = format!("expected at most {MOST_BYTES} bytes, found more");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// How many images a note about orientations names.
const FEW: usize = 3;

/// Whether Exif orientations are applied, and the images whose orientation was ignored.
#[derive(Debug)]
pub(crate) struct Orientations {
    apply: bool,
    /// How many were ignored, and the first of them by id.
    ignored: Mutex<(u64, BTreeMap<u64, String>)>,
}

impl Orientations {
    /// According to the parameter `exif`.
    pub(crate) fn new(params: &Params) -> Self {
        Self { apply: params.exif == Some(Exif::Apply), ignored: Mutex::default() }
    }

    /// The orientation to apply to an image.
    fn to_apply(&self, name: &str, id: u64, bytes: &[u8], encoding: Encoding) -> u8 {
        let found = orientation(bytes, encoding);
        if self.apply || found == UPRIGHT {
            return found;
        }
        let mut ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        ignored.0 += 1;
        ignored.1.insert(id, name.to_owned());
        if ignored.1.len() > FEW {
            ignored.1.pop_last();
        }
        UPRIGHT
    }

    /// Adds a note on the images whose orientation was ignored.
    pub(crate) fn note(&self, cx: &StageContext) {
        let ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, first) = &*ignored;
        if *count > 0 {
            let names: Vec<String> = first.values().map(|name| format!("`{}`", shown(name))).collect();
            let names = names.join(", ");
            let more = if *count > FEW as u64 { ", ..." } else { "" };
            cx.note(format!(
                "ignored the Exif orientation of {} ({names}{more}); `exif: apply` turns them upright",
                counted(*count, "image")
            ));
        }
    }
}

/// Decodes a file's bytes; errors and the row use `name`. Small images are stored as pixels, others as the
/// bytes of the file. An Exif orientation is applied to pixels at once, to others when they are decoded.
///
/// # Errors
/// If the file could not be read, is not a supported image, or is damaged.
pub(crate) fn row(
    name: &str,
    bytes: std::io::Result<Vec<u8>>,
    key: RowKey,
    orientations: &Orientations,
) -> Result<ImageRow, StageError> {
    let failed = |what: &str| format!("`{}`: {what}", shown(name));
    let bytes = bytes.map_err(|error| StageError::caused(failed("cannot read the file"), error))?;
    // By content, not by name: some of ImageNet's `.JPEG` files are PNG.
    let Some(encoding) = Encoding::of_file(&bytes) else {
        return Err(StageError::new(failed(&match unsupported_kind(&bytes) {
            Some(kind) => format!("{kind} is not supported; expected JPEG, PNG, WebP, GIF, BMP or TIFF"),
            None => "expected a JPEG, PNG, WebP, GIF, BMP or TIFF image, found something else".to_owned(),
        })));
    };
    let image = decode_file(&bytes, encoding)
        .map_err(|error| StageError::caused(failed("cannot decode the image"), error))?;
    let orientation = orientations.to_apply(name, key.id, &bytes, encoding);
    if image.width().max(image.height()) <= u32::from(RAW_SIDE) {
        return ImageRow::new(key, &turned(image, orientation))
            .map(|row| row.named(name))
            .map_err(|error| StageError::caused(failed("cannot store the image"), error));
    }
    // Decoding has bounded both sides far below 65,536.
    let (mut height, mut width) = (image.height() as u16, image.width() as u16);
    if orientation > 4 {
        std::mem::swap(&mut height, &mut width);
    }
    let RowKey { id, split, label, view } = key;
    let name = name.to_owned();
    Ok(ImageRow { id, split, label, view, height, width, encoding, orientation, name, pixels: bytes })
}

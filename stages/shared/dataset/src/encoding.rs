//! Image encodings: their names in files, and how to tell them from a file's first bytes.

use image::ImageFormat;

/// The encoding of an image's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Red, green and blue bytes of one pixel after another, rows from top to bottom.
    Rgb,
    /// A JPEG file.
    Jpeg,
    /// A PNG file.
    Png,
    /// A WebP file.
    Webp,
    /// A GIF file; of several frames the first is taken.
    Gif,
    /// A BMP file.
    Bmp,
    /// A TIFF file; of several pages the first is taken.
    Tiff,
}

impl Encoding {
    /// All encodings.
    pub const ALL: [Self; 7] =
        [Self::Rgb, Self::Jpeg, Self::Png, Self::Webp, Self::Gif, Self::Bmp, Self::Tiff];

    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
        }
    }

    /// The encoding of a file, from its first bytes; `None` if it is not a supported image.
    pub fn of_file(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            _ => None,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.as_str() == text)
    }

    /// All names, for an error that puts the list between backticks.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::as_str).join("`, `")
    }

    /// The file format; `None` for raw pixels.
    pub(crate) fn format(self) -> Option<ImageFormat> {
        match self {
            Self::Rgb => None,
            Self::Jpeg => Some(ImageFormat::Jpeg),
            Self::Png => Some(ImageFormat::Png),
            Self::Webp => Some(ImageFormat::WebP),
            Self::Gif => Some(ImageFormat::Gif),
            Self::Bmp => Some(ImageFormat::Bmp),
            Self::Tiff => Some(ImageFormat::Tiff),
        }
    }
}

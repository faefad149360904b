//! The structure of a JPEG file: whether it is whole, and how it is coded.
//!
//! The decoder accepts a file that ends within its scans and fills in grey for what is missing, as a
//! viewer should. In a data set that is a damaged image, so the structure is checked here: segments, and
//! scans up to the next marker, as far as the end mark. Bytes after it are ignored: cameras and servers
//! leave zeros and more there.

/// The markers that are not followed by a length, other than the end mark.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd8)
}

/// Whether the bytes reach their end mark (FF D9). Thumbnails are within segments, so their end marks do
/// not count.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    // Markers are FF and another byte; in a scan FF 00 is a value and FF FF is padding. Anything else
    // between two segments is skipped, as the decoder does.
    while let Some(at) = memchr::memchr(0xff, rest) {
        rest = &rest[at + 1..];
        match *rest {
            [0xd9, ..] => return true,
            [0x00, ..] => rest = &rest[1..],
            // The next round sees the FF that follows, if one does.
            [0xff, ..] => {}
            [marker, ..] if stands_alone(marker) => rest = &rest[1..],
            [_, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low])).max(2);
                rest = rest.get(1 + length..).unwrap_or_default();
            }
            _ => return false,
        }
    }
    false
}

/// The segments before the first scan, and its header: markers with their contents.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        loop {
            let bytes = rest.take()?;
            let at = bytes.iter().position(|byte| *byte == 0xff)?;
            match *bytes.get(at + 1..)? {
                [0xff, ..] => rest = bytes.get(at + 1..),
                [marker, ..] if marker == 0 || stands_alone(marker) => rest = bytes.get(at + 2..),
                [marker, high, low, ..] => {
                    let length = usize::from(u16::from_be_bytes([high, low])).max(2);
                    let content = bytes.get(at + 4..at + 2 + length)?;
                    rest = (marker != START_OF_SCAN).then_some(bytes.get(at + 2 + length..)).flatten();
                    return Some((marker, content));
                }
                _ => return None,
            }
        }
    })
}

const START_OF_SCAN: u8 = 0xda;

/// The content of the first Exif segment.
pub(crate) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    segments(bytes).find_map(|(marker, content)| match marker {
        0xe1 => content.strip_prefix(b"Exif\0\0"),
        _ => None,
    })
}

/// How a JPEG is coded, from the segments before its first scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The second byte of the frame's marker: the kind of coding.
    kind: u8,
    /// Bits of a sample.
    precision: u8,
    pub(crate) height: u16,
    pub(crate) width: u16,
    /// How often each component is sampled, across and down.
    sampling: Vec<(u8, u8)>,
    /// The restart interval, in units of a scan; 0 for none.
    restart: u16,
    /// The components of the first scan.
    scanned: usize,
}

/// The frame of a JPEG; `None` if its segments are damaged, which the decoder reports.
pub(crate) fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut frame = None;
    let mut restart = 0;
    for (marker, content) in segments(bytes) {
        match (marker, content) {
            (0xdd, [high, low, ..]) => restart = u16::from_be_bytes([*high, *low]),
            // C4, C8 and CC are tables and an extension.
            (0xc0..=0xcf, [precision, h0, h1, w0, w1, n, components @ ..])
                if !matches!(marker, 0xc4 | 0xc8 | 0xcc) && frame.is_none() =>
            {
                let each = components.chunks_exact(3).take(usize::from(*n));
                let sampling: Vec<(u8, u8)> = each.map(|c| (c[1] >> 4, c[1] & 15)).collect();
                if sampling.is_empty() || sampling.iter().any(|(across, down)| *across == 0 || *down == 0) {
                    return None;
                }
                let (height, width) = (u16::from_be_bytes([*h0, *h1]), u16::from_be_bytes([*w0, *w1]));
                let precision = *precision;
                frame =
                    Some(Frame { kind: marker, precision, height, width, sampling, restart: 0, scanned: 0 });
            }
            (START_OF_SCAN, [n, ..]) => {
                return frame.map(|frame| Frame { restart, scanned: usize::from(*n), ..frame });
            }
            _ => {}
        }
    }
    None
}

impl Frame {
    /// The kind of JPEG, if it is not supported.
    pub(crate) fn unsupported(&self) -> Option<&'static str> {
        match (self.kind, self.precision) {
            (0xc3 | 0xc7 | 0xcb | 0xcf, _) => Some("a lossless JPEG"),
            (0xc5 | 0xc6 | 0xcd | 0xce, _) => Some("a hierarchical JPEG"),
            (0xc9 | 0xca, _) => Some("a JPEG with arithmetic coding"),
            (_, 12) => Some("a JPEG of 12 bits per sample"),
            _ if self.has_thin_chroma() => Some("a JPEG of at most 4 pixels across with halved chroma"),
            _ => None,
        }
    }

    /// Whether the chroma is one or two samples across: libjpeg repeats those and smooths
    /// others, and neither decoder does both. For a single sample there is no difference.
    fn has_thin_chroma(&self) -> bool {
        let (across, down) = (self.most(|s| s.0), self.most(|s| s.1));
        self.sampling.iter().any(|s| {
            let wide = (u32::from(self.width) * u32::from(s.0)).div_ceil(u32::from(across));
            let high = (u32::from(self.height) * u32::from(s.1)).div_ceil(u32::from(down));
            let (halved, also_down) = (2 * s.0 == across, 2 * s.1 == down);
            halved && (wide == 2 || (wide == 1 && also_down && high > 1))
        })
    }

    /// The most samples of a component, across or down.
    fn most(&self, of: fn(&(u8, u8)) -> u8) -> u8 {
        self.sampling.iter().map(of).max().unwrap_or(1)
    }

    /// The number of components: three for colours, one for grey, four for CMYK.
    pub(crate) fn components(&self) -> usize {
        self.sampling.len()
    }

    /// Whether the fast decoder gets it wrong:
    /// - it misplaces the units of scans of single components;
    /// - and those after a restart within a row of units;
    /// - at the right and lower edge it mixes halved chroma with values outside the image, unless the
    ///   edge is in the middle of a sample (an odd side) or at the end of a unit.
    pub(crate) fn is_odd(&self) -> bool {
        let (across, down) = (self.most(|s| s.0), self.most(|s| s.1));
        let progressive = self.kind == 0xc2;
        let row = self.width.div_ceil(8 * u16::from(across)).max(1);
        let mixes = |side: u16, most: u8, of: fn(&(u8, u8)) -> u8| {
            let halved = self.sampling.iter().any(|s| 2 * of(s) == most);
            halved && side.is_multiple_of(2) && !side.is_multiple_of(8 * u16::from(most))
        };
        (!progressive && self.scanned < self.sampling.len())
            || !self.restart.is_multiple_of(row)
            || mixes(self.width, across, |s| s.0)
            || mixes(self.height, down, |s| s.1)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgb, RgbImage};

    use crate::{BadImage, Encoding, decode_file};

    fn jpeg() -> Vec<u8> {
        let pixel = |x, y| Rgb([(x * y % 256) as u8, (x * 7 % 256) as u8, (y * 5 % 256) as u8]);
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_fn(90, 70, pixel).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_jpeg_that_is_cut_off_within_its_scan_is_refused() {
        let whole = jpeg();
        let image = decode_file(&whole, Encoding::Jpeg).unwrap();
        for kept in [whole.len() / 2, whole.len() * 9 / 10, whole.len() - 1] {
            let error = decode_file(&whole[..kept], Encoding::Jpeg).unwrap_err();
            assert!(matches!(error, BadImage::Truncated(n) if n == kept), "{kept}: {error}");
        }
        // Bytes after the end mark are ignored.
        let padded = [&whole[..], &[0; 700], b"\xff\xe1 and more"].concat();
        assert_eq!(decode_file(&padded, Encoding::Jpeg).unwrap(), image);
    }

    #[test]
    fn a_size_that_takes_too_much_memory_is_refused_before_it_is_decoded() {
        let mut bytes = jpeg();
        // The frame's header: FF C0, two bytes of length, one of precision, height and width.
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        for side in [frame + 5, frame + 7] {
            bytes[side..side + 2].copy_from_slice(&16_000u16.to_be_bytes());
        }
        let error = decode_file(&bytes, Encoding::Jpeg).unwrap_err().to_string();
        assert!(
            error.contains("at most 256 MiB when decoded, found 733 MiB (16000x16000 pixels)"),
            "{error}"
        );
    }

    #[test]
    fn the_end_mark_of_a_thumbnail_is_not_the_files_own() {
        let whole = jpeg();
        // An application segment with a whole image in it, right after the start mark.
        let inner = &whole[..4000.min(whole.len())];
        let length = (inner.len() as u16 + 4).to_be_bytes();
        let segment = [&[0xff, 0xe1], &length[..], inner, &[0xff, 0xd9]].concat();
        let with = |rest: &[u8]| [&whole[..2], &segment, rest].concat();
        assert!(super::is_whole(&with(&whole[2..])));
        assert!(!super::is_whole(&with(&whole[2..whole.len() - 200])));
    }
}

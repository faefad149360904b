//! Whether a JPEG file is there as a whole.
//!
//! The decoder forgives a file that ends within its scans and answers grey for what is missing, as
//! a viewer should. In a data set that is a broken image, so the file's structure is walked here:
//! segments, and scans up to the next marker, as far as the end mark. What lies behind that is
//! nobody's business; cameras and servers leave zeros and more there.

/// The markers that no length follows, other than the end mark.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd8)
}

/// Whether the bytes reach their end mark (FF D9). Thumbnails lie within segments, so that an end
/// mark of theirs does not count.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    // Markers are FF and another byte; in a scan FF 00 is a value, and FF FF only fills up. Whatever
    // else lies between two segments is passed over, as the decoder does.
    while let Some(at) = rest.iter().position(|byte| *byte == 0xff) {
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
            assert!(matches!(error, BadImage::CutOff(n) if n == kept), "{kept}: {error}");
        }
        // What lies behind the end mark says nothing.
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

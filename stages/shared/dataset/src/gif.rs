//! Whether a GIF's first frame covers the whole image.

/// Whether the first frame covers the GIF's canvas. If it does not, viewers disagree on what surrounds
/// it. A damaged file counts as covered: the decoder reports it.
pub(crate) fn first_frame_covers(bytes: &[u8]) -> bool {
    frame(bytes).is_none_or(|(canvas, place)| place == [0, 0, canvas[0], canvas[1]])
}

/// Width and height of the canvas; left, top, width and height of the first frame.
fn frame(bytes: &[u8]) -> Option<([u16; 2], [u16; 4])> {
    let word = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let canvas = [word(6)?, word(8)?];
    let flags = *bytes.get(10)?;
    let mut at = 13 + if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    loop {
        match *bytes.get(at)? {
            b',' => return Some((canvas, [word(at + 1)?, word(at + 3)?, word(at + 5)?, word(at + 7)?])),
            // An extension: its kind, then blocks with their lengths, up to an empty one.
            b'!' => {
                at += 2;
                loop {
                    let length = usize::from(*bytes.get(at)?);
                    at += 1 + length;
                    if length == 0 {
                        break;
                    }
                }
            }
            _ => return None,
        }
    }
}

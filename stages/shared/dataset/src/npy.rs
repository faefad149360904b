//! The part of NumPy's `.npy` format (versions 1.0 to 3.0, NEP 1) that palettes and weights need:
//! floats and integers of every width, in either byte order, in C or Fortran order.

use half::f16;

use crate::display::shown;

/// An array of an `.npy` file.
#[derive(Debug, Clone, PartialEq)]
pub struct Npy {
    /// The sizes of its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row by row, in single precision.
    pub values: Vec<f32>,
    /// Whether the file holds integers.
    pub integers: bool,
}

/// What the header of an `.npy` file says.
struct Header {
    kind: u8,
    width: usize,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Whether a file starts like an `.npy` file.
pub(crate) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads the bytes of an `.npy` file.
///
/// # Errors
/// What was expected and what was found, if it is another kind of file or holds no numbers.
pub fn read_npy(bytes: &[u8]) -> Result<Npy, String> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("expected a `.npy` file, which starts with `\\x93NUMPY`, found another kind of file")?;
    let (header, data) = split_header(rest)?;
    let header = read_header(header)?;
    let Header { width, ref shape, .. } = header;
    let expected = shape.iter().try_fold(width, |product: usize, size| product.checked_mul(*size));
    if expected != Some(data.len()) {
        return Err(format!(
            "expected {} bytes for an array of the shape {shape:?}, found {}",
            expected.map_or("more than 2^64".to_owned(), |bytes| bytes.to_string()),
            data.len()
        ));
    }
    let stored = data.chunks_exact(width).map(|element| element_value(&header, element)).collect();
    let values = if header.fortran { in_c_order(shape, stored) } else { stored };
    Ok(Npy { values, integers: header.kind != b'f', shape: header.shape })
}

/// The text of the header, and the elements behind it.
fn split_header(rest: &[u8]) -> Result<(&str, &[u8]), String> {
    let early = "the file ends within its header";
    let (version, rest) = rest.split_at_checked(2).ok_or(early)?;
    let (length, rest) = match version {
        [1, 0] => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(early)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        [2 | 3, 0] => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(early)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        _ => {
            let (major, minor) = (version[0], version[1]);
            return Err(format!("expected version 1.0 to 3.0 of the `.npy` format, found {major}.{minor}"));
        }
    };
    let (header, data) = rest.split_at_checked(length).ok_or(early)?;
    Ok((std::str::from_utf8(header).map_err(|_| "the header is not text")?, data))
}

fn read_header(header: &str) -> Result<Header, String> {
    let descr = text_after(header, "'descr':").unwrap_or_default().trim_start();
    // A quoted name; a list of fields has none.
    let name = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next());
    let (kind, width, big_endian) = match name.map(str::as_bytes) {
        Some(&[order @ (b'<' | b'>' | b'|' | b'='), kind, width])
            if matches!(
                (kind, width),
                (b'f', b'2' | b'4' | b'8') | (b'i' | b'u', b'1' | b'2' | b'4' | b'8')
            ) =>
        {
            (kind, usize::from(width - b'0'), order == b'>')
        }
        _ => {
            let found: String = name.unwrap_or(descr).chars().take(40).collect();
            let what = "expected the dtype float16, float32, float64 or an integer";
            return Err(format!("{what}, found `{}`", shown(&found)));
        }
    };
    let order = text_after(header, "'fortran_order':").map(str::trim_start).unwrap_or_default();
    let fortran = order.starts_with("True");
    if !fortran && !order.starts_with("False") {
        return Err("the header has no `fortran_order`".to_owned());
    }
    let shape: Option<Vec<usize>> = text_after(header, "'shape':")
        .and_then(|text| text.split_once('(')?.1.split_once(')'))
        .and_then(|(inner, _)| {
            let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
            sizes.map(|size| size.parse().ok()).collect()
        });
    let shape = shape.ok_or("the header has no `shape`")?;
    Ok(Header { kind, width, big_endian, fortran, shape })
}

/// An element's value; 64-bit numbers are rounded to single precision.
fn element_value(header: &Header, element: &[u8]) -> f32 {
    let mut low = [0; 8];
    low[..element.len()].copy_from_slice(element);
    if header.big_endian {
        low[..element.len()].reverse();
    }
    let bits = u64::from_le_bytes(low);
    match (header.kind, header.width) {
        (b'f', 2) => f16::from_bits(bits as u16).to_f32(),
        (b'f', 4) => f32::from_bits(bits as u32),
        (b'f', _) => f64::from_bits(bits) as f32,
        (b'i', 1) => f32::from(bits as i8),
        (b'i', 2) => f32::from(bits as i16),
        (b'i', 4) => bits as i32 as f32,
        (b'i', _) => bits as i64 as f32,
        _ => bits as f32,
    }
}

/// Elements whose first index runs fastest, put into the order in which the last one does.
fn in_c_order(shape: &[usize], stored: Vec<f32>) -> Vec<f32> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for size in shape {
        strides.push(stride);
        stride *= size;
    }
    let mut index = vec![0; shape.len()];
    let mut values = Vec::with_capacity(stored.len());
    for _ in 0..stored.len() {
        values.push(stored[index.iter().zip(&strides).map(|(i, stride)| i * stride).sum::<usize>()]);
        for (i, size) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *size {
                break;
            }
            *i = 0;
        }
    }
    values
}

fn text_after<'t>(header: &'t str, key: &str) -> Option<&'t str> {
    header.split_once(key).map(|(_, rest)| rest)
}

/// The bytes that `numpy.save` writes for a float32 array of rows of three.
pub(crate) fn write_npy(rows: &[[f32; 3]]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 3), }}", rows.len());
    // Magic, version, length and header end on a multiple of 64 bytes, with a newline.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', padded - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_survives_its_bytes() {
        let bytes = write_npy(&[[0.0, 0.5, 1.0], [-1.0, 0.25, 0.125]]);
        assert_eq!(bytes.len(), 128 + 24);
        let npy = read_npy(&bytes).unwrap();
        let values = vec![0.0, 0.5, 1.0, -1.0, 0.25, 0.125];
        assert_eq!(npy, Npy { shape: vec![2, 3], values, integers: false });
    }

    /// A file with that header's type and order, and these elements.
    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn every_type_and_byte_order_holds_the_same_numbers() {
        let check = |descr: &str, data: Vec<u8>, expected: [f32; 2]| {
            let npy = read_npy(&file(descr, "False", "(2,)", &data)).unwrap();
            assert_eq!((npy.values, npy.integers), (expected.to_vec(), !descr.contains('f')), "{descr}");
        };
        check("|u1", vec![7, 255], [7.0, 255.0]);
        check("|i1", vec![7, 255], [7.0, -1.0]);
        check("<f2", [f16::ONE, f16::NEG_ONE].map(f16::to_le_bytes).concat(), [1.0, -1.0]);
        check(">f2", [f16::ONE, f16::NEG_ONE].map(f16::to_be_bytes).concat(), [1.0, -1.0]);
        check(">f4", [1.5f32, -1.0].map(f32::to_be_bytes).concat(), [1.5, -1.0]);
        check("<f8", [1.5f64, -1.0].map(f64::to_le_bytes).concat(), [1.5, -1.0]);
        check(">f8", [1.5f64, -1.0].map(f64::to_be_bytes).concat(), [1.5, -1.0]);
        check("<i2", [-2i16, 200].map(i16::to_le_bytes).concat(), [-2.0, 200.0]);
        check(">u2", [2u16, 60_000].map(u16::to_be_bytes).concat(), [2.0, 60_000.0]);
        check("<i4", [-2i32, 200].map(i32::to_le_bytes).concat(), [-2.0, 200.0]);
        check("<i8", [-2i64, 200].map(i64::to_le_bytes).concat(), [-2.0, 200.0]);
        check(">u8", [2u64, 200].map(u64::to_be_bytes).concat(), [2.0, 200.0]);
    }

    #[test]
    fn fortran_order_is_turned_into_c_order() {
        let npy = read_npy(&file("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6])).unwrap();
        assert_eq!((npy.shape, npy.values), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let npy = read_npy(&file("|u1", "True", "(2, 1, 2)", &[1, 3, 2, 4])).unwrap();
        assert_eq!(npy.values, [1.0, 2.0, 3.0, 4.0]);
        assert!(read_npy(&file("|u1", "True", "(0, 3)", &[])).unwrap().values.is_empty());
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let good = write_npy(&[[0.0; 3]]);
        let changed = |from: &str, to: &str| {
            let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bytes = good.clone();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            read_npy(&bytes).unwrap_err()
        };
        assert!(read_npy(b"PNG").unwrap_err().contains("NUMPY"));
        assert!(changed("<f4", "<c8").contains("found `<c8`"));
        assert!(changed("<f4", "|b1").contains("found `|b1`"));
        assert!(changed("'<f4'", "[('r'").contains("found `[('r'"));
        assert!(changed("False", "Maybe").contains("fortran_order"));
        assert!(changed("(1, 3)", "(9, 3)").contains("expected 108 bytes"));
        assert!(changed("(1, 3)", "(x, 3)").contains("shape"));
        assert!(read_npy(&good[..good.len() - 1]).unwrap_err().contains("found 11"));
        assert!(read_npy(&good[..9]).unwrap_err().contains("header"));
    }
}

//! The part of NumPy's `.npy` format (version 1.0, NEP 1) that palettes and weights need:
//! little-endian float16, float32 and float64 in C order.

use half::f16;

/// An array of an `.npy` file.
#[derive(Debug, Clone, PartialEq)]
pub struct Npy {
    /// The sizes of its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row by row, in single precision.
    pub values: Vec<f32>,
}

/// Reads the bytes of an `.npy` file.
///
/// # Errors
/// What was expected and what was found, where it is another kind of file or holds no floats.
pub fn read_npy(bytes: &[u8]) -> Result<Npy, String> {
    let rest = bytes
        .strip_prefix(b"\x93NUMPY")
        .ok_or("expected a `.npy` file, which starts with `\\x93NUMPY`, found another kind of file")?;
    let (version, rest) = rest.split_at_checked(2).ok_or("the file ends within its header")?;
    if version != [1, 0] {
        return Err(format!(
            "expected version 1.0 of the `.npy` format, found {}.{}",
            version[0], version[1]
        ));
    }
    let (length, rest) = rest.split_first_chunk::<2>().ok_or("the file ends within its header")?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, data) = rest.split_at_checked(length).ok_or("the file ends within its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;

    let descr = text_after(header, "'descr':").unwrap_or_default().trim_start().trim_start_matches('\'');
    let width = match descr.split('\'').next() {
        Some("<f2") => 2,
        Some("<f4") => 4,
        Some("<f8") => 8,
        found => {
            let found = found.unwrap_or_default();
            return Err(format!("expected the type `<f2`, `<f4` or `<f8`, found `{found}`"));
        }
    };
    if !text_after(header, "'fortran_order':").is_some_and(|text| text.trim_start().starts_with("False")) {
        return Err("expected the values in C order (`fortran_order: False`)".to_owned());
    }
    let shape: Option<Vec<usize>> = text_after(header, "'shape':")
        .and_then(|text| text.split_once('(')?.1.split_once(')'))
        .and_then(|(inner, _)| {
            let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
            sizes.map(|size| size.parse().ok()).collect()
        });
    let shape = shape.ok_or("the header has no `shape`")?;

    let expected = shape.iter().try_fold(width, |product: usize, size| product.checked_mul(*size));
    if expected != Some(data.len()) {
        return Err(format!(
            "expected {} bytes for an array of the shape {shape:?}, found {}",
            expected.map_or("more than 2^64".to_owned(), |bytes| bytes.to_string()),
            data.len()
        ));
    }
    let values = match width {
        2 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        4 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        _ => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
    };
    Ok(Npy { shape, values })
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
        assert_eq!(npy, Npy { shape: vec![2, 3], values: vec![0.0, 0.5, 1.0, -1.0, 0.25, 0.125] });
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
        assert!(changed("<f4", "<i4").contains("found `<i4`"));
        assert!(changed("<f4", ">f4").contains("found `>f4`"));
        assert!(changed("False", "True ").contains("C order"));
        assert!(changed("(1, 3)", "(9, 3)").contains("expected 108 bytes"));
        assert!(changed("(1, 3)", "(x, 3)").contains("shape"));
        assert!(read_npy(&good[..good.len() - 1]).unwrap_err().contains("found 11"));
        assert!(read_npy(&good[..9]).unwrap_err().contains("header"));
    }
}

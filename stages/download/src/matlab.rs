//! Reads an array of structures from a MATLAB 5 file: the part of the format that ImageNet's `meta.mat`
//! needs, without trusting the file.
//!
//! Format: "MAT-File Format", The MathWorks, chapter 1, version 5. After 128 bytes of header come
//! elements: a tag of type and size, then the data, padded to 8 bytes; up to 4 bytes of data may
//! be in the tag itself. A matrix is an element whose data are elements: flags, dimensions, a name, and
//! the content of its class.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// Bytes before the first element.
const HEADER: usize = 128;
/// The most bytes of a decompressed element; all of ImageNet's take 0.4 MB.
const MOST: u64 = 1 << 26;
/// The most structures of an array, and fields of a structure.
const MOST_CELLS: usize = 1 << 20;

/// The types of data elements that are read.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// The classes of matrices that are read; 6 to 15 are numbers.
const STRUCT: u8 = 2;
const CHAR: u8 = 4;

/// A field of a structure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FieldValue {
    /// One number.
    Number(f64),
    Text(String),
    /// Several numbers, or any other value.
    Other,
}

/// The structures of the array `name`; each the values of `fields`, in their order.
///
/// # Errors
/// The fault of the file.
pub(crate) fn structures(bytes: &[u8], name: &str, fields: &[&str]) -> Result<Vec<Vec<FieldValue>>, String> {
    // The byte order mark of a little-endian machine.
    if bytes.get(126..HEADER) != Some(b"IM") || bytes.get(125) != Some(&1) {
        return Err("expected a MATLAB 5 file (little-endian), found another kind of file".to_owned());
    }
    let mut file = Elements { bytes: &bytes[HEADER..] };
    while let Some((kind, data)) = file.next(Padding::Whole)? {
        let expanded;
        let matrix = match kind {
            MATRIX => data,
            COMPRESSED => {
                expanded = expand(data)?;
                let mut inner = Elements { bytes: &expanded };
                match inner.next(Padding::Whole)? {
                    Some((MATRIX, data)) => data,
                    _ => continue,
                }
            }
            _ => continue,
        };
        let matrix = MatlabArray::read(matrix)?;
        if matrix.name == name.as_bytes() {
            return matrix.structures(fields);
        }
    }
    Err(format!("expected the variable `{name}`, found none"))
}

fn expand(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut expanded = Vec::new();
    ZlibDecoder::new(data)
        .take(MOST + 1)
        .read_to_end(&mut expanded)
        .map_err(|error| format!("cannot expand a variable: {error}"))?;
    if expanded.len() as u64 > MOST {
        return Err(format!("a variable has more than {MOST} bytes"));
    }
    Ok(expanded)
}

/// The padding after the data of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    /// None, as between compressed variables.
    Whole,
    /// Bytes up to a multiple of 8.
    Eight,
}

/// One element after another.
struct Elements<'a> {
    bytes: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The type and the data of the next element, unless this is the end.
    fn next(&mut self, fill: Padding) -> Result<Option<(u32, &'a [u8])>, String> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let cut = || "expected a whole MATLAB file, found one that ends within an element".to_owned();
        let word = |at: usize| {
            let bytes = self.bytes.get(at..at + 4).ok_or_else(cut)?;
            Ok::<u32, String>(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        let first = word(0)?;
        let small = (first >> 16) as usize;
        if small > 0 {
            let data = self.bytes.get(4..4 + small).filter(|_| small <= 4).ok_or_else(cut)?;
            self.bytes = self.bytes.get(8..).ok_or_else(cut)?;
            return Ok(Some((first & 0xffff, data)));
        }
        let size = word(4)? as usize;
        let end = size.checked_add(8).ok_or_else(cut)?;
        let data = self.bytes.get(8..end).ok_or_else(cut)?;
        let next = if fill == Padding::Eight { end.next_multiple_of(8) } else { end };
        // The last element may lack its padding.
        self.bytes = self.bytes.get(next..).unwrap_or_default();
        Ok(Some((first, data)))
    }

    /// The next element, which must exist.
    fn expect(&mut self, what: &str) -> Result<(u32, &'a [u8]), String> {
        self.next(Padding::Eight)?.ok_or_else(|| format!("expected {what} of a variable, found its end"))
    }
}

/// A matrix whose content has not been read.
struct MatlabArray<'a> {
    class: u8,
    cells: usize,
    name: &'a [u8],
    rest: Elements<'a>,
}

impl<'a> MatlabArray<'a> {
    fn read(data: &'a [u8]) -> Result<Self, String> {
        let mut rest = Elements { bytes: data };
        let (_, flags) = rest.expect("the flags")?;
        let class = *flags.first().ok_or("a variable without a class")?;
        let (_, sides) = rest.expect("the dimensions")?;
        let sides =
            sides.chunks_exact(4).map(|side| i32::from_le_bytes([side[0], side[1], side[2], side[3]]));
        let cells = sides
            .map(|side| usize::try_from(side).ok())
            .try_fold(1usize, |all, side| all.checked_mul(side?))
            .filter(|cells| *cells <= MOST_CELLS)
            .ok_or_else(|| format!("a variable has more than {MOST_CELLS} cells"))?;
        let (_, name) = rest.expect("the name")?;
        Ok(Self { class, cells, name, rest })
    }

    fn structures(mut self, fields: &[&str]) -> Result<Vec<Vec<FieldValue>>, String> {
        if self.class != STRUCT {
            return Err(format!("expected an array of structures, found the class {}", self.class));
        }
        let (_, width) = self.rest.expect("the width of the field names")?;
        let width = match width {
            [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]) as usize,
            _ => 0,
        };
        let (_, names) = self.rest.expect("the field names")?;
        if width == 0 || names.len() % width != 0 || names.len() / width > MOST_CELLS {
            return Err("expected field names of equal width, found others".to_owned());
        }
        let names: Vec<&[u8]> = names
            .chunks_exact(width)
            .map(|name| name.split(|byte| *byte == 0).next().unwrap_or_default())
            .collect();
        let place = |field: &&str| {
            names
                .iter()
                .position(|name| *name == field.as_bytes())
                .ok_or_else(|| format!("expected the field `{field}`, found none"))
        };
        let wanted = fields.iter().map(place).collect::<Result<Vec<usize>, String>>()?;
        let mut all = Vec::new();
        for _ in 0..self.cells {
            let mut values = vec![FieldValue::Other; fields.len()];
            for field in 0..names.len() {
                let (kind, data) = self.rest.expect("a field")?;
                if kind != MATRIX {
                    return Err(format!("expected a matrix as the field, found the type {kind}"));
                }
                // A matrix without data is empty.
                if let Some(at) = wanted.iter().position(|wanted| *wanted == field && !data.is_empty()) {
                    values[at] = MatlabArray::read(data)?.value()?;
                }
            }
            all.push(values);
        }
        Ok(all)
    }

    fn value(mut self) -> Result<FieldValue, String> {
        match self.class {
            CHAR if self.cells == 0 => Ok(FieldValue::Text(String::new())),
            CHAR => {
                let (kind, data) = self.rest.expect("the text")?;
                text(kind, data).map(FieldValue::Text)
            }
            6..=15 if self.cells == 1 => {
                let (kind, data) = self.rest.expect("the number")?;
                number(kind, data).map(FieldValue::Number)
            }
            _ => Ok(FieldValue::Other),
        }
    }
}

/// A string of one of the types that characters are stored as.
fn text(kind: u32, data: &[u8]) -> Result<String, String> {
    let bad = || "expected a string, found other bytes".to_owned();
    match kind {
        // 8-bit numbers and UTF-8; older files have Latin-1 beyond ASCII.
        1 | 2 | 16 => Ok(match std::str::from_utf8(data) {
            Ok(text) => text.to_owned(),
            Err(_) => data.iter().map(|byte| char::from(*byte)).collect(),
        }),
        // 16-bit numbers and UTF-16.
        3 | 4 | 17 => {
            let units: Vec<u16> =
                data.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
            String::from_utf16(&units).map_err(|_| bad())
        }
        // UTF-32.
        18 => data
            .chunks_exact(4)
            .map(|unit| {
                char::from_u32(u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]])).ok_or_else(bad)
            })
            .collect(),
        _ => Err(bad()),
    }
}

/// The first number of the data. Small numbers are stored in fewer bytes than the matrix's class suggests.
fn number(kind: u32, data: &[u8]) -> Result<f64, String> {
    fn first<const N: usize>(data: &[u8]) -> Result<[u8; N], String> {
        data.first_chunk::<N>().copied().ok_or_else(|| "expected a number, found too few bytes".to_owned())
    }
    Ok(match kind {
        1 => f64::from(i8::from_le_bytes(first(data)?)),
        2 => f64::from(u8::from_le_bytes(first(data)?)),
        3 => f64::from(i16::from_le_bytes(first(data)?)),
        4 => f64::from(u16::from_le_bytes(first(data)?)),
        5 => f64::from(i32::from_le_bytes(first(data)?)),
        6 => f64::from(u32::from_le_bytes(first(data)?)),
        7 => f64::from(f32::from_le_bytes(first(data)?)),
        9 => f64::from_le_bytes(first(data)?),
        // Identifiers are far below 2^53.
        12 => i64::from_le_bytes(first(data)?) as f64,
        13 => u64::from_le_bytes(first(data)?) as f64,
        _ => return Err(format!("expected a number, found the type {kind}")),
    })
}

#[cfg(test)]
mod tests {
    use igpt_contract::stream;
    use rand::RngExt as _;

    use super::*;

    /// Written by SciPy: `savemat(..., {"other": 3, "synsets": ...}, do_compression=...)`.
    const PLAIN: &[u8] = include_bytes!("../tests/download/meta-plain.mat");
    const COMPRESSED: &[u8] = include_bytes!("../tests/download/meta.mat");
    const FIELDS: [&str; 4] = ["num_children", "ILSVRC2012_ID", "WNID", "words"];

    #[test]
    fn what_scipy_wrote_is_read() {
        for bytes in [PLAIN, COMPRESSED] {
            let found = structures(bytes, "synsets", &FIELDS).unwrap();
            let number = |n: u32| FieldValue::Number(f64::from(n));
            let text = |text: &str| FieldValue::Text(text.to_owned());
            assert_eq!(found.len(), 5);
            assert_eq!(found[0], [number(0), number(1), text("n02119789"), text("kit fox, Vulpes macrotis")]);
            assert_eq!(found[3], [number(0), number(4), text("n01440764"), text("tench, Tinca tinca")]);
            assert_eq!(found[4], [number(3), number(1001), text("n00001740"), text("entité")]);
        }
    }

    #[test]
    fn other_files_are_called_so() {
        let error = |bytes: &[u8], name, fields: &[&str]| structures(bytes, name, fields).unwrap_err();
        assert!(error(b"", "synsets", &[]).contains("expected a MATLAB 5 file"));
        assert!(error(PLAIN, "sets", &[]).contains("expected the variable `sets`"));
        assert!(error(PLAIN, "synsets", &["wnid"]).contains("expected the field `wnid`"));
        assert!(error(PLAIN, "other", &[]).contains("an array of structures"));
        assert!(error(&PLAIN[..PLAIN.len() - 100], "synsets", &FIELDS).contains("ends within"));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let mut random = stream(5, "matlab");
        for round in 0..20_000 {
            let mut bytes = if round % 4 == 0 { COMPRESSED } else { PLAIN }.to_vec();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(HEADER..bytes.len());
                bytes[at] = random.random();
            }
            if round % 5 == 0 {
                bytes.truncate(random.random_range(0..bytes.len()));
            }
            let _ = structures(&bytes, "synsets", &FIELDS);
        }
    }
}

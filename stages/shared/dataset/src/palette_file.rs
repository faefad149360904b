//! Reads palettes from any file: `.npy` arrays, lists in JSON and the settings of transformers' image
//! processor, recognised by their content, in any of three ranges.

use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use serde_json::{Map, Value};

use crate::display::{name_list, shown};
use crate::error::DatasetError;
use crate::npy::{is_npy, read_npy};
use crate::palette::{FILES, PaletteTable};
use crate::palette_range::{PaletteRange, ROUNDING, range_of};

/// A palette that was read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedPalette {
    /// Its colours, in [-1, 1].
    pub palette: PaletteTable,
    /// The range of the file's numbers.
    pub range: PaletteRange,
    /// The file.
    pub file: PathBuf,
}

/// The file names that a palette is looked for under in a folder, in this order.
pub const PALETTE_FILES: [&str; 5] = [
    "palette.npy",
    "clusters.json",
    "preprocessor_config.json",
    "processor_config.json",
    "kmeans_centers.npy",
];

/// A limit on the file's size. A palette of 65,535 colours in JSON takes a tenth of it.
const MOST_BYTES: u64 = 64 << 20;
/// The numbers of a file, unchanged.
struct RawPalette {
    file: PathBuf,
    colours: Vec<[f64; 3]>,
    /// The range that the kind of file implies.
    range: Option<PaletteRange>,
}

/// Reads a palette from a file (`.npy` or JSON, of any name) or from a folder that holds one:
/// under one of [`PALETTE_FILES`], else under any name that ends in `.npy` or `.json`. Without
/// `range` the numbers decide: one below 0 means -1..1, one above 1 means 0..255.
///
/// # Errors
/// If there is no palette, or several that differ; if the numbers fit no range or more than one; if
/// there are not 1 to 65,535 colours.
pub fn load_palette(path: &Path, range: Option<PaletteRange>) -> Result<LoadedPalette, DatasetError> {
    if !path.is_dir() {
        let what = "expected a palette: a `.npy` array of the shape [k, 3] or JSON with `clusters`";
        let found = read_file(path)?
            .ok_or_else(|| DatasetError::new(path, format!("{what}, found JSON without `clusters`")))?;
        return resolve(found, range);
    }
    // An artifact of ours is in [-1, 1] by definition, even if all its colours are bright.
    let artifact =
        ["palette.npy", "clusters.json", "palette.png"].iter().all(|name| path.join(name).is_file());
    match named_palette(path, range.or(artifact.then_some(PaletteRange::Signed)))? {
        Some(taken) => Ok(taken),
        None => other_palette(path, range),
    }
}

/// Reads the palette of a folder that may hold other files too, under one of [`PALETTE_FILES`].
///
/// # Errors
/// Those of [`load_palette`], except that a missing file is not an error.
pub fn named_palette(
    folder: &Path,
    range: Option<PaletteRange>,
) -> Result<Option<LoadedPalette>, DatasetError> {
    let mut found = Vec::new();
    for file in PALETTE_FILES.map(|name| folder.join(name)) {
        // The settings of a processor that does not quantise have no clusters.
        if file.is_file() {
            found.extend(read_file(&file)?);
        }
    }
    one_of(folder, found, range)
}

impl PaletteTable {
    /// Reads a palette from an artifact's folder, or like [`load_palette`] without a range.
    ///
    /// # Errors
    /// If there is no such file, or it does not hold 1 to 65,535 colours in [-1, 1].
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        // An artifact of ours is in [-1, 1] by definition, even if all its colours are bright.
        let own = FILES.iter().all(|name| path.join(name).is_file());
        Ok(load_palette(path, own.then_some(PaletteRange::Signed))?.palette)
    }
}

/// The digest of a palette's `palette.npy`, see [`PaletteTable::digest`].
///
/// # Errors
/// See [`PaletteTable::read`].
pub fn palette_digest(path: &Path) -> Result<Digest, DatasetError> {
    Ok(PaletteTable::read(path)?.digest())
}

/// The palette of a folder under any other name.
fn other_palette(folder: &Path, range: Option<PaletteRange>) -> Result<LoadedPalette, DatasetError> {
    let failed = |error| DatasetError::caused(folder, "cannot be read", error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    let candidates = names.iter().filter(|name| name.ends_with(".npy") || name.ends_with(".json"));
    // Other files may lie beside a palette.
    let found = candidates.filter_map(|name| read_file(&folder.join(name)).ok().flatten()).collect();
    one_of(folder, found, range)?.ok_or_else(|| {
        let found = match names.as_slice() {
            [] => "nothing".to_owned(),
            names => name_list(names.iter().map(String::as_str)),
        };
        let what = format!(
            "expected a palette in one of `{}`, or in another `.npy` or `.json`; found {found}",
            PALETTE_FILES.join("`, `")
        );
        DatasetError::new(folder, what)
    })
}

/// The first of several palettes, which must be equal.
fn one_of(
    folder: &Path,
    found: Vec<RawPalette>,
    range: Option<PaletteRange>,
) -> Result<Option<LoadedPalette>, DatasetError> {
    let mut found = found.into_iter();
    let Some(mut first) = found.next() else { return Ok(None) };
    let mut others = Vec::new();
    for other in found {
        if near(&first.colours, &other.colours) {
            // Equal numbers have the same range, whichever file gives it.
            first.range = first.range.or(other.range);
        } else {
            others.push(other);
        }
    }
    let first = resolve(first, range)?;
    let wide = |palette: &PaletteTable| -> Vec<[f64; 3]> {
        palette.colours.iter().map(|colour| colour.map(f64::from)).collect()
    };
    for other in others {
        let other = resolve(other, range)?;
        if !near(&wide(&first.palette), &wide(&other.palette)) {
            let name = |file: &Path| shown(&file.file_name().unwrap_or_default().to_string_lossy());
            let what = format!(
                "expected one palette, found two that differ: `{}` and `{}`",
                name(&first.file),
                name(&other.file)
            );
            return Err(DatasetError::new(folder, what).hint("name the right file, or remove the other"));
        }
    }
    Ok(Some(first))
}

/// Whether two palettes are equal up to the rounding of their files.
fn near(a: &[[f64; 3]], b: &[[f64; 3]]) -> bool {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
    a.len() == b.len() && a.as_flattened().iter().zip(b.as_flattened()).all(close)
}

/// The numbers of a file; `None` if it is JSON without clusters.
fn read_file(file: &Path) -> Result<Option<RawPalette>, DatasetError> {
    let failed = |error| DatasetError::caused(file, "cannot read the file", error);
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        let found = if metadata.is_file() { format!("{} bytes", metadata.len()) } else { "none".to_owned() };
        let what = format!("expected a file of at most {MOST_BYTES} bytes with a palette, found {found}");
        return Err(DatasetError::new(file, what));
    }
    let bytes = std::fs::read(file).map_err(failed)?;
    let refuse = |what: String| DatasetError::new(file, what);
    let (colours, range) = if is_npy(&bytes) {
        (array_colours(&bytes).map_err(refuse)?, None)
    } else {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if !text.trim_ascii_start().starts_with(b"{") && !text.trim_ascii_start().starts_with(b"[") {
            let what = "expected a palette as a `.npy` array or as JSON, found another kind of file";
            let hint = "save an array of the shape [k, 3] with NumPy: `numpy.save('palette.npy', colours)`";
            return Err(DatasetError::new(file, what).hint(hint));
        }
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| DatasetError::caused(file, "not valid JSON", error))?;
        let Some((list, settings)) = clusters(&value) else { return Ok(None) };
        (list_colours(list).map_err(refuse)?, settings.map_or(Ok(None), processor_range).map_err(refuse)?)
    };
    Ok(Some(RawPalette { file: file.to_owned(), colours, range }))
}

fn array_colours(bytes: &[u8]) -> Result<Vec<[f64; 3]>, String> {
    let array = read_npy(bytes)?;
    match array.shape[..] {
        [_, 3] => Ok(array.values.as_chunks::<3>().0.iter().map(|colour| colour.map(f64::from)).collect()),
        _ => Err(format!("expected an array of the shape [k, 3], found {:?}", array.shape)),
    }
}

/// The list of colours in JSON, and the settings around it.
fn clusters(value: &Value) -> Option<(&Value, Option<&Map<String, Value>>)> {
    let in_object = |value: &'_ Value| value.get("clusters").is_some_and(|clusters| !clusters.is_null());
    match value {
        Value::Array(_) => Some((value, None)),
        Value::Object(settings) if in_object(value) => Some((&settings["clusters"], Some(settings))),
        // A `processor_config.json` holds the settings of several processors.
        Value::Object(parts) => {
            parts.get("image_processor").filter(|part| in_object(part)).and_then(clusters)
        }
        _ => None,
    }
}

fn list_colours(list: &Value) -> Result<Vec<[f64; 3]>, String> {
    let list = list.as_array().ok_or("expected a list of colours in `clusters`, found another value")?;
    let colour = |(i, colour): (usize, &Value)| {
        let numbers: Option<Vec<f64>> =
            colour.as_array().and_then(|values| values.iter().map(Value::as_f64).collect());
        numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok()).ok_or_else(|| {
            let found: String = colour.to_string().chars().take(60).collect();
            format!("expected three numbers for the colour at index {i}, found {}", shown(&found))
        })
    };
    list.iter().enumerate().map(colour).collect()
}

/// The range in which transformers' image processor compares pixels with the palette, by its settings.
fn processor_range(settings: &Map<String, Value>) -> Result<Option<PaletteRange>, String> {
    let kinds = ["image_processor_type", "feature_extractor_type", "do_normalize"];
    let on = |key: &str| settings.get(key).and_then(Value::as_bool).unwrap_or(true);
    if !kinds.iter().any(|key| settings.contains_key(*key)) || !on("do_normalize") || !on("do_rescale") {
        return Ok(None);
    }
    for (key, expected) in [("image_mean", 0.5), ("image_std", 0.5), ("rescale_factor", 1.0 / 255.0)] {
        let Some(found) = settings.get(key).filter(|found| !found.is_null()) else { continue };
        let as_expected = |value: &Value| value.as_f64().is_some_and(|v| (v - expected).abs() < 1e-6);
        let fits = found.as_array().map_or_else(|| as_expected(found), |list| list.iter().all(as_expected));
        if !fits {
            let found: String = found.to_string().chars().take(60).collect();
            let what = "for pixels in -1..1";
            return Err(format!("expected `{key}` {expected:.4} {what}, found {}", shown(&found)));
        }
    }
    Ok(Some(PaletteRange::Signed))
}

/// Converts the palette to [-1, 1].
fn resolve(found: RawPalette, asked: Option<PaletteRange>) -> Result<LoadedPalette, DatasetError> {
    let RawPalette { file, colours, range } = found;
    let refuse = |what: String| DatasetError::new(&file, what);
    if let Some(i) = colours.iter().position(|colour| !colour.iter().all(|value| value.is_finite())) {
        return Err(refuse(format!("expected finite numbers, found {:?} at index {i}", colours[i])));
    }
    let range = match asked.or(range) {
        Some(range) => range,
        None => range_of(&colours).map_err(|(what, hint)| {
            let error = refuse(what);
            if hint.is_empty() { error } else { error.hint(hint) }
        })?,
    };
    let (low, high) = range.bounds();
    let slack = ROUNDING * (high - low) / 2.0;
    let within = |value: &f64| (low - slack..=high + slack).contains(value);
    if let Some(i) = colours.iter().position(|colour| !colour.iter().all(within)) {
        let what = format!("expected colours in {}, found {:?} at index {i}", range.as_str(), colours[i]);
        return Err(refuse(what));
    }
    let palette =
        PaletteTable { colours: colours.iter().map(|colour| colour.map(|v| range.signed(v))).collect() };
    palette.check().map_err(refuse)?;
    Ok(LoadedPalette { palette, range, file })
}

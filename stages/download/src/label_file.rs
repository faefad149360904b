//! Label files: CSV, or Parquet with the same columns.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, downcast_integer_array};
use arrow_schema::DataType;
use igpt_contract::StageError;
use igpt_dataset::{name_list, shown, shown_path};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::csv::{CsvRecord, records};

/// The most bytes of a label file: about ten million lines.
const MOST_BYTES: u64 = 1 << 30;

/// A row of a label file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelRow {
    /// The line in a CSV file, from 1; the row in a Parquet file, from 1.
    pub(crate) line: usize,
    pub(crate) file: String,
    pub(crate) label: String,
    pub(crate) split: Option<String>,
}

/// A label file.
#[derive(Debug)]
pub(crate) struct LabelFile {
    path: PathBuf,
    /// The unit of row numbers.
    unit: &'static str,
    pub(crate) rows: Vec<LabelRow>,
}

impl LabelFile {
    /// Reads a file; of a folder, the only file in it (the output of a `command` step).
    ///
    /// # Errors
    /// If it is neither CSV nor Parquet, lacks a column, or has a row without a file or a label.
    pub(crate) fn read(path: &Path) -> Result<Self, StageError> {
        let path = only_file(path)?;
        let failed = |error: std::io::Error| {
            StageError::caused(format!("cannot read the label file `{}`", shown_path(&path)), error)
        };
        let size = std::fs::metadata(&path).map_err(failed)?.len();
        if size > MOST_BYTES {
            let what = format!(
                "`{}`: expected a label file of at most {MOST_BYTES} bytes, found {size}",
                shown_path(&path)
            );
            return Err(StageError::new(what));
        }
        let bytes = std::fs::read(&path).map_err(failed)?;
        let parquet = bytes.starts_with(b"PAR1");
        let unit = if parquet { "row" } else { "line" };
        let refuse = |what: String| StageError::new(format!("`{}`: {what}", shown_path(&path)));
        let found = if parquet { guarded(|| of_parquet(&path)) } else { of_csv(&bytes) };
        let rows = found.map_err(|what| {
            refuse(what).hint(
                "a label file is CSV or Parquet with the columns `file`, `label` and optionally `split`",
            )
        })?;
        let file = Self { path, unit, rows };
        if file.rows.is_empty() {
            return Err(file.refuse("expected a row for each image, found no rows"));
        }
        let empty =
            |row: &&LabelRow| row.file.is_empty() || row.label.is_empty() || row.split.as_deref() == Some("");
        if let Some(row) = file.rows.iter().find(empty) {
            let column = if row.file.is_empty() {
                "file"
            } else if row.label.is_empty() {
                "label"
            } else {
                "split"
            };
            return Err(file.refuse_at(row, &format!("the column `{column}` is empty")));
        }
        Ok(file)
    }

    /// An error that names the file.
    pub(crate) fn refuse(&self, what: &str) -> StageError {
        StageError::new(format!("`{}`: {what}", shown_path(&self.path)))
    }

    /// An error that names the file and the row.
    pub(crate) fn refuse_at(&self, row: &LabelRow, what: &str) -> StageError {
        self.refuse(&format!("{} {}: {what}", self.unit, row.line))
    }

    /// The position of a row: `line 7`.
    pub(crate) fn position(&self, row: &LabelRow) -> String {
        format!("{} {}", self.unit, row.line)
    }
}

fn only_file(path: &Path) -> Result<PathBuf, StageError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        files.push(entry?.path());
    }
    match files.as_slice() {
        [only] if only.is_file() => Ok(only.clone()),
        _ => {
            let n = files.len();
            let what =
                format!("expected one label file in the folder `{}`, found {n} files", shown_path(path));
            Err(StageError::new(what))
        }
    }
}

/// The indices of the columns `file`, `label` and `split`.
fn columns<'n>(names: impl Iterator<Item = &'n str>) -> Result<[Option<usize>; 3], String> {
    let names: Vec<String> = names.map(|name| name.trim().to_lowercase()).collect();
    let mut found = [None; 3];
    for (place, wanted) in found.iter_mut().zip(["file", "label", "split"]) {
        let mut places = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(i, _)| i);
        *place = places.next();
        if places.next().is_some() {
            return Err(format!("expected the column `{wanted}` once, found it twice"));
        }
    }
    if found[0].is_none() || found[1].is_none() {
        let found = name_list(names.iter().map(String::as_str));
        return Err(format!("expected the columns `file` and `label`, found {found}"));
    }
    Ok(found)
}

fn of_csv(bytes: &[u8]) -> Result<Vec<LabelRow>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: expected UTF-8, found other bytes")
    })?;
    let mut records = records(text)?.into_iter();
    let header = records.next().ok_or("expected a header line with the column names, found an empty file")?;
    let [file, label, split] = columns(header.fields.iter().map(String::as_str))?;
    let width = header.fields.len();
    let row = |CsvRecord { line, mut fields }: CsvRecord| {
        if fields.len() != width {
            return Err(format!(
                "line {line}: expected {width} fields as in the header, found {}",
                fields.len()
            ));
        }
        let mut take = |place: Option<usize>| place.map(|place| std::mem::take(&mut fields[place]));
        let (file, label) = (take(file).unwrap_or_default(), take(label).unwrap_or_default());
        Ok(LabelRow { line, file, label, split: take(split) })
    };
    records.map(row).collect()
}

/// Calls into the Parquet crate, which panics on some damaged files instead of returning an error.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("expected a Parquet file, found a damaged one".to_owned()))
}

fn of_parquet(path: &Path) -> Result<Vec<LabelRow>, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("not a valid Parquet file: {}", shown(&error.to_string()));
    let file = File::open(path).map_err(|error| failed(&error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let wanted = columns(names.iter().map(String::as_str))?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().flatten().copied());
    let reader = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| failed(&error))?;
        let text = |place: Option<usize>| -> Result<Option<Vec<String>>, String> {
            let Some(place) = place else { return Ok(None) };
            let column = batch.column_by_name(&names[place]).ok_or("a column is missing")?;
            texts(column, &names[place]).map(Some)
        };
        let [mut file, mut label, mut split] = [text(wanted[0])?, text(wanted[1])?, text(wanted[2])?];
        for i in 0..batch.num_rows() {
            let line = rows.len() + 1;
            let at = |column: &mut Option<Vec<String>>| {
                column.as_mut().map(|column| std::mem::take(&mut column[i]))
            };
            let (file, label) = (at(&mut file).unwrap_or_default(), at(&mut label).unwrap_or_default());
            rows.push(LabelRow { line, file, label, split: at(&mut split) });
        }
    }
    Ok(rows)
}

/// The strings or integers of a column as trimmed strings, empty where it is null; those of a dictionary
/// (pandas' categories) likewise.
fn texts(column: &dyn Array, name: &str) -> Result<Vec<String>, String> {
    if let Some(dictionary) = column.as_any_dictionary_opt() {
        let values = texts(dictionary.values(), name)?;
        // Where all keys are null, there may be no values to look up.
        let keys = if values.is_empty() { vec![0; column.len()] } else { dictionary.normalized_keys() };
        let value = |(i, key): (usize, usize)| match values.get(key) {
            Some(value) if !column.is_null(i) => value.clone(),
            _ => String::new(),
        };
        return Ok(keys.into_iter().enumerate().map(value).collect());
    }
    let trimmed = |text: Option<&str>| text.unwrap_or_default().trim().to_owned();
    let found = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(trimmed).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(trimmed).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(trimmed).collect(),
        _ => downcast_integer_array!(
            column => column.iter().map(|n| n.map(|n| n.to_string()).unwrap_or_default()).collect(),
            kind => return Err(format!("the column `{name}`: expected strings or integers, found {kind}"))
        ),
    };
    Ok(found)
}

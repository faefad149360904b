//! Image sets: labelled images in Parquet shards, with their official splits and class names.
//!
//! `images-00000.parquet`, ... hold the columns id (u64), split (`train`, `test`), label (i32, -1
//! for none), view (u16), height and width (u16), encoding (a name of [`Encoding`]), orientation (u8,
//! 1 to 8 as in Exif: the rotation that is applied when `pixels` are decoded; 1 is none), name (what
//! the source calls the image) and pixels (binary). Sets that other programs wrote may lack
//! `orientation`, which is then 1, and `name`, which is then empty. `classes.json` holds the set's
//! name, its class names and its rows by split.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, UInt8Array, UInt16Array};
use arrow_schema::{DataType, Field};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use crate::columns;
use crate::encoding::Encoding;
use crate::error::DatasetError;
use crate::image_row::{ImageRow, UPRIGHT};
use crate::json;
use crate::row::{RowKey, Split, SplitCounts};
use crate::row_groups::{self, RowGroup};
use crate::shards::{self, ShardWriter};

/// The rows after which a row group ends.
const GROUP_ROWS: usize = 2048;
/// The bytes of pixels after which a row group ends.
const GROUP_BYTES: usize = 1 << 24;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 256;

/// The name and classes of an image set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSetInfo {
    /// The set's name for tables: `cifar10`.
    pub name: String,
    /// The class names, by label. Empty for a set without labels.
    pub classes: Vec<String>,
}

/// `classes.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassesJson {
    name: String,
    classes: Vec<String>,
    rows: SplitCounts,
}

fn json_path(dir: &Path) -> PathBuf {
    dir.join("classes.json")
}

/// Writes an image set, one row after another.
pub struct ImageSetWriter {
    dir: PathBuf,
    info: ImageSetInfo,
    counts: SplitCounts,
    last: Option<RowKey>,
    rows: Vec<ImageRow>,
    bytes: usize,
    shards: ShardWriter,
}

impl ImageSetWriter {
    /// Starts a set in an existing, empty folder.
    ///
    /// # Errors
    /// If the writer cannot be set up.
    pub fn create(dir: &Path, info: &ImageSetInfo) -> Result<Self, DatasetError> {
        let mut fields = columns::key_fields();
        fields.push(Field::new("height", DataType::UInt16, false));
        fields.push(Field::new("width", DataType::UInt16, false));
        fields.push(Field::new("encoding", DataType::Utf8, false));
        fields.push(Field::new("orientation", DataType::UInt8, false));
        fields.push(Field::new("name", DataType::Utf8, false));
        fields.push(Field::new("pixels", DataType::Binary, false));
        // Photographs hardly shrink: the fastest level costs a percent and saves half the time.
        let properties = shards::properties(1)
            .map_err(|error| DatasetError::caused(dir, "cannot set up the writer", error))?
            .set_column_dictionary_enabled(ColumnPath::from("pixels"), false)
            .set_column_dictionary_enabled(ColumnPath::from("name"), false)
            .build();
        Ok(Self {
            dir: dir.to_owned(),
            info: info.clone(),
            counts: SplitCounts::default(),
            last: None,
            rows: Vec::new(),
            bytes: 0,
            shards: ShardWriter::sharded(dir, "images", fields, properties),
        })
    }

    /// Adds a row; rows come in the order of (split, id, view).
    ///
    /// # Errors
    /// If the row is out of order, has a label without a class, raw pixels of another length than
    /// its size says, or cannot be written.
    pub fn append(&mut self, row: ImageRow) -> Result<(), DatasetError> {
        check(&row, self.last.as_ref(), self.info.classes.len())
            .map_err(|what| DatasetError::new(&self.dir, what))?;
        self.last = Some(row.key());
        self.counts.add(row.split);
        self.bytes += row.pixels.len() + row.name.len();
        self.rows.push(row);
        if self.rows.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the set; returns its rows by split.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> Result<SplitCounts, DatasetError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.shards.finish()?;
        let ImageSetInfo { name, classes } = self.info;
        json::write_json(&json_path(&self.dir), &ClassesJson { name, classes, rows: self.counts })?;
        Ok(self.counts)
    }

    fn flush(&mut self) -> Result<(), DatasetError> {
        let rows = std::mem::take(&mut self.rows);
        let keys: Vec<RowKey> = rows.iter().map(ImageRow::key).collect();
        let mut columns = columns::key_columns(&keys);
        let more: [ArrayRef; 6] = [
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.height))),
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.width))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.encoding.as_str()))),
            Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.orientation))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.name))),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.pixels))),
        ];
        columns.extend(more);
        self.shards.write(columns, std::mem::take(&mut self.bytes) as u64)
    }
}

/// Checks a row that follows `last`.
fn check(row: &ImageRow, last: Option<&RowKey>, n_classes: usize) -> Result<(), String> {
    row.key().check(last, n_classes)?;
    let expected = 3 * usize::from(row.height) * usize::from(row.width);
    if row.height == 0 || row.width == 0 {
        return Err(format!("image {} is {}x{}, expected at least 1x1", row.id, row.height, row.width));
    }
    let turned = row.orientation != UPRIGHT;
    if !(1..=8).contains(&row.orientation) || (turned && row.encoding == Encoding::Rgb) {
        let (id, found) = (row.id, row.orientation);
        return Err(format!(
            "image {id} has the orientation {found}, expected 1 to 8 (1 if `encoding` is `rgb`)"
        ));
    }
    if row.encoding == Encoding::Rgb && row.pixels.len() != expected {
        return Err(format!(
            "image {}: expected {expected} bytes for {}x{} RGB pixels, found {}",
            row.id,
            row.height,
            row.width,
            row.pixels.len()
        ));
    }
    Ok(())
}

/// Reads an image set, a few rows at a time.
#[derive(Debug)]
pub struct ImageSetReader {
    info: ImageSetInfo,
    counts: SplitCounts,
    groups: Vec<RowGroup>,
}

impl ImageSetReader {
    /// Opens the set of a folder: reads `classes.json` and the footers of the shards.
    ///
    /// # Errors
    /// If a file is missing or not valid.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let ClassesJson { name, classes, rows } = json::read_json(&json_path(dir))?;
        let groups = row_groups::row_groups(&shards::list_shards(dir, "images")?)?;
        let found: usize = groups.iter().map(|group| group.rows).sum();
        if found as u64 != rows.total() {
            let what = format!(
                "expected the {} images of `classes.json`, found {found} in the shards",
                rows.total()
            );
            return Err(DatasetError::new(dir, what));
        }
        Ok(Self { info: ImageSetInfo { name, classes }, counts: rows, groups })
    }

    /// The set's name and classes.
    pub fn info(&self) -> &ImageSetInfo {
        &self.info
    }

    /// Rows by split.
    pub fn counts(&self) -> SplitCounts {
        self.counts
    }

    /// The key of each row, in order; the pixels are not read.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn keys(&self) -> Result<Vec<RowKey>, DatasetError> {
        row_groups::all_keys(&self.groups)
    }

    /// The rows, in order. At most one row group is in memory at a time (16 MiB of pixels, or one
    /// image if it is larger); after an error the rows end.
    pub fn rows(&self) -> ImageRows<'_> {
        ImageRows {
            n_classes: self.info.classes.len(),
            groups: self.groups.iter(),
            rows: VecDeque::new(),
            last: None,
        }
    }

    /// The rows of a split, in order; row groups without any of them are not read.
    pub fn rows_of(&self, split: Split) -> impl Iterator<Item = Result<ImageRow, DatasetError>> + '_ {
        // Training rows come first.
        let mut before = if split == Split::Test { self.counts.train } else { 0 };
        let mut skipped = 0;
        while let Some(rows) =
            self.groups.get(skipped).map(|group| group.rows as u64).filter(|n| *n <= before)
        {
            before -= rows;
            skipped += 1;
        }
        let mut rows = self.rows();
        rows.groups = self.groups[skipped..].iter();
        let wanted =
            move |row: &Result<ImageRow, DatasetError>| row.as_ref().map_or(true, |row| row.split == split);
        rows.skip_while(move |row| row.as_ref().is_ok_and(|row| row.split < split)).take_while(wanted)
    }
}

/// The rows of an image set, see [`ImageSetReader::rows`].
#[derive(Debug)]
pub struct ImageRows<'r> {
    n_classes: usize,
    groups: std::slice::Iter<'r, RowGroup>,
    rows: VecDeque<ImageRow>,
    last: Option<RowKey>,
}

impl Iterator for ImageRows<'_> {
    type Item = Result<ImageRow, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rows.is_empty() {
            let group = self.groups.next()?;
            if let Err(error) = self.read(group) {
                self.groups = [].iter();
                self.rows.clear();
                return Some(Err(error));
            }
        }
        self.rows.pop_front().map(Ok)
    }
}

impl ImageRows<'_> {
    fn read(&mut self, group: &RowGroup) -> Result<(), DatasetError> {
        let path = group.path();
        for batch in group.read(BATCH_ROWS)? {
            for row in rows(path, &batch)? {
                check(&row, self.last.as_ref(), self.n_classes)
                    .map_err(|what| DatasetError::new(path, what))?;
                self.last = Some(row.key());
                self.rows.push_back(row);
            }
        }
        Ok(())
    }
}

fn rows(path: &Path, batch: &RecordBatch) -> Result<Vec<ImageRow>, DatasetError> {
    let keys = columns::keys(path, batch)?;
    let heights = columns::column::<UInt16Array>(path, batch, "height")?;
    let widths = columns::column::<UInt16Array>(path, batch, "width")?;
    let encodings = columns::column::<StringArray>(path, batch, "encoding")?;
    // Sets from other programs or older versions lack these two.
    let has = |name: &str| batch.column_by_name(name).is_some();
    let orientations =
        has("orientation").then(|| columns::column::<UInt8Array>(path, batch, "orientation")).transpose()?;
    let names = has("name").then(|| columns::column::<StringArray>(path, batch, "name")).transpose()?;
    let pixels = columns::column::<BinaryArray>(path, batch, "pixels")?;
    keys.into_iter()
        .enumerate()
        .map(|(i, RowKey { id, split, label, view })| {
            let encoding = Encoding::parse(encodings.value(i)).ok_or_else(|| {
                let found = encodings.value(i);
                let what = format!("expected the encoding `{}`, found `{found}`", Encoding::names());
                DatasetError::new(path, what)
            })?;
            let (height, width) = (heights.value(i), widths.value(i));
            let pixels = pixels.value(i).to_vec();
            let orientation = orientations.map_or(UPRIGHT, |column| column.value(i));
            let name = names.map_or("", |column| column.value(i)).to_owned();
            Ok(ImageRow { id, split, label, view, height, width, encoding, orientation, name, pixels })
        })
        .collect()
}

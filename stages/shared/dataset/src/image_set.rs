//! Image sets: labelled images in Parquet shards, with their official splits and class names.
//!
//! `images-00000.parquet`, ... hold the columns id (u64), split (`train`, `test`), label (i32, -1
//! for none), view (u16), height and width (u16), encoding (`rgb`, `jpeg`, `png`) and pixels
//! (binary). `classes.json` holds the set's name, its class names and its rows by split.

use std::collections::VecDeque;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray, UInt16Array};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::jpeg;
use crate::row::{RowKey, Split, SplitCounts};
use crate::table::{self, RowGroup, ShardWriter};

/// Images up to this many pixels high and wide are stored as raw RGB, others encoded.
pub const RAW_SIDE: u16 = 64;
/// The rows after which a row group ends.
const GROUP_ROWS: usize = 2048;
/// The bytes of pixels after which a row group ends.
const GROUP_BYTES: usize = 1 << 24;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 256;
/// Images with a longer side are refused rather than decoded.
const MAX_SIDE: u32 = 16_384;
/// Images that take more bytes when decoded are refused: each thread holds one, and its conversion
/// to RGB. It is a photograph of 89 million pixels.
const MAX_DECODED: u64 = 1 << 28;

/// What the bytes of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Red, green and blue bytes of one pixel after another, rows from top to bottom.
    Rgb,
    /// A JPEG file.
    Jpeg,
    /// A PNG file.
    Png,
}

impl Encoding {
    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Rgb, Self::Jpeg, Self::Png].into_iter().find(|encoding| encoding.as_str() == text)
    }
}

/// An image with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// The image's number in its set.
    pub id: u64,
    /// The official split.
    pub split: Split,
    /// The class, an index into the set's class names; -1 where nobody knows it.
    pub label: i32,
    /// Which augmented view of the image; 0 for the first or only one.
    pub view: u16,
    /// Rows of pixels.
    pub height: u16,
    /// Columns of pixels.
    pub width: u16,
    /// What `pixels` holds.
    pub encoding: Encoding,
    /// The image's bytes.
    pub pixels: Vec<u8>,
}

/// Why bytes are not the image that they should be.
#[derive(Debug, thiserror::Error)]
pub enum BadImage {
    /// Raw pixels of the wrong length, an image that is too large or of another size.
    #[error("{0}")]
    Size(String),
    /// A JPEG that the decoder would fill up with grey.
    #[error("the jpeg image is cut off: expected its end mark (FF D9), found the end of its {0} bytes")]
    CutOff(usize),
    /// The decoder's answer.
    #[error("cannot decode the {0} image")]
    Decode(&'static str, #[source] image::ImageError),
    /// The encoder's answer.
    #[error("cannot encode the image as PNG")]
    Encode(#[source] image::ImageError),
}

impl ImageRow {
    /// A row for an image: raw up to [`RAW_SIDE`] pixels a side, as PNG above.
    ///
    /// # Errors
    /// If a side is 0 or above 65,535 pixels.
    pub fn new(key: RowKey, image: &RgbImage) -> Result<Self, BadImage> {
        let (width, height) = image.dimensions();
        let raw = width.max(height) <= u32::from(RAW_SIDE);
        let (Ok(height), Ok(width)) = (u16::try_from(height), u16::try_from(width)) else {
            return Err(BadImage::Size(format!("{height}x{width} pixels, expected at most 65535 a side")));
        };
        if height == 0 || width == 0 {
            return Err(BadImage::Size(format!("{height}x{width} pixels, expected at least 1x1")));
        }
        let (encoding, pixels) = if raw {
            (Encoding::Rgb, image.as_raw().clone())
        } else {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Png).map_err(BadImage::Encode)?;
            (Encoding::Png, bytes.into_inner())
        };
        let RowKey { id, split, label, view } = key;
        Ok(Self { id, split, label, view, height, width, encoding, pixels })
    }

    /// Whose row it is.
    pub fn key(&self) -> RowKey {
        RowKey { id: self.id, split: self.split, label: self.label, view: self.view }
    }
}

/// Decodes a JPEG or PNG file to RGB. Grey images get three equal channels, CMYK is converted,
/// transparency is dropped (as PIL's `convert("RGB")` does), an Exif orientation is not applied.
///
/// # Errors
/// If the bytes are no such image, end before it does, or its sides or memory exceed the bounds of
/// this module.
pub fn decode_file(bytes: &[u8], encoding: Encoding) -> Result<RgbImage, BadImage> {
    let format = match encoding {
        Encoding::Jpeg => ImageFormat::Jpeg,
        Encoding::Png => ImageFormat::Png,
        Encoding::Rgb => return Err(BadImage::Size("raw pixels have no size of their own".to_owned())),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let failed = |error| BadImage::Decode(encoding.as_str(), error);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let size = decoder.total_bytes().max(3 * u64::from(width) * u64::from(height));
    if size > MAX_DECODED {
        return Err(BadImage::Size(format!(
            "expected an image of at most {} MiB when decoded, found {} MiB ({height}x{width} pixels); \
             scale it down first",
            MAX_DECODED >> 20,
            size.div_ceil(1 << 20)
        )));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    // After the decoder, which knows better what is wrong with other damage.
    if encoding == Encoding::Jpeg && !jpeg::is_whole(bytes) {
        return Err(BadImage::CutOff(bytes.len()));
    }
    Ok(image.into_rgb8())
}

/// The image of a row.
///
/// # Errors
/// If the bytes are not an image of the row's size.
pub fn decode(row: &ImageRow) -> Result<RgbImage, BadImage> {
    let (height, width) = (u32::from(row.height), u32::from(row.width));
    if row.encoding == Encoding::Rgb {
        let found = row.pixels.len();
        return RgbImage::from_raw(width, height, row.pixels.clone())
            .filter(|_| found as u64 == 3 * u64::from(height) * u64::from(width))
            .ok_or_else(|| {
                BadImage::Size(format!(
                    "image {}: expected {} bytes for {height}x{width} RGB pixels, found {found}",
                    row.id,
                    3 * u64::from(height) * u64::from(width)
                ))
            });
    }
    let image = decode_file(&row.pixels, row.encoding)?;
    if image.dimensions() == (width, height) {
        Ok(image)
    } else {
        let (w, h) = image.dimensions();
        Err(BadImage::Size(format!("image {}: expected {height}x{width} pixels, found {h}x{w}", row.id)))
    }
}

/// What is known of a set of images as a whole.
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
struct Document {
    name: String,
    classes: Vec<String>,
    rows: SplitCounts,
}

fn document_path(dir: &Path) -> PathBuf {
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
        let mut fields = table::key_fields();
        fields.push(Field::new("height", DataType::UInt16, false));
        fields.push(Field::new("width", DataType::UInt16, false));
        fields.push(Field::new("encoding", DataType::Utf8, false));
        fields.push(Field::new("pixels", DataType::Binary, false));
        // Photographs hardly shrink: the fastest level costs a percent and saves half the time.
        let properties = table::properties(1)
            .map_err(|error| DatasetError::caused(dir, "cannot set up the writer", error))?
            .set_column_dictionary_enabled(ColumnPath::from("pixels"), false)
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
        self.bytes += row.pixels.len();
        self.rows.push(row);
        if self.rows.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the set; answers its rows by split.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> Result<SplitCounts, DatasetError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.shards.finish()?;
        let ImageSetInfo { name, classes } = self.info;
        table::write_json(&document_path(&self.dir), &Document { name, classes, rows: self.counts })?;
        Ok(self.counts)
    }

    fn flush(&mut self) -> Result<(), DatasetError> {
        let rows = std::mem::take(&mut self.rows);
        let keys: Vec<RowKey> = rows.iter().map(ImageRow::key).collect();
        let mut columns = table::key_columns(&keys);
        let more: [ArrayRef; 4] = [
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.height))),
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.width))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.encoding.as_str()))),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.pixels))),
        ];
        columns.extend(more);
        self.shards.write(columns, std::mem::take(&mut self.bytes) as u64)
    }
}

/// What is wrong with a row that follows `last`.
fn check(row: &ImageRow, last: Option<&RowKey>, n_classes: usize) -> Result<(), String> {
    row.key().check(last, n_classes)?;
    let expected = 3 * usize::from(row.height) * usize::from(row.width);
    if row.height == 0 || row.width == 0 {
        return Err(format!("image {} is {}x{}, expected at least 1x1", row.id, row.height, row.width));
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
    /// If a file is missing or is not what it should be.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let Document { name, classes, rows } = table::read_json(&document_path(dir))?;
        let groups = table::row_groups(&table::shards(dir, "images")?)?;
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

    /// Whose each row is, in order; the pixels are not read.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn keys(&self) -> Result<Vec<RowKey>, DatasetError> {
        table::all_keys(&self.groups)
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
    let keys = table::keys(path, batch)?;
    let heights = table::column::<UInt16Array>(path, batch, "height")?;
    let widths = table::column::<UInt16Array>(path, batch, "width")?;
    let encodings = table::column::<StringArray>(path, batch, "encoding")?;
    let pixels = table::column::<BinaryArray>(path, batch, "pixels")?;
    keys.into_iter()
        .enumerate()
        .map(|(i, RowKey { id, split, label, view })| {
            let encoding = Encoding::parse(encodings.value(i)).ok_or_else(|| {
                let found = encodings.value(i);
                let what = format!("expected the encoding `rgb`, `jpeg` or `png`, found `{found}`");
                DatasetError::new(path, what)
            })?;
            let (height, width) = (heights.value(i), widths.value(i));
            let pixels = pixels.value(i).to_vec();
            Ok(ImageRow { id, split, label, view, height, width, encoding, pixels })
        })
        .collect()
}

//! Parquet as every artifact uses it: numbered shards, zstd, the same bytes for the same rows.
//!
//! A row group is written at once from columns in memory; the caller decides where it ends, from
//! the rows alone, so that bytes never depend on timing or threads.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, Int32Array, StringArray, UInt16Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::error::DatasetError;
use crate::row::{RowKey, Split};

/// The settings that all tables share; kinds add their columns' encodings.
///
/// Statistics are left out: nobody filters by them, and those of wide columns take more room than
/// they save. The writer's name is fixed, so that a new version of the Parquet crate alone changes
/// no artifact's bytes.
pub(crate) fn properties(zstd: i32) -> Result<WriterPropertiesBuilder, parquet::errors::ParquetError> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(zstd)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_created_by("igpt-dataset".to_owned()))
}

/// The four columns of [`RowKey`], in the order of the files.
pub(crate) fn key_fields() -> Vec<Field> {
    vec![
        Field::new("id", DataType::UInt64, false),
        Field::new("split", DataType::Utf8, false),
        Field::new("label", DataType::Int32, false),
        Field::new("view", DataType::UInt16, false),
    ]
}

/// The columns of the keys, in the order of [`key_fields`].
pub(crate) fn key_columns(keys: &[RowKey]) -> Vec<ArrayRef> {
    vec![
        Arc::new(UInt64Array::from_iter_values(keys.iter().map(|key| key.id))),
        Arc::new(StringArray::from_iter_values(keys.iter().map(|key| key.split.as_str()))),
        Arc::new(Int32Array::from_iter_values(keys.iter().map(|key| key.label))),
        Arc::new(UInt16Array::from_iter_values(keys.iter().map(|key| key.view))),
    ]
}

/// The keys of a batch. A missing `view` column means view 0 everywhere.
pub(crate) fn keys(path: &Path, batch: &RecordBatch) -> Result<Vec<RowKey>, DatasetError> {
    let ids = column::<UInt64Array>(path, batch, "id")?;
    let splits = column::<StringArray>(path, batch, "split")?;
    let labels = column::<Int32Array>(path, batch, "label")?;
    let views = match batch.column_by_name("view") {
        Some(_) => Some(column::<UInt16Array>(path, batch, "view")?),
        None => None,
    };
    (0..batch.num_rows())
        .map(|i| {
            let split: Split =
                splits.value(i).parse().map_err(|error| DatasetError::caused(path, "bad split", error))?;
            let view = views.map_or(0, |views| views.value(i));
            Ok(RowKey { id: ids.value(i), split, label: labels.value(i), view })
        })
        .collect()
}

/// A column of the type `A`, without nulls.
pub(crate) fn column<'b, A: Array + 'static>(
    path: &Path,
    batch: &'b RecordBatch,
    name: &str,
) -> Result<&'b A, DatasetError> {
    let array = batch
        .column_by_name(name)
        .ok_or_else(|| DatasetError::new(path, format!("expected a column `{name}`, found none")))?;
    let typed = array.as_any().downcast_ref::<A>().ok_or_else(|| {
        let kind = std::any::type_name::<A>().rsplit("::").next().unwrap_or_default();
        let what =
            format!("expected the column `{name}` to fit a {kind}, found the type {}", array.data_type());
        DatasetError::new(path, what)
    })?;
    if array.null_count() > 0 {
        let what = format!("expected no nulls in the column `{name}`, found {}", array.null_count());
        return Err(DatasetError::new(path, what));
    }
    Ok(typed)
}

/// The rows after which a shard ends.
pub(crate) const SHARD_ROWS: u64 = 1 << 16;
/// The bytes after which a shard ends, as they lie in memory.
pub(crate) const SHARD_BYTES: u64 = 1 << 28;

/// Writes row groups into `PREFIX-00000.parquet`, `PREFIX-00001.parquet`, ... A shard ends at the
/// first row group that takes it to [`SHARD_ROWS`] or [`SHARD_BYTES`].
pub(crate) struct ShardWriter {
    dir: PathBuf,
    prefix: &'static str,
    single: bool,
    schema: SchemaRef,
    properties: WriterProperties,
    shards: usize,
    open: Option<(PathBuf, ArrowWriter<File>, u64, u64)>,
}

impl ShardWriter {
    /// A writer of numbered shards.
    pub(crate) fn sharded(
        dir: &Path,
        prefix: &'static str,
        fields: Vec<Field>,
        properties: WriterProperties,
    ) -> Self {
        let (dir, schema) = (dir.to_owned(), Arc::new(Schema::new(fields)));
        Self { dir, prefix, single: false, schema, properties, shards: 0, open: None }
    }

    /// A writer of one file, `PREFIX.parquet`.
    pub(crate) fn single(
        dir: &Path,
        prefix: &'static str,
        fields: Vec<Field>,
        properties: WriterProperties,
    ) -> Self {
        Self { single: true, ..Self::sharded(dir, prefix, fields, properties) }
    }

    /// Writes one row group, whose columns take `bytes` in memory.
    pub(crate) fn write(&mut self, columns: Vec<ArrayRef>, bytes: u64) -> Result<(), DatasetError> {
        let (path, mut writer, mut rows, mut size) = match self.open.take() {
            Some(open) => open,
            None => self.start()?,
        };
        let failed = |error| DatasetError::caused(&path, "cannot write the rows", error);
        let batch =
            RecordBatch::try_new(self.schema.clone(), columns).map_err(|error| failed(error.into()))?;
        writer.write(&batch).and_then(|()| writer.flush()).map_err(failed)?;
        rows += batch.num_rows() as u64;
        size += bytes;
        if !self.single && (rows >= SHARD_ROWS || size >= SHARD_BYTES) {
            close(&path, writer, rows)
        } else {
            self.open = Some((path, writer, rows, size));
            Ok(())
        }
    }

    /// Ends the last shard; a set without rows is one shard without rows.
    pub(crate) fn finish(mut self) -> Result<(), DatasetError> {
        match self.open.take() {
            Some((path, writer, rows, _)) => close(&path, writer, rows),
            None if self.shards == 0 => {
                let (path, writer, rows, _) = self.start()?;
                close(&path, writer, rows)
            }
            None => Ok(()),
        }
    }

    fn start(&mut self) -> Result<(PathBuf, ArrowWriter<File>, u64, u64), DatasetError> {
        let path = if self.single {
            self.dir.join(format!("{}.parquet", self.prefix))
        } else {
            shard_path(&self.dir, self.prefix, self.shards)
        };
        self.shards += 1;
        let failed = |error| DatasetError::caused(&path, "cannot start the file", error);
        let file = File::create(&path).map_err(|error| failed(error.into()))?;
        let writer =
            ArrowWriter::try_new(file, self.schema.clone(), Some(self.properties.clone())).map_err(failed)?;
        Ok((path, writer, 0, 0))
    }
}

/// Writes the footer and reads it back: the file must hold as many rows as went in.
fn close(path: &Path, writer: ArrowWriter<File>, rows: u64) -> Result<(), DatasetError> {
    writer.close().map_err(|error| DatasetError::caused(path, "cannot finish the file", error))?;
    let found = metadata(path)?.metadata().file_metadata().num_rows();
    if u64::try_from(found) == Ok(rows) {
        Ok(())
    } else {
        Err(DatasetError::new(
            path,
            format!("expected the {rows} rows written, found {found} on reading back"),
        ))
    }
}

fn shard_path(dir: &Path, prefix: &str, shard: usize) -> PathBuf {
    dir.join(format!("{prefix}-{shard:05}.parquet"))
}

/// The shards of a folder, in order.
pub(crate) fn shards(dir: &Path, prefix: &str) -> Result<Vec<PathBuf>, DatasetError> {
    let paths: Vec<PathBuf> =
        (0..).map(|shard| shard_path(dir, prefix, shard)).take_while(|path| path.exists()).collect();
    if paths.is_empty() {
        let what = format!("expected a file `{prefix}-00000.parquet`, found none");
        return Err(DatasetError::new(dir, what));
    }
    Ok(paths)
}

fn metadata(path: &Path) -> Result<ArrowReaderMetadata, DatasetError> {
    let file = File::open(path).map_err(|error| DatasetError::caused(path, "cannot open the file", error))?;
    guarded(path, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))
}

/// Calls into the Parquet crate, which answers some damaged files with a panic instead of an error.
fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, parquet::errors::ParquetError>,
) -> Result<T, DatasetError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| {
            DatasetError::caused(path, "expected a Parquet file, found a damaged or another one", error)
        }),
        Err(_) => Err(DatasetError::new(path, "expected a Parquet file, found a damaged one")),
    }
}

/// Where a row group is.
#[derive(Debug, Clone)]
pub(crate) struct RowGroup {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    index: usize,
    /// Rows in it.
    pub(crate) rows: usize,
}

/// The row groups of files, in order. Only the footers are read.
pub(crate) fn row_groups(paths: &[PathBuf]) -> Result<Vec<RowGroup>, DatasetError> {
    let mut groups = Vec::new();
    for path in paths {
        let metadata = metadata(path)?;
        for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).map_err(|_| {
                DatasetError::new(path, format!("row group {index} claims {} rows", group.num_rows()))
            })?;
            groups.push(RowGroup { path: path.clone(), metadata: metadata.clone(), index, rows });
        }
    }
    Ok(groups)
}

impl RowGroup {
    /// The file it is in.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What our writers say in the file's footer: names that begin with `igpt.`.
    pub(crate) fn footer(&self) -> BTreeMap<String, String> {
        let pairs = self.metadata.metadata().file_metadata().key_value_metadata();
        let ours = pairs.into_iter().flatten().filter(|pair| pair.key.starts_with("igpt."));
        ours.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
    }

    /// Reads it, as batches of at most `batch` rows.
    pub(crate) fn read(&self, batch: usize) -> Result<Vec<RecordBatch>, DatasetError> {
        self.read_columns(batch, ProjectionMask::all())
    }

    /// Reads the columns of [`RowKey`] alone.
    fn keys(&self) -> Result<Vec<RowKey>, DatasetError> {
        let schema = self.metadata.metadata().file_metadata().schema_descr();
        let mask = ProjectionMask::columns(schema, ["id", "split", "label", "view"]);
        let batches = self.read_columns(self.rows, mask)?;
        let keys: Result<Vec<_>, _> = batches.iter().map(|batch| keys(&self.path, batch)).collect();
        Ok(keys?.concat())
    }

    fn read_columns(&self, batch: usize, columns: ProjectionMask) -> Result<Vec<RecordBatch>, DatasetError> {
        let path = &self.path;
        let file =
            File::open(path).map_err(|error| DatasetError::caused(path, "cannot open the file", error))?;
        let batches = guarded(path, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups(vec![self.index])
                .with_projection(columns)
                .with_batch_size(batch.min(self.rows).max(1))
                .build()?
                .collect::<Result<Vec<_>, _>>()
                .map_err(Into::into)
        })?;
        let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if found == self.rows {
            Ok(batches)
        } else {
            let what = format!("row group {} claims {} rows, found {found}", self.index, self.rows);
            Err(DatasetError::new(path, what))
        }
    }
}

/// The keys of all rows of the groups, in order.
pub(crate) fn all_keys(groups: &[RowGroup]) -> Result<Vec<RowKey>, DatasetError> {
    let keys: Result<Vec<_>, _> = groups.iter().map(RowGroup::keys).collect();
    Ok(keys?.concat())
}

/// Reads a JSON file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, DatasetError> {
    let bytes =
        std::fs::read(path).map_err(|error| DatasetError::caused(path, "cannot read the file", error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| DatasetError::caused(path, "the JSON is not what was expected", error))
}

/// Writes a JSON file, indented, with a newline at its end.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), DatasetError> {
    let failed = |error| DatasetError::caused(path, "cannot write the file", error);
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| failed(std::io::Error::from(error)))?;
    text.push('\n');
    std::fs::write(path, text).map_err(failed)
}

/// A column of lists of one size: the size, and the values of all rows one after another.
pub(crate) fn fixed_size_list<A: Array + Clone + 'static>(
    path: &Path,
    batch: &RecordBatch,
    name: &str,
) -> Result<(usize, A), DatasetError> {
    let lists = column::<FixedSizeListArray>(path, batch, name)?;
    // `values()` ignores where a sliced array starts; a slice of the values does not.
    let (start, size) = (lists.value_offset_at(0), lists.value_length() as usize);
    let values = lists.values().slice(start, size * lists.len());
    match values.as_any().downcast_ref::<A>() {
        Some(typed) if values.null_count() == 0 => Ok((size, typed.clone())),
        Some(_) => Err(DatasetError::new(path, format!("expected no nulls in the lists of `{name}`"))),
        None => {
            let what = format!("the lists of the column `{name}` hold the type {}", values.data_type());
            Err(DatasetError::new(path, what))
        }
    }
}

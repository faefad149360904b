//! Writes Parquet as every artifact uses it: numbered shards, zstd, the same bytes for the same rows.
//!
//! A row group is written at once from columns in memory. The caller decides where it ends, from the
//! rows alone, so that the bytes depend on neither timing nor threads.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::error::DatasetError;
use crate::row_groups::metadata;

/// The settings that all tables share; kinds add their columns' encodings.
///
/// Statistics are left out: nothing filters by them, and those of wide columns take more space than they
/// save. The writer's name is fixed, so that a new version of the Parquet crate does not change an
/// artifact's bytes.
pub(crate) fn properties(zstd: i32) -> Result<WriterPropertiesBuilder, parquet::errors::ParquetError> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(zstd)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_created_by("igpt-dataset".to_owned()))
}

/// The rows after which a shard ends.
pub(crate) const SHARD_ROWS: u64 = 1 << 16;
/// The bytes in memory after which a shard ends.
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

    /// Ends the last shard; a set without rows has one empty shard.
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

/// Writes one table to a file of that path.
pub(crate) fn write_table(
    path: &Path,
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
) -> Result<(), DatasetError> {
    let failed = |error| DatasetError::caused(path, "cannot write the rows", error);
    let properties = properties(3).map_err(failed)?.build();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|error| failed(error.into()))?;
    let file = File::create(path).map_err(|error| failed(error.into()))?;
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    close(path, writer, batch.num_rows() as u64)
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
pub(crate) fn list_shards(dir: &Path, prefix: &str) -> Result<Vec<PathBuf>, DatasetError> {
    let paths: Vec<PathBuf> =
        (0..).map(|shard| shard_path(dir, prefix, shard)).take_while(|path| path.exists()).collect();
    if paths.is_empty() {
        let what = format!("expected a file `{prefix}-00000.parquet`, found none");
        return Err(DatasetError::new(dir, what));
    }
    Ok(paths)
}

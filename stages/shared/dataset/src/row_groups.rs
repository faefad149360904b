//! Reads Parquet files one row group at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use crate::columns;
use crate::error::DatasetError;
use crate::row::RowKey;

pub(crate) fn metadata(path: &Path) -> Result<ArrowReaderMetadata, DatasetError> {
    let file = File::open(path).map_err(|error| DatasetError::caused(path, "cannot open the file", error))?;
    guarded(path, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))
}

/// Calls into the Parquet crate, which panics on some damaged files instead of returning an error.
fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, parquet::errors::ParquetError>,
) -> Result<T, DatasetError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| DatasetError::caused(path, "not a valid Parquet file", error)),
        Err(_) => Err(DatasetError::new(path, "expected a Parquet file, found a damaged one")),
    }
}

/// A row group of a file.
#[derive(Debug, Clone)]
pub(crate) struct RowGroup {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    index: usize,
    /// The number of rows.
    pub(crate) rows: usize,
}

/// The row groups of files, in order. Only the footers are read.
pub(crate) fn row_groups(paths: &[PathBuf]) -> Result<Vec<RowGroup>, DatasetError> {
    let mut groups = Vec::new();
    for path in paths {
        let metadata = metadata(path)?;
        for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).map_err(|_| {
                DatasetError::new(
                    path,
                    format!("row group {index} has a negative number of rows, {}", group.num_rows()),
                )
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

    /// The metadata in the file's footer that our writers add: names that begin with `igpt.`.
    pub(crate) fn footer(&self) -> BTreeMap<String, String> {
        let pairs = self.metadata.metadata().file_metadata().key_value_metadata();
        let ours = pairs.into_iter().flatten().filter(|pair| pair.key.starts_with("igpt."));
        ours.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
    }

    /// Reads the row group in batches of at most `batch` rows.
    pub(crate) fn read(&self, batch: usize) -> Result<Vec<RecordBatch>, DatasetError> {
        self.read_columns(batch, ProjectionMask::all())
    }

    /// Reads only the columns of [`RowKey`].
    fn keys(&self) -> Result<Vec<RowKey>, DatasetError> {
        let schema = self.metadata.metadata().file_metadata().schema_descr();
        let mask = ProjectionMask::columns(schema, ["id", "split", "label", "view"]);
        let batches = self.read_columns(self.rows, mask)?;
        let keys: Result<Vec<_>, _> = batches.iter().map(|batch| columns::keys(&self.path, batch)).collect();
        Ok(keys?.concat())
    }

    fn read_columns(&self, batch: usize, mask: ProjectionMask) -> Result<Vec<RecordBatch>, DatasetError> {
        let path = &self.path;
        let file =
            File::open(path).map_err(|error| DatasetError::caused(path, "cannot open the file", error))?;
        let batches = guarded(path, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups(vec![self.index])
                .with_projection(mask)
                .with_batch_size(batch.min(self.rows).max(1))
                .build()?
                .collect::<Result<Vec<_>, _>>()
                .map_err(Into::into)
        })?;
        let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if found == self.rows {
            Ok(batches)
        } else {
            let what = format!("expected {1} rows in row group {0}, found {found}", self.index, self.rows);
            Err(DatasetError::new(path, what))
        }
    }
}

/// The keys of all rows of the groups, in order.
pub(crate) fn all_keys(groups: &[RowGroup]) -> Result<Vec<RowKey>, DatasetError> {
    let keys: Result<Vec<_>, _> = groups.iter().map(RowGroup::keys).collect();
    Ok(keys?.concat())
}

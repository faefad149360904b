//! Folds: which images a stage trained, validated and tested on, so that other code can use the same
//! split.
//!
//! `folds.parquet` holds a row for each image, with any number of views: set (the image set's name), image
//! (u64, its id there), id (u64, its id in tokens, features and predictions: another one where sets
//! were joined), split (`train`, `test`: the official one), label (i32, -1 for none) and fold
//! (`train`, `valid`, `test`, `unused`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, StringArray, UInt64Array};
use arrow_schema::{DataType, Field};

use crate::columns;
use crate::error::DatasetError;
use crate::joined::{JoinedSet, image_in};
use crate::row::{RowKey, Split};
use crate::row_groups;
use crate::shards::{self, ShardWriter};

/// What a stage used an image for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Trained on.
    Train,
    /// Held out of the official training images, for validation.
    Valid,
    /// Tested on.
    Test,
    /// Not used: without a label, or not drawn.
    Unused,
}

impl Fold {
    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
            Self::Unused => "unused",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Train, Self::Valid, Self::Test, Self::Unused].into_iter().find(|fold| fold.as_str() == text)
    }
}

/// An image and its fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldRow {
    /// The name of the image's set.
    pub set: Arc<str>,
    /// The image's id in its set.
    pub image: u64,
    /// The image's id in the artifact that the stage read.
    pub id: u64,
    /// The official split.
    pub split: Split,
    /// The class; -1 if unknown.
    pub label: i32,
    /// Its fold.
    pub fold: Fold,
}

/// The folds of all images that a stage read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoldTable {
    /// One row for each image, in order.
    pub rows: Vec<FoldRow>,
}

/// Images in a row group.
const GROUP_ROWS: usize = 1 << 16;

fn path_in(dir: &Path) -> PathBuf {
    dir.join("folds.parquet")
}

impl FoldTable {
    /// Adds the images of an artifact called `name`, joined of `sets` (see [`crate::TokensInfo`]):
    /// each by a key of its first view and its fold.
    pub fn extend(
        &mut self,
        name: &str,
        sets: &[JoinedSet],
        images: impl IntoIterator<Item = (RowKey, Fold)>,
    ) {
        let mut last: Option<Arc<str>> = None;
        for (RowKey { id, split, label, .. }, fold) in images {
            let (set, image) = image_in(id, name, sets);
            let set = match &last {
                Some(last) if **last == *set => Arc::clone(last),
                _ => Arc::from(set),
            };
            last = Some(Arc::clone(&set));
            self.rows.push(FoldRow { set, image, id, split, label, fold });
        }
    }

    /// Writes `folds.parquet`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), DatasetError> {
        let properties = shards::properties(3)
            .map_err(|error| DatasetError::caused(dir, "cannot set up the writer", error))?
            .build();
        let fields = vec![
            Field::new("set", DataType::Utf8, false),
            Field::new("image", DataType::UInt64, false),
            Field::new("id", DataType::UInt64, false),
            Field::new("split", DataType::Utf8, false),
            Field::new("label", DataType::Int32, false),
            Field::new("fold", DataType::Utf8, false),
        ];
        let mut writer = ShardWriter::single(dir, "folds", fields, properties);
        for rows in self.rows.chunks(GROUP_ROWS) {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &*row.set))),
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.image))),
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.id))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.split.as_str()))),
                Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.label))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.fold.as_str()))),
            ];
            writer.write(columns, 64 * rows.len() as u64)?;
        }
        writer.finish()
    }

    /// Reads `folds.parquet`.
    ///
    /// # Errors
    /// If the file is missing or not valid.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let path = path_in(dir);
        let mut table = Self::default();
        for group in row_groups::row_groups(std::slice::from_ref(&path))? {
            for batch in group.read(group.rows)? {
                let sets = columns::column::<StringArray>(&path, &batch, "set")?;
                let images = columns::column::<UInt64Array>(&path, &batch, "image")?;
                let ids = columns::column::<UInt64Array>(&path, &batch, "id")?;
                let splits = columns::column::<StringArray>(&path, &batch, "split")?;
                let labels = columns::column::<Int32Array>(&path, &batch, "label")?;
                let folds = columns::column::<StringArray>(&path, &batch, "fold")?;
                for i in 0..batch.num_rows() {
                    let fold = Fold::parse(folds.value(i)).ok_or_else(|| {
                        let what = format!(
                            "expected the fold `train`, `valid`, `test` or `unused`, found `{}`",
                            folds.value(i)
                        );
                        DatasetError::new(&path, what)
                    })?;
                    let split = splits.value(i).parse();
                    table.rows.push(FoldRow {
                        set: Arc::from(sets.value(i)),
                        image: images.value(i),
                        id: ids.value(i),
                        split: split.map_err(|error| DatasetError::caused(&path, "not a split", error))?,
                        label: labels.value(i),
                        fold,
                    });
                }
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joined::ID_STEP;
    use crate::row::SplitCounts;

    #[test]
    fn folds_survive_their_file_and_lead_to_the_images() {
        let set =
            |name: &str, first_id| JoinedSet { name: name.into(), first_id, rows: SplitCounts::default() };
        let key = |id, split| RowKey { id, split, label: 2, view: 0 };
        let mut table = FoldTable::default();
        let images = [
            (key(3, Split::Train), Fold::Train),
            (key(ID_STEP + 3, Split::Train), Fold::Valid),
            (key(7, Split::Test), Fold::Test),
            (key(ID_STEP + 9, Split::Test), Fold::Unused),
        ];
        table.extend("a+b", &[set("a", 0), set("b", ID_STEP)], images);
        let dir = tempfile::tempdir().unwrap();
        table.write(dir.path()).unwrap();
        assert_eq!(FoldTable::read(dir.path()).unwrap(), table);
        let seen: Vec<(&str, u64)> = table.rows.iter().map(|row| (&*row.set, row.image)).collect();
        assert_eq!(seen, [("a", 3), ("b", 3), ("a", 7), ("b", 9)]);
    }
}

//! Pooled features of one layer: one row of float32 numbers for each image.
//!
//! `features.parquet` holds the columns id (u64), split (`train`, `test`), label (i32, -1 for
//! none), view (u16) and feature (a list of fixed size of f32); `layer.json` names the layer,
//! the network and the image sets: (split, id) is that of the tokens' row. A layer needs no other file.
//! The Parquet file's footer says the same, as `igpt.layer`, `igpt.pooling` and so on: a copy of it alone
//! still says what it is.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};
use parquet::basic::Encoding;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use crate::columns;
use crate::error::DatasetError;
use crate::joined::JoinedSet;
use crate::json;
use crate::row::{RowKey, Split, rows_of};
use crate::row_groups::{self, RowGroup};
use crate::shards::{self, ShardWriter};

/// The values after which a row group ends: 16 MiB in memory.
const GROUP_VALUES: usize = 1 << 22;

/// A description of the features: `layer.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerInfo {
    /// The image set's name.
    pub name: String,
    /// The class names, by label.
    pub classes: Vec<String>,
    /// The image sets that were joined, see [`crate::TokensInfo`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<JoinedSet>,
    /// Features in a row.
    pub dim: usize,
    /// The layer l of f^l, from 0 to `n_layer`; the first of them where several are joined.
    pub layer: usize,
    /// The layers whose features stand one after another in each row; empty where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<usize>,
    /// Blocks of the network; 0 if there is no network (raw pixels).
    pub n_layer: usize,
    /// Width of the network's residual stream; 0 if there is no network.
    pub n_embd: usize,
    /// The name of that size, such as `igpt-s`; `None` without a network and for sizes of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// How positions were pooled: `mean`; `none` for raw pixels.
    pub pooling: String,
    /// Where in a block: `pre` means n^l, the block's normalised input (section 2.4).
    pub norm: String,
    /// The network's objective: `autoregressive`, `bert`; `none` for raw pixels.
    pub objective: String,
}

/// The images, as footers of Parquet files have them: the set's name, its classes, and the sets that it was
/// joined from, if it was; lists as JSON.
pub(crate) fn image_footer(name: &str, classes: &[String], sets: &[JoinedSet]) -> Vec<(String, String)> {
    // Strings and numbers always convert to JSON.
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let pairs = [("igpt.dataset", name.to_owned()), ("igpt.classes", json(serde_json::to_string(classes)))];
    let sets = (!sets.is_empty()).then(|| ("igpt.sets", json(serde_json::to_string(sets))));
    pairs.into_iter().chain(sets).map(|(key, value)| (key.to_owned(), value)).collect()
}

fn table_path(dir: &Path) -> PathBuf {
    dir.join("features.parquet")
}

fn info_path(dir: &Path) -> PathBuf {
    dir.join("layer.json")
}

impl LayerInfo {
    /// Reads `layer.json` from a layer's folder.
    ///
    /// # Errors
    /// If the file is missing or not valid.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let path = info_path(dir);
        let info: Self = json::read_json(&path)?;
        info.check().map_err(|what| DatasetError::new(&path, what))?;
        Ok(info)
    }

    /// The description as the footer of the Parquet file has it; lists as JSON.
    fn footer(&self) -> Vec<KeyValue> {
        let kind = ("igpt.kind".to_owned(), "feature-layer".to_owned());
        let mut images = image_footer(&self.name, &self.classes, &self.sets);
        let sets = images.split_off(2);
        let pairs = [kind].into_iter().chain(images).chain(self.network_footer()).chain(sets);
        pairs.map(|(key, value)| KeyValue::new(key, value)).collect()
    }

    /// The network and the layer, as footers of Parquet files have them.
    pub fn network_footer(&self) -> Vec<(String, String)> {
        let pairs = [
            ("igpt.layer", self.layer.to_string()),
            ("igpt.n_layer", self.n_layer.to_string()),
            ("igpt.n_embd", self.n_embd.to_string()),
            ("igpt.pooling", self.pooling.clone()),
            ("igpt.norm", self.norm.clone()),
            ("igpt.objective", self.objective.clone()),
        ];
        let preset = self.preset.iter().map(|preset| ("igpt.preset", preset.clone()));
        let joined = self.joined_layers().map(|layers| ("igpt.layers", layers));
        pairs.into_iter().chain(preset).chain(joined).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The layers that were joined, as tables have them: `1, 2, 3`; `None` where there is one.
    pub fn joined_layers(&self) -> Option<String> {
        let names: Vec<String> = self.joined.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn check(&self) -> Result<(), String> {
        if (1..=1 << 24).contains(&self.dim) {
            Ok(())
        } else {
            Err(format!("expected `dim` from 1 to {}, found {}", 1 << 24, self.dim))
        }
    }
}

/// Writes the features of one layer, a few rows at a time.
pub struct FeatureWriter {
    dir: PathBuf,
    info: LayerInfo,
    last: Option<RowKey>,
    keys: Vec<RowKey>,
    values: Vec<f32>,
    item: Arc<Field>,
    shards: ShardWriter,
}

impl FeatureWriter {
    /// Starts a layer in an existing, empty folder.
    ///
    /// # Errors
    /// If the number of features is not valid.
    pub fn create(dir: &Path, info: &LayerInfo) -> Result<Self, DatasetError> {
        info.check().map_err(|what| DatasetError::new(dir, what))?;
        let item = Arc::new(Field::new_list_field(DataType::Float32, false));
        let mut fields = columns::key_fields();
        fields.push(Field::new("feature", DataType::FixedSizeList(item.clone(), info.dim as i32), false));
        // Group bytes of equal significance: signs and exponents then compress, mantissas never do.
        let column = ColumnPath::new(vec!["feature".to_owned(), "list".to_owned(), item.name().clone()]);
        let properties = shards::properties(1)
            .map_err(|error| DatasetError::caused(dir, "cannot set up the writer", error))?
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT)
            .set_key_value_metadata(Some(info.footer()))
            .build();
        Ok(Self {
            dir: dir.to_owned(),
            info: info.clone(),
            last: None,
            keys: Vec::new(),
            values: Vec::new(),
            item,
            shards: ShardWriter::single(dir, "features", fields, properties),
        })
    }

    /// Adds rows: `values` holds `dim` features for each key. Rows come in the order of (split, id,
    /// view); how they are divided among calls does not affect the file.
    ///
    /// # Errors
    /// If the lengths do not fit, a row is out of order or has a label without a class, or the rows
    /// cannot be written.
    pub fn append(&mut self, keys: &[RowKey], values: &[f32]) -> Result<(), DatasetError> {
        let dim = self.info.dim;
        if keys.len() * dim != values.len() {
            let what = format!(
                "expected {dim} features for each of {} rows, found {} values",
                keys.len(),
                values.len()
            );
            return Err(DatasetError::new(&self.dir, what));
        }
        for (key, values) in keys.iter().zip(values.chunks_exact(dim)) {
            key.check(self.last.as_ref(), self.info.classes.len())
                .map_err(|what| DatasetError::new(&self.dir, what))?;
            self.last = Some(*key);
            self.keys.push(*key);
            self.values.extend_from_slice(values);
            if self.values.len() >= GROUP_VALUES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Ends the layer.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> Result<(), DatasetError> {
        if !self.keys.is_empty() {
            self.flush()?;
        }
        self.shards.finish()?;
        json::write_json(&info_path(&self.dir), &self.info)
    }

    fn flush(&mut self) -> Result<(), DatasetError> {
        let keys = std::mem::take(&mut self.keys);
        let values = std::mem::take(&mut self.values);
        let bytes = 4 * values.len() as u64;
        let values: ArrayRef = Arc::new(Float32Array::new(ScalarBuffer::from(values), None));
        let list = FixedSizeListArray::try_new(self.item.clone(), self.info.dim as i32, values, None)
            .map_err(|error| DatasetError::caused(&self.dir, "cannot form the features' column", error))?;
        let mut columns = columns::key_columns(&keys);
        columns.push(Arc::new(list));
        self.shards.write(columns, bytes)
    }
}

/// Reads a layer a few rows at a time, for features that do not fit in memory.
#[derive(Debug)]
pub struct FeatureReader {
    info: LayerInfo,
    groups: Vec<RowGroup>,
}

impl FeatureReader {
    /// Opens a layer's folder: reads `layer.json` and the file's footer.
    ///
    /// # Errors
    /// If a file is missing or not valid.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        Ok(Self { info: LayerInfo::read(dir)?, groups: row_groups::row_groups(&[table_path(dir)])? })
    }

    /// The layer and the images.
    pub fn info(&self) -> &LayerInfo {
        &self.info
    }

    /// The row groups one after another, each read when it is needed (16 MiB of values). The layers of
    /// one network have the same row groups.
    pub fn tables(&self) -> impl Iterator<Item = Result<FeatureTable, DatasetError>> + '_ {
        self.groups.iter().map(|group| {
            let mut table = FeatureTable::empty(self.info.clone());
            table.extend(group).map(|()| table)
        })
    }
}

/// The features of one layer, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// The layer and the images.
    pub info: LayerInfo,
    /// The image of each row.
    pub ids: Vec<u64>,
    /// The split of each row: all training rows come first.
    pub splits: Vec<Split>,
    /// The class of each row; -1 if unknown.
    pub labels: Vec<i32>,
    /// The augmented view of each row.
    pub views: Vec<u16>,
    /// Features in a row.
    pub dim: usize,
    /// The features of all rows, one row after another.
    pub values: Vec<f32>,
}

impl FeatureTable {
    /// Reads a layer's folder.
    ///
    /// # Errors
    /// If a file is missing or not valid.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let reader = FeatureReader::open(dir)?;
        let mut table = Self::empty(reader.info.clone());
        for group in &reader.groups {
            table.extend(group)?;
        }
        Ok(table)
    }

    fn empty(info: LayerInfo) -> Self {
        let (ids, splits, labels, views) = Default::default();
        let dim = info.dim;
        Self { info, ids, splits, labels, views, dim, values: Vec::new() }
    }

    /// Appends the rows of a group.
    fn extend(&mut self, group: &RowGroup) -> Result<(), DatasetError> {
        let path = group.path();
        let mut last = self.len().checked_sub(1).map(|row| self.key(row));
        for batch in group.read(group.rows)? {
            let keys = columns::keys(path, &batch)?;
            let (size, values) = columns::fixed_size_list::<Float32Array>(path, &batch, "feature")?;
            if size != self.dim {
                let what = format!("expected rows of {} features as in `layer.json`, found {size}", self.dim);
                return Err(DatasetError::new(path, what));
            }
            for key in keys {
                key.check(last.as_ref(), self.info.classes.len())
                    .map_err(|what| DatasetError::new(path, what))?;
                self.ids.push(key.id);
                self.splits.push(key.split);
                self.labels.push(key.label);
                self.views.push(key.view);
                last = Some(key);
            }
            self.values.extend_from_slice(values.values());
        }
        Ok(())
    }

    /// Writes a layer's folder.
    ///
    /// # Errors
    /// See [`FeatureWriter`].
    pub fn write(&self, dir: &Path) -> Result<(), DatasetError> {
        let keys: Vec<RowKey> = (0..self.len()).map(|row| self.key(row)).collect();
        let mut writer = FeatureWriter::create(dir, &self.info)?;
        writer.append(&keys, &self.values)?;
        writer.finish()
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The features of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }

    /// The key of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn key(&self, row: usize) -> RowKey {
        RowKey { id: self.ids[row], split: self.splits[row], label: self.labels[row], view: self.views[row] }
    }

    /// The rows of a split.
    pub fn rows_of(&self, split: Split) -> Range<usize> {
        rows_of(&self.splits, split)
    }
}

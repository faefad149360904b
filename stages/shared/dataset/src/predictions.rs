//! Predictions of each image, for ensembles and for error analysis.
//!
//! `predictions.parquet` holds the columns id (u64), split (`train`, `test`), label (i32, -1 for
//! none), view (u16), predicted (i32) and log_probs (a list of fixed size of f32, in nats). Its
//! footer describes the images: `igpt.dataset` is the image set's name, `igpt.classes` a JSON list of
//! class names by label, and `igpt.sets`, where sets were joined, that of `tokens.json`; the network and
//! its layer are described as in the footer of features.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};

use parquet::file::metadata::KeyValue;

use crate::columns;
use crate::error::DatasetError;
use crate::features::{LayerInfo, image_footer};
use crate::joined::JoinedSet;
use crate::row::RowKey;
use crate::row_groups;
use crate::shards::{self, ShardWriter};

/// Predictions in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionTable {
    /// The key of each row.
    pub keys: Vec<RowKey>,
    /// The most likely class of each row.
    pub predicted: Vec<i32>,
    /// The number of classes.
    pub n_classes: usize,
    /// The log-probabilities of the classes in nats, one row after another.
    pub log_probs: Vec<f32>,
    /// The footer's metadata, by name; see [`Self::with_images`] and [`Self::with_layer`].
    pub about: BTreeMap<String, String>,
}

fn path_in(dir: &Path) -> PathBuf {
    dir.join("predictions.parquet")
}

impl PredictionTable {
    /// Predictions from log-probabilities: the most likely class, on a tie the lowest.
    ///
    /// # Panics
    /// If there are not `n_classes` numbers for each key.
    pub fn new(keys: Vec<RowKey>, n_classes: usize, log_probs: Vec<f32>) -> Self {
        assert_eq!(keys.len() * n_classes, log_probs.len(), "one number for each row and class");
        let predicted = log_probs.chunks_exact(n_classes.max(1)).map(most_likely).collect();
        Self { keys, predicted, n_classes, log_probs, about: BTreeMap::new() }
    }

    /// The same predictions, with the image set's name, its classes and the sets that it was joined from.
    #[must_use]
    pub fn with_images(mut self, name: &str, classes: &[String], sets: &[JoinedSet]) -> Self {
        self.about.extend(image_footer(name, classes, sets));
        self
    }

    /// The same predictions, with the layer of the network that they were made from.
    #[must_use]
    pub fn with_layer(mut self, layer: &LayerInfo) -> Self {
        self.about.extend(layer.network_footer());
        self
    }

    /// The share of labelled rows whose prediction is correct; `None` if no row is labelled.
    pub fn accuracy(&self) -> Option<f64> {
        let labelled = self.keys.iter().zip(&self.predicted).filter(|(key, _)| key.label >= 0);
        let (n, right) = labelled
            .fold((0u64, 0u64), |(n, right), (key, class)| (n + 1, right + u64::from(key.label == *class)));
        (n > 0).then(|| right as f64 / n as f64)
    }

    /// Writes `predictions.parquet`.
    ///
    /// # Errors
    /// If the rows are out of order or cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), DatasetError> {
        let path = path_in(dir);
        let mut last = None;
        for key in &self.keys {
            key.check(last, self.n_classes).map_err(|what| DatasetError::new(&path, what))?;
            last = Some(key);
        }
        if self.n_classes == 0 || self.predicted.len() != self.keys.len() {
            let what = format!(
                "expected at least 1 class and {} predictions, found {} and {}",
                self.keys.len(),
                self.n_classes,
                self.predicted.len()
            );
            return Err(DatasetError::new(&path, what));
        }
        let item = Arc::new(Field::new_list_field(DataType::Float32, false));
        let mut fields = columns::key_fields();
        fields.push(Field::new("predicted", DataType::Int32, false));
        let size = self.n_classes as i32;
        fields.push(Field::new("log_probs", DataType::FixedSizeList(item.clone(), size), false));
        let properties = shards::properties(3)
            .map_err(|error| DatasetError::caused(&path, "cannot set up the writer", error))?
            .set_key_value_metadata((!self.about.is_empty()).then(|| {
                self.about.iter().map(|(name, text)| KeyValue::new(name.clone(), text.clone())).collect()
            }))
            .build();
        let values: ArrayRef = Arc::new(Float32Array::new(ScalarBuffer::from(self.log_probs.clone()), None));
        let list = FixedSizeListArray::try_new(item, size, values, None)
            .map_err(|error| DatasetError::caused(&path, "cannot form the column `log_probs`", error))?;
        let mut columns = columns::key_columns(&self.keys);
        columns.push(Arc::new(Int32Array::from(self.predicted.clone())));
        columns.push(Arc::new(list));
        let mut writer = ShardWriter::single(dir, "predictions", fields, properties);
        writer.write(columns, 4 * self.log_probs.len() as u64)?;
        writer.finish()
    }

    /// Reads `predictions.parquet`.
    ///
    /// # Errors
    /// If the file is missing or not valid.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let path = path_in(dir);
        let mut table = Self::new(Vec::new(), 0, Vec::new());
        for group in row_groups::row_groups(std::slice::from_ref(&path))? {
            table.about = group.footer();
            for batch in group.read(group.rows)? {
                let (size, values) = columns::fixed_size_list::<Float32Array>(&path, &batch, "log_probs")?;
                table.n_classes = size;
                for key in columns::keys(&path, &batch)? {
                    key.check(table.keys.last(), size).map_err(|what| DatasetError::new(&path, what))?;
                    table.keys.push(key);
                }
                table.predicted.extend(columns::column::<Int32Array>(&path, &batch, "predicted")?.values());
                table.log_probs.extend_from_slice(values.values());
            }
        }
        Ok(table)
    }
}

fn most_likely(log_probs: &[f32]) -> i32 {
    let mut best = 0;
    for (class, value) in log_probs.iter().enumerate() {
        if *value > log_probs[best] {
            best = class;
        }
    }
    best as i32
}

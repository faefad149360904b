//! The columns that tables share, and how a batch's columns are read.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Int32Array, RecordBatch, StringArray, UInt16Array, UInt64Array,
};
use arrow_schema::{DataType, Field};

use crate::error::DatasetError;
use crate::row::{RowKey, Split};

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

/// The keys of a batch; every view is 0 if there is no `view` column.
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
                splits.value(i).parse().map_err(|error| DatasetError::caused(path, "not a split", error))?;
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
            format!("expected the column `{name}` to be a {kind}, found the type {}", array.data_type());
        DatasetError::new(path, what)
    })?;
    if array.null_count() > 0 {
        let what = format!("expected no nulls in the column `{name}`, found {}", array.null_count());
        return Err(DatasetError::new(path, what));
    }
    Ok(typed)
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
            let what = format!("unexpected type of the lists in the column `{name}`: {}", values.data_type());
            Err(DatasetError::new(path, what))
        }
    }
}

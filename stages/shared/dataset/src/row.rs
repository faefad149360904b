//! The key that every row of images, tokens, features and predictions has.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The official split of an image. ImageNet's `val` counts as `test`: its true test labels are not
/// public, and the validation images of training are drawn from `train`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Training images, from which validation images are drawn.
    Train,
    /// Test images, for final results only.
    Test,
}

impl Split {
    /// The name in files: `train` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A string that is not a split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the split `train` or `test`, found `{0}`")]
pub struct UnknownSplit(String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(text: &str) -> Result<Self, UnknownSplit> {
        match text {
            "train" => Ok(Self::Train),
            "test" => Ok(Self::Test),
            other => Err(UnknownSplit(other.to_owned())),
        }
    }
}

/// The key of a row. Rows are ordered by split (`train` first), id and view, which together are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowKey {
    /// The image's number in its set.
    pub id: u64,
    /// The official split.
    pub split: Split,
    /// The class, an index into the set's class names; -1 if unknown.
    pub label: i32,
    /// Which augmented view of the image; 0 for the first or only one.
    pub view: u16,
}

impl RowKey {
    /// The sort key of rows.
    pub fn order(&self) -> (Split, u64, u16) {
        (self.split, self.id, self.view)
    }

    /// Checks that the row may follow `last` in a set of `n_classes` classes.
    pub(crate) fn check(&self, last: Option<&Self>, n_classes: usize) -> Result<(), String> {
        if let Some(last) = last.filter(|last| last.order() >= self.order()) {
            let name = |key: &Self| format!("({}, {}, {})", key.split, key.id, key.view);
            return Err(format!(
                "expected rows in the order of (split, id, view) without repeats, found {} after {}",
                name(self),
                name(last)
            ));
        }
        if self.label < -1 || usize::try_from(self.label).is_ok_and(|label| label >= n_classes) {
            return Err(format!(
                "row {} has the label {}, expected -1 (none) or an index into the {n_classes} classes",
                self.id, self.label
            ));
        }
        Ok(())
    }
}

/// The number of rows in each split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCounts {
    /// Training rows.
    pub train: u64,
    /// Test rows.
    pub test: u64,
}

impl SplitCounts {
    /// All rows.
    pub fn total(&self) -> u64 {
        self.train.saturating_add(self.test)
    }

    /// Counts one more row.
    pub fn add(&mut self, split: Split) {
        match split {
            Split::Train => self.train += 1,
            Split::Test => self.test += 1,
        }
    }
}

/// The range of the rows of a split: rows are ordered, the training rows first.
pub fn rows_of(splits: &[Split], split: Split) -> Range<usize> {
    let test = splits.partition_point(|s| *s == Split::Train);
    match split {
        Split::Train => 0..test,
        Split::Test => test..splits.len(),
    }
}

/// The rows of each image of a split, in order: an image's views are adjacent, as rows are
/// ordered by split, id and view. `ids` and `splits` are those of all rows of a table, such as
/// [`crate::TokenTable`] or [`crate::FeatureTable`].
///
/// # Panics
/// If there are fewer ids than splits: both are columns of one table.
pub fn images_of(ids: &[u64], splits: &[Split], split: Split) -> Vec<Range<usize>> {
    let rows = rows_of(splits, split);
    let first = rows.start;
    let mut images: Vec<Range<usize>> = Vec::new();
    for views in ids[rows].chunk_by(|a, b| a == b) {
        let start = images.last().map_or(first, |last| last.end);
        images.push(start..start + views.len());
    }
    images
}

/// As [`images_of`], of keys in order.
pub fn images_of_keys(keys: &[RowKey], split: Split) -> Vec<Range<usize>> {
    let ids: Vec<u64> = keys.iter().map(|key| key.id).collect();
    let splits: Vec<Split> = keys.iter().map(|key| key.split).collect();
    images_of(&ids, &splits, split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_views_of_an_image_are_together_and_splits_apart() {
        let ids = [3, 3, 4, 4, 7, 7];
        let splits = [Split::Train, Split::Train, Split::Train, Split::Test, Split::Test, Split::Test];
        assert_eq!(images_of(&ids, &splits, Split::Train), [0..2, 2..3]);
        assert_eq!(images_of(&ids, &splits, Split::Test), [3..4, 4..6]);
        assert!(images_of(&ids[..3], &splits[..3], Split::Test).is_empty());
    }
}

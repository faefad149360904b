//! Joins image sets: rows in the order of (split, set, id, view).
//!
//! Sets are ordered by name. A step's inputs come in the order of their digests, which changes with any
//! image; names are stable, and so are ids and classes. Sets of the same name keep the order of their
//! digests.

use std::iter::Peekable;
use std::path::Path;

use igpt_contract::StageError;
use igpt_dataset::{
    DatasetError, ID_STEP, ImageRow, ImageRows, ImageSetReader, JoinedClasses, JoinedSet, Split,
    join_classes, shown,
};

/// Image sets that are joined.
///
/// Sets are in the order of their names, see above. Classes are matched by name: those of the first set,
/// then the new ones of each further set. The ids of the second set are raised by 2^40, those of the third
/// by twice that, and so on.
#[derive(Debug)]
pub(crate) struct Mixture {
    readers: Vec<ImageSetReader>,
    /// For each set and each of its labels, the label in the joined set.
    labels: Vec<Vec<i32>>,
    /// The sets' names, joined.
    pub(crate) name: String,
    /// The classes of all sets.
    pub(crate) classes: Vec<String>,
    /// The sets, if there are several.
    pub(crate) sets: Vec<JoinedSet>,
    /// Notes for the user on how the sets were joined.
    pub(crate) notes: Vec<String>,
    /// The total number of images.
    pub(crate) total: u64,
}

impl Mixture {
    /// Opens the sets of these folders, which are in the order of their digests.
    ///
    /// # Errors
    /// If a set cannot be read, or the sets' classes cannot be matched by name.
    pub(crate) fn open<'p>(folders: impl Iterator<Item = &'p Path>) -> Result<Self, StageError> {
        let mut readers: Vec<ImageSetReader> = folders.map(ImageSetReader::open).collect::<Result<_, _>>()?;
        // Stable: equal names stay in the order of their digests.
        readers.sort_by(|a, b| a.info().name.cmp(&b.info().name));
        let names: Vec<&str> = readers.iter().map(|reader| reader.info().name.as_str()).collect();
        let of_sets: Vec<(&str, &[String])> =
            readers.iter().map(|reader| (reader.info().name.as_str(), &reader.info().classes[..])).collect();
        let JoinedClasses { classes, labels, differences } = join_classes(&of_sets).map_err(|what| {
            StageError::new(what).hint("give each class a unique name, or tokenize the sets separately")
        })?;
        let mut notes = Vec::new();
        if !differences.is_empty() {
            notes.push(format!("the sets' classes are matched by name: {}", differences.join("; ")));
        }
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            notes.push(format!(
                "two of the image sets are named `{}`: give them different names, so that an image's set can be \
                 identified",
                shown(pair[0])
            ));
        }
        let joined = |(i, reader): (usize, &ImageSetReader)| JoinedSet {
            name: reader.info().name.clone(),
            first_id: i as u64 * ID_STEP,
            rows: reader.counts(),
        };
        let sets = match readers.len() {
            0 | 1 => Vec::new(),
            _ => readers.iter().enumerate().map(joined).collect(),
        };
        let total = readers.iter().map(|reader| reader.counts().total()).sum();
        Ok(Self { name: names.join("+"), labels, classes, sets, notes, total, readers })
    }

    /// All rows, read once and in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<ImageRow, DatasetError>> + '_ {
        let mut sets: Vec<Peekable<ImageRows<'_>>> =
            self.readers.iter().map(|reader| reader.rows().peekable()).collect();
        let turns = [Split::Train, Split::Test]
            .into_iter()
            .flat_map(move |split| (0..self.readers.len()).map(move |set| (split, set)));
        let mut turns = turns.peekable();
        std::iter::from_fn(move || {
            while let Some(&(split, set)) = turns.peek() {
                // In a set the training rows come first; an error ends the turn of its set.
                let row = sets[set].next_if(|row| row.as_ref().map_or(true, |row| row.split == split));
                match row {
                    Some(row) => return Some(row.and_then(|row| self.renumber(row, set))),
                    None => turns.next(),
                };
            }
            None
        })
    }

    fn renumber(&self, mut row: ImageRow, set: usize) -> Result<ImageRow, DatasetError> {
        if self.readers.len() > 1 {
            if row.id >= ID_STEP {
                let what = format!("expected ids below 2^40 in a set that is joined, found {}", row.id);
                return Err(DatasetError::new(Path::new(&self.readers[set].info().name), what));
            }
            row.id += set as u64 * ID_STEP;
        }
        // The reader has checked that a label has a class.
        if let Ok(label) = usize::try_from(row.label) {
            row.label = self.labels[set][label];
        }
        Ok(row)
    }
}

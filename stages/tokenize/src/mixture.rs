//! One or several image sets as one: rows in the order of (split, set, id, view).
//!
//! Sets are ordered by name. The steps' inputs come in the order of their digests, which moves with
//! any change of an image; names stay, and ids and classes with them. Sets of one name keep the
//! order of their digests.

use std::iter::Peekable;
use std::path::Path;

use igpt_dataset::{DatasetError, ImageRow, ImageRows, ImageSetReader, Split};

/// By how much the ids of each further set are raised, so that they neither meet nor change places.
const ID_STEP: u64 = 1 << 40;

/// Image sets that are read as one.
///
/// Sets are taken in the order of their names, see above. Sets with the same classes share them; otherwise each brings its own, behind those of the sets
/// before it. The ids of the second set are raised by 2^40, those of the third by twice that, and so on.
pub(crate) struct Mixture {
    readers: Vec<ImageSetReader>,
    /// What is added to the labels of each set.
    first_class: Vec<i32>,
    /// The sets' names, joined.
    pub(crate) name: String,
    /// The classes of all sets.
    pub(crate) classes: Vec<String>,
    /// Images in all.
    pub(crate) total: u64,
}

impl Mixture {
    /// Opens the sets of these folders, which come in the order of their digests.
    pub(crate) fn open<'p>(folders: impl Iterator<Item = &'p Path>) -> Result<Self, DatasetError> {
        let mut readers: Vec<ImageSetReader> = folders.map(ImageSetReader::open).collect::<Result<_, _>>()?;
        // Stable: equal names stay in the order of their digests.
        readers.sort_by(|a, b| a.info().name.cmp(&b.info().name));
        let names: Vec<&str> = readers.iter().map(|reader| reader.info().name.as_str()).collect();
        let shared = readers.windows(2).all(|pair| pair[0].info().classes == pair[1].info().classes);
        let mut classes = Vec::new();
        let mut first_class = Vec::new();
        for (i, reader) in readers.iter().enumerate() {
            first_class.push(if shared { 0 } else { classes.len() as i32 });
            if i == 0 || !shared {
                classes.extend_from_slice(&reader.info().classes);
            }
        }
        let total = readers.iter().map(|reader| reader.counts().total()).sum();
        Ok(Self { name: names.join("+"), first_class, classes, total, readers })
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
                // Within a set the training rows come first; an error belongs to whose turn it is.
                let row = sets[set].next_if(|row| row.as_ref().map_or(true, |row| row.split == split));
                match row {
                    Some(row) => return Some(row.map(|row| self.renumber(row, set))),
                    None => turns.next(),
                };
            }
            None
        })
    }

    fn renumber(&self, mut row: ImageRow, set: usize) -> ImageRow {
        row.id += set as u64 * ID_STEP;
        if row.label >= 0 {
            row.label += self.first_class[set];
        }
        row
    }
}

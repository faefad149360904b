//! The examples of a fit: rows of a feature matrix that stays where and as it is.

use std::ops::Range;

/// How many rows are handled at a time: small enough that they stay in a core's cache in double
/// precision, large enough for the matrix product.
pub(crate) const CHUNK: usize = 128;

/// Some rows of a matrix of float32 features, with the class of each. Nothing is copied: the
/// matrix may be many times larger than what a fit needs beside it.
#[derive(Debug, Clone)]
pub struct Examples<'a> {
    features: &'a [f32],
    width: usize,
    rows: Vec<u32>,
    classes: Vec<u32>,
}

impl<'a> Examples<'a> {
    /// Examples from `features`, rows of `width` numbers: the rows numbered `rows`, of the classes
    /// `classes` (one for each row, from 0).
    ///
    /// # Panics
    /// If a row lies outside the matrix or the lengths differ: both are the caller's slip.
    pub fn new(features: &'a [f32], width: usize, rows: Vec<u32>, classes: Vec<u32>) -> Self {
        assert_eq!(rows.len(), classes.len(), "one class for each row");
        assert!(
            rows.iter().all(|&row| (row as usize + 1) * width <= features.len()),
            "a row lies outside the matrix"
        );
        Self { features, width, rows, classes }
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Features of an example.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of each example.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// The features of an example.
    pub(crate) fn row(&self, example: usize) -> &'a [f32] {
        let start = self.rows[example] as usize * self.width;
        &self.features[start..start + self.width]
    }

    /// Puts the features of some examples into `target`, in double precision.
    pub(crate) fn widen(&self, examples: impl Iterator<Item = usize>, target: &mut Vec<f64>) {
        target.clear();
        for example in examples {
            target.extend(self.row(example).iter().map(|&x| f64::from(x)));
        }
    }

    /// The same examples, but only those picked by their position.
    pub(crate) fn pick(&self, positions: impl IntoIterator<Item = usize>) -> Self {
        let (rows, classes) = positions.into_iter().map(|i| (self.rows[i], self.classes[i])).unzip();
        Self { rows, classes, ..*self }
    }

    /// The same examples under other numbers of their classes.
    pub(crate) fn relabelled(&self, class: impl Fn(u32) -> u32) -> Self {
        Self { classes: self.classes.iter().map(|&c| class(c)).collect(), ..self.clone() }
    }
}

/// Cuts a range into chunks of at most [`CHUNK`]; the cuts depend on nothing else.
pub(crate) fn chunks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(CHUNK).map(move |start| start..(start + CHUNK).min(range.end))
}

//! Images as token rows, by number.

use std::ops::Range;
use std::sync::Arc;

use igpt_contract::StageError;
use igpt_dataset::{TokenRows, spaced};

/// Images as token rows: each image has one row, or several augmented views of it.
#[derive(Debug, Clone)]
pub struct Rows {
    tokens: Arc<TokenRows>,
    /// The rows of each image.
    images: Vec<Range<usize>>,
}

impl Rows {
    /// Images by their rows among all tokens.
    pub fn new(tokens: Arc<TokenRows>, images: Vec<Range<usize>>) -> Self {
        Self { tokens, images }
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Tokens of an image.
    pub fn positions(&self) -> usize {
        self.tokens.positions()
    }

    /// The tokens of images, one after another, each in the view that its epoch reads: the epoch modulo the
    /// number of views.
    ///
    /// # Errors
    /// If they cannot be read.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn gather(&self, images: impl IntoIterator<Item = (usize, u64)>) -> Result<Vec<u16>, StageError> {
        let rows = images.into_iter().map(|(image, epoch)| self.row(image, epoch));
        self.tokens
            .gather(rows)
            .map_err(|error| StageError::caused("the scratch file of tokens cannot be read", error))
    }

    /// Has the tokens of images at hand soon, if they are not in memory.
    pub fn prefetch(&self, images: impl IntoIterator<Item = (usize, u64)>) {
        self.tokens.prefetch(images.into_iter().map(|(image, epoch)| self.row(image, epoch)));
    }

    fn row(&self, image: usize, epoch: u64) -> usize {
        let views = &self.images[image];
        views.start + (epoch % views.len() as u64) as usize
    }

    /// At most `limit` images, evenly spaced; 0: all.
    #[must_use]
    pub fn spaced(self, limit: usize) -> Self {
        let images = spaced(self.images, limit);
        Self { images, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_reads_its_own_view() {
        let tokens = Arc::new(TokenRows::from_memory(2, (1..=8).collect()));
        let rows = Rows::new(tokens, vec![0..3, 3..4]);
        assert_eq!(rows.gather([(0, 0), (0, 4), (1, 9)]).unwrap(), [1, 2, 3, 4, 7, 8]);
    }

    #[test]
    fn spaced_images_cover_the_whole() {
        let tokens = Arc::new(TokenRows::from_memory(1, (0..10).collect()));
        let rows = Rows::new(tokens, (0..10).map(|row| row..row + 1).collect()).spaced(4);
        assert_eq!(rows.gather((0..4).map(|image| (image, 0))).unwrap(), [0, 2, 5, 7]);
    }
}

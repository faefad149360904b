//! Images as token rows in memory.

use igpt_dataset::spaced;

/// Images as token rows: each image has one row, or several augmented views of it.
#[derive(Debug, Clone)]
pub struct Rows {
    positions: usize,
    /// The tokens of all rows, one after the other.
    tokens: Vec<u16>,
    /// The first row of each image, and the number of rows.
    first: Vec<usize>,
}

impl Rows {
    pub(crate) fn new(positions: usize) -> Self {
        Self { positions, tokens: Vec::new(), first: vec![0] }
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.first.len() - 1
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of an image.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// The view of an image that an epoch reads: `epoch` modulo the number of views.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn view(&self, image: usize, epoch: u64) -> &[u16] {
        let views = (self.first[image + 1] - self.first[image]) as u64;
        let row = self.first[image] + (epoch % views) as usize;
        &self.tokens[row * self.positions..][..self.positions]
    }

    /// Appends an image with its views.
    pub(crate) fn push<'t>(&mut self, views: impl Iterator<Item = &'t [u16]>) {
        views.for_each(|tokens| self.tokens.extend_from_slice(tokens));
        self.first.push(self.tokens.len() / self.positions);
    }

    /// The images of those numbers, in that order.
    pub(crate) fn select(&self, images: impl IntoIterator<Item = usize>) -> Self {
        let mut selected = Self::new(self.positions);
        for image in images {
            let views = self.first[image]..self.first[image + 1];
            selected.push(views.map(|row| &self.tokens[row * self.positions..][..self.positions]));
        }
        selected
    }

    /// At most `limit` images, evenly spaced; 0: all.
    #[must_use]
    pub fn spaced(self, limit: usize) -> Self {
        let n = self.len();
        if limit == 0 || limit >= n {
            return self;
        }
        self.select(spaced((0..n).collect(), limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_reads_its_own_view() {
        let mut rows = Rows::new(2);
        rows.push([[1u16, 2], [3, 4], [5, 6]].iter().map(<[u16; 2]>::as_slice));
        rows.push([[7u16, 8]].iter().map(<[u16; 2]>::as_slice));
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows.view(0, 0), rows.view(0, 4), rows.view(1, 9)),
            (&[1, 2][..], &[3, 4][..], &[7, 8][..])
        );
        assert_eq!(rows.select([1]).view(0, 0), [7, 8]);
    }

    #[test]
    fn spaced_images_cover_the_whole() {
        let mut rows = Rows::new(1);
        (0..10u16).for_each(|id| rows.push([[id]].iter().map(<[u16; 1]>::as_slice)));
        let spaced = rows.spaced(4);
        assert_eq!((0..4).map(|i| spaced.view(i, 0)[0]).collect::<Vec<_>>(), [0, 2, 5, 7]);
    }
}

//! The token rows of one or several image sets, split into training, held-out and test rows.

use std::ops::Range;

use igpt_contract::{Digest, LabelledInput, StageContext, StageError, validation_split};
use igpt_dataset::{Split, TokenTable, TokensReader};
use igpt_optim::EpochOrder;

use crate::params::Params;

/// Images as token rows: each image has one row, or several augmented views of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    positions: usize,
    /// The tokens of all rows, one after the other.
    tokens: Vec<u16>,
    /// The first row of each image, and the number of rows.
    first: Vec<usize>,
}

impl Rows {
    fn new(positions: usize) -> Self {
        Self { positions, tokens: Vec::new(), first: vec![0] }
    }

    /// Images.
    pub(crate) fn len(&self) -> usize {
        self.first.len() - 1
    }

    /// Whether there is no image.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of an image.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// The view of an image that an epoch reads: `epoch` modulo the number of views.
    pub(crate) fn view(&self, image: usize, epoch: u64) -> &[u16] {
        let views = (self.first[image + 1] - self.first[image]) as u64;
        let row = self.first[image] + (epoch % views) as usize;
        &self.tokens[row * self.positions..][..self.positions]
    }

    /// Appends an image with its views.
    fn push<'t>(&mut self, views: impl Iterator<Item = &'t [u16]>) {
        views.for_each(|tokens| self.tokens.extend_from_slice(tokens));
        self.first.push(self.tokens.len() / self.positions);
    }

    /// The images of those numbers, in that order.
    fn select(&self, images: impl IntoIterator<Item = usize>) -> Self {
        let mut selected = Self::new(self.positions);
        for image in images {
            let views = self.first[image]..self.first[image + 1];
            selected.push(views.map(|row| &self.tokens[row * self.positions..][..self.positions]));
        }
        selected
    }

    /// At most `limit` images, evenly spaced; 0: all.
    fn spaced(self, limit: usize) -> Self {
        let n = self.len();
        if limit == 0 || limit >= n {
            return self;
        }
        self.select((0..limit).map(|i| i * n / limit))
    }
}

/// All that is trained and evaluated on.
#[derive(Debug, Clone)]
pub(crate) struct Corpus {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Colours of the palette.
    pub vocab: usize,
    /// The digest of the palette.
    pub palette: Option<Digest>,
    /// The sets' names, joined by ` + `.
    pub name: String,
    /// Images to train on.
    pub train: Rows,
    /// Held-out training images, each by its first view.
    pub valid: Rows,
    /// Images of the official test splits.
    pub test: Rows,
}

impl Corpus {
    /// Tokens of an image.
    pub(crate) fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Reads every set of the port and splits each by itself.
    ///
    /// # Errors
    /// If there is no set, the sets do not belong together, or they take more memory than allowed.
    pub(crate) fn read(
        inputs: &[LabelledInput],
        params: &Params,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        let mut corpus: Option<Self> = None;
        let mut bytes = 0u64;
        for input in inputs {
            cx.check()?;
            let reader = TokensReader::open(&input.path)?;
            let tokens = reader.counts().total().saturating_mul(reader.info().positions() as u64);
            bytes = tokens.saturating_mul(2).saturating_add(bytes);
            if bytes > params.memory_mib.saturating_mul(1 << 20) {
                return Err(StageError::new(format!(
                    "the tokens take {} MiB of memory, more than `memory_mib` {}",
                    bytes.div_ceil(1 << 20),
                    params.memory_mib
                ))
                .hint("raise `memory_mib`, or tokenize at a lower resolution"));
            }
            let set = TokenTable::read(&input.path)?;
            match &mut corpus {
                None => corpus = Some(Self::from_set(&set, params)?),
                Some(corpus) => corpus.append(&set, params)?,
            }
        }
        let mut corpus = corpus
            .ok_or_else(|| StageError::new("the port `tokens` has no artifact, expected at least one"))?;
        corpus.valid = corpus.valid.spaced(params.validation_rows);
        corpus.test = corpus.test.spaced(params.test_rows);
        if params.train_rows > 0 && params.train_rows < corpus.train.len() {
            let draws =
                EpochOrder::new(corpus.train.len(), cx.stream("train rows")).batch(1, params.train_rows);
            let mut images: Vec<usize> = draws.into_iter().map(|draw| draw.row).collect();
            images.sort_unstable();
            corpus.train = corpus.train.select(images);
        }
        if corpus.train.is_empty() {
            return Err(StageError::new("there are no training images left")
                .hint("the sets' `train` splits are empty, or `validation.fraction` holds out all"));
        }
        Ok(corpus)
    }

    fn from_set(set: &TokenTable, params: &Params) -> Result<Self, StageError> {
        let rows = Rows::new(set.info.height * set.info.width);
        let mut corpus = Self {
            height: set.info.height,
            width: set.info.width,
            vocab: set.info.vocab,
            palette: set.info.palette,
            name: String::new(),
            train: rows.clone(),
            valid: rows.clone(),
            test: rows,
        };
        corpus.append(set, params)?;
        Ok(corpus)
    }

    fn append(&mut self, set: &TokenTable, params: &Params) -> Result<(), StageError> {
        let found = (set.info.height, set.info.width, set.info.vocab, set.info.palette);
        let expected = (self.height, self.width, self.vocab, self.palette);
        if found != expected {
            let describe = |(height, width, vocab, palette): (usize, usize, usize, Option<Digest>)| {
                let palette = palette.map_or("unknown".to_owned(), |digest| digest.short());
                format!("{height}x{width} pixels, {vocab} colours, palette {palette}")
            };
            return Err(StageError::new(format!(
                "the image sets do not belong together: `{}` has {}, the sets before it {}",
                set.info.name,
                describe(found),
                describe(expected)
            ))
            .hint("tokenize all sets at one resolution with one palette"));
        }
        if !self.name.is_empty() {
            self.name.push_str(" + ");
        }
        self.name.push_str(&set.info.name);
        let train = images(set, Split::Train);
        let held_out = validation_split(train.len(), params.validation);
        for (rows, held_out) in train.into_iter().zip(held_out) {
            if held_out {
                self.valid.push(rows.take(1).map(|row| set.row(row)));
            } else {
                self.train.push(rows.map(|row| set.row(row)));
            }
        }
        for rows in images(set, Split::Test) {
            self.test.push(rows.take(1).map(|row| set.row(row)));
        }
        Ok(())
    }
}

/// The rows of each of a split's images: rows are ordered by split, id and view.
fn images(set: &TokenTable, split: Split) -> Vec<Range<usize>> {
    let mut images: Vec<Range<usize>> = Vec::new();
    for row in set.rows_of(split) {
        match images.last_mut() {
            Some(last) if set.ids[last.start] == set.ids[row] => last.end = row + 1,
            _ => images.push(row..row + 1),
        }
    }
    images
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

//! The token rows of one or several image sets, split into training, held-out and test rows.

use igpt_contract::{Digest, LabelledInput, StageContext, StageError, Validation, validation_split};
use igpt_dataset::{Fold, FoldTable, Split, TokenTable, TokensReader, images_of, spaced};
use igpt_optim::EpochOrder;

use crate::rows::Rows;

/// Which images of the sets are used, and how many.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Which training images are held out, in each image set.
    pub validation: Validation,
    /// Held-out images to keep, evenly spaced; 0 keeps all.
    pub validation_rows: usize,
    /// Test images to keep, evenly spaced; 0 keeps all.
    pub test_rows: usize,
    /// Training images to keep, drawn at random; 0 keeps all.
    pub train_rows: usize,
    /// The most memory that tokens may take, in MiB.
    pub memory_mib: u64,
}

/// All that is trained and evaluated on.
#[derive(Debug, Clone)]
pub struct Corpus {
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
    /// What each image of the sets is used for.
    pub folds: FoldTable,
    /// The places in `folds` of the images to train on, held out and to test on.
    places: [Vec<usize>; 3],
}

impl Corpus {
    /// Tokens of an image.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Reads every set of the port and splits each by itself.
    ///
    /// # Errors
    /// If there is no set, the sets do not belong together, or they take more memory than allowed.
    pub fn read(
        inputs: &[LabelledInput],
        selection: &Selection,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        let mut corpus: Option<Self> = None;
        let mut bytes = 0u64;
        for input in inputs {
            cx.check()?;
            let reader = TokensReader::open(&input.path)?;
            let tokens = reader.counts().total().saturating_mul(reader.info().positions() as u64);
            bytes = tokens.saturating_mul(2).saturating_add(bytes);
            if bytes > selection.memory_mib.saturating_mul(1 << 20) {
                return Err(StageError::new(format!(
                    "the tokens take {} MiB of memory, more than `memory_mib` {}",
                    bytes.div_ceil(1 << 20),
                    selection.memory_mib
                ))
                .hint("raise `memory_mib`, or tokenize at a lower resolution"));
            }
            let set = TokenTable::read(&input.path)?;
            match &mut corpus {
                None => corpus = Some(Self::from_set(&set, selection)?),
                Some(corpus) => corpus.append(&set, selection)?,
            }
        }
        let mut corpus = corpus
            .ok_or_else(|| StageError::new("the port `tokens` has no artifact, expected at least one"))?;
        corpus.valid = corpus.valid.spaced(selection.validation_rows);
        corpus.test = corpus.test.spaced(selection.test_rows);
        let [mut train, valid, test] = std::mem::take(&mut corpus.places);
        let (valid, test) = (spaced(valid, selection.validation_rows), spaced(test, selection.test_rows));
        if selection.train_rows > 0 && selection.train_rows < corpus.train.len() {
            let draws =
                EpochOrder::new(corpus.train.len(), cx.stream("train rows")).batch(1, selection.train_rows);
            let mut images: Vec<usize> = draws.into_iter().map(|draw| draw.row).collect();
            images.sort_unstable();
            train = images.iter().map(|image| train[*image]).collect();
            corpus.train = corpus.train.select(images);
        }
        for (places, fold) in [(train, Fold::Train), (valid, Fold::Valid), (test, Fold::Test)] {
            places.into_iter().for_each(|place| corpus.folds.rows[place].fold = fold);
        }
        if corpus.valid.is_empty() && selection.validation.fraction > 0.0 {
            cx.note(format!(
                "no image is held out: a share of {} of {} training images rounds to none; there is no \
                 validation loss",
                selection.validation.fraction,
                corpus.train.len()
            ));
        }
        if corpus.train.is_empty() {
            return Err(StageError::new("there are no training images left")
                .hint("the sets' `train` splits are empty, or `validation.fraction` holds out all"));
        }
        Ok(corpus)
    }

    fn from_set(set: &TokenTable, selection: &Selection) -> Result<Self, StageError> {
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
            folds: FoldTable::default(),
            places: Default::default(),
        };
        corpus.append(set, selection)?;
        Ok(corpus)
    }

    fn append(&mut self, set: &TokenTable, selection: &Selection) -> Result<(), StageError> {
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
        let train = images_of(&set.ids, &set.splits, Split::Train);
        let test = images_of(&set.ids, &set.splits, Split::Test);
        let held_out = validation_split(train.len(), selection.validation);
        // Which of them are used is known when all sets are read.
        let first = self.folds.rows.len();
        let images = train.iter().chain(&test).map(|rows| (set.key(rows.start), Fold::Unused));
        self.folds.extend(&set.info.name, &set.info.sets, images);
        let [of_train, of_valid, of_test] = &mut self.places;
        of_test.extend((first + train.len()..).take(test.len()));
        for ((rows, held_out), place) in train.into_iter().zip(held_out).zip(first..) {
            if held_out {
                of_valid.push(place)
            } else {
                of_train.push(place)
            }
            if held_out {
                self.valid.push(rows.take(1).map(|row| set.row(row)));
            } else {
                self.train.push(rows.map(|row| set.row(row)));
            }
        }
        for rows in test {
            self.test.push(rows.take(1).map(|row| set.row(row)));
        }
        Ok(())
    }
}

//! The images of several sets by what they are used for.

use std::ops::Range;

use igpt_contract::{StageContext, validation_split};
use igpt_dataset::{Fold, FoldTable, RowKey, Split, TokensInfo, images_of_keys, spaced};
use igpt_optim::EpochOrder;

use crate::selection::Selection;

/// Images with the same use: their rows among the tokens of all sets, and their places in the folds.
#[derive(Debug, Default)]
struct Images {
    rows: Vec<Range<usize>>,
    places: Vec<usize>,
}

/// The images of the sets so far.
#[derive(Debug, Default)]
pub(crate) struct SplitSets {
    names: Vec<String>,
    rows: usize,
    folds: FoldTable,
    train: Images,
    valid: Images,
    test: Images,
}

/// The images that are used.
pub(crate) struct Selected {
    /// The rows of the images to train on, held out and to test on.
    pub(crate) images: [Vec<Range<usize>>; 3],
    /// What each image of the sets is used for.
    pub(crate) folds: FoldTable,
}

impl SplitSets {
    /// The sets' names, joined.
    pub(crate) fn name(&self) -> String {
        self.names.join(" + ")
    }

    /// Adds the next set, by the keys of its rows: it is split by itself.
    pub(crate) fn append(&mut self, info: &TokensInfo, keys: &[RowKey], selection: &Selection) {
        self.names.push(info.name.clone());
        let train = images_of_keys(keys, Split::Train);
        let test = images_of_keys(keys, Split::Test);
        let held_out = validation_split(train.len(), selection.validation);
        let first_place = self.folds.rows.len();
        // Which of them are used is known when all sets are read.
        let images = train.iter().chain(&test).map(|rows| (keys[rows.start], Fold::Unused));
        self.folds.extend(&info.name, &info.sets, images);
        let first_row = self.rows;
        let all = |rows: Range<usize>| first_row + rows.start..first_row + rows.end;
        // Held-out and test images are seen in their first view alone.
        let one = |rows: Range<usize>| first_row + rows.start..first_row + rows.start + 1;
        let n_train = train.len();
        for (i, (rows, held_out)) in train.into_iter().zip(held_out).enumerate() {
            if held_out {
                self.valid.push(one(rows), first_place + i);
            } else {
                self.train.push(all(rows), first_place + i);
            }
        }
        for (i, rows) in test.into_iter().enumerate() {
            self.test.push(one(rows), first_place + n_train + i);
        }
        self.rows += keys.len();
    }

    /// Keeps as many images as are asked for.
    pub(crate) fn select(self, selection: &Selection, cx: &StageContext) -> Selected {
        let Self { mut folds, train, valid, test, .. } = self;
        let train = train.drawn(selection.train_rows, cx);
        let (valid, test) = (valid.spaced(selection.validation_rows), test.spaced(selection.test_rows));
        let mut of = |images: Images, fold: Fold| {
            images.places.into_iter().for_each(|place| folds.rows[place].fold = fold);
            images.rows
        };
        let images = [of(train, Fold::Train), of(valid, Fold::Valid), of(test, Fold::Test)];
        Selected { images, folds }
    }
}

impl Images {
    fn push(&mut self, rows: Range<usize>, place: usize) {
        self.rows.push(rows);
        self.places.push(place);
    }

    /// `limit` of them, drawn at random, in their order; 0: all.
    fn drawn(self, limit: usize, cx: &StageContext) -> Self {
        if limit == 0 || limit >= self.rows.len() {
            return self;
        }
        let draws = EpochOrder::new(self.rows.len(), cx.stream("train rows")).batch(1, limit);
        let mut images: Vec<usize> = draws.into_iter().map(|draw| draw.row).collect();
        images.sort_unstable();
        let rows = images.iter().map(|image| self.rows[*image].clone()).collect();
        Self { rows, places: images.into_iter().map(|image| self.places[image]).collect() }
    }

    /// `limit` of them, evenly spaced; 0: all.
    fn spaced(self, limit: usize) -> Self {
        Self { rows: spaced(self.rows, limit), places: spaced(self.places, limit) }
    }
}

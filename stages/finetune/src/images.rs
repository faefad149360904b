//! The images of a fine-tuning by role: training, validation, test; and its training batches.

use std::ops::Range;

use igpt_contract::{StageError, Stream, stream, validation_split};
use igpt_dataset::{
    Fold, FoldTable, RowKey, Split, TokenSet, TokensInfo, pad_crop_flip, select_labels, share_out, spaced,
    untrained, unvalidated,
};
use igpt_optim::Draw;
use rand::Rng as _;

use crate::params::{Augment, Params};

/// Labelled token rows.
#[derive(Debug)]
pub(crate) struct Images {
    set: TokenSet,
    /// The rows of each training image, its views.
    train: Vec<Range<usize>>,
    /// The rows of validation and of test images.
    valid: Vec<usize>,
    test: Vec<usize>,
    /// What the user should know of them before anything is trained.
    notes: Vec<String>,
}

/// A training batch on the host.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// The tokens of B images, one after another.
    pub(crate) tokens: Vec<u16>,
    /// Their classes.
    pub(crate) labels: Vec<i64>,
}

impl Images {
    /// Gives the labelled rows of a set their roles. Rows without a class (-1) have none.
    ///
    /// The validation images are drawn from all training images, so that every stage holds out the
    /// same ones; `labels_per_class` are drawn from the labelled ones and divided by that same
    /// split, but for classes that would have none to choose by or none to train on, see
    /// [`share_out`]. Held-out and test images are seen in their first view alone.
    ///
    /// # Errors
    /// If there are fewer labels than were asked for, or a role has no image that must have some.
    pub(crate) fn new(set: TokenSet, params: &Params) -> Result<Self, StageError> {
        let official = set.images(Split::Train);
        let mut held_out = validation_split(official.len(), params.validation);
        let labels: Vec<i32> = official.iter().map(|views| set.keys[views.start].label).collect();
        let chosen = if params.labels_per_class > 0 {
            let random = stream(params.label_seed, "labels");
            select_labels(&labels, set.info.classes.len(), params.labels_per_class, &random)
                .map_err(|error| StageError::new(format!("`labels_per_class`: {error}")))?
        } else {
            (0..labels.len()).filter(|image| labels[*image] >= 0).collect()
        };
        if params.labels_per_class > 0 {
            share_out(&labels, &chosen, &mut held_out);
        }
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        for image in chosen {
            let views = official[image].clone();
            if held_out[image] { valid.push(views.start) } else { train.push(views) }
        }
        let tested = set.images(Split::Test);
        let test = tested.iter().map(|views| views.start).filter(|row| set.keys[*row].label >= 0);
        let test: Vec<usize> = test.collect();
        let notes = Vec::from_iter(params.unlabelled_test.allow(test.len(), tested.len())?);
        let valid = spaced(valid, params.validation_rows);
        let test = spaced(test, params.test_rows);
        let mut images = Self { set, train, valid, test, notes };
        images.check(params)?;
        images.look();
        Ok(images)
    }

    pub(crate) fn positions(&self) -> usize {
        self.set.info.positions()
    }

    pub(crate) fn classes(&self) -> usize {
        self.set.info.classes.len()
    }

    pub(crate) fn train(&self) -> &[Range<usize>] {
        &self.train
    }

    pub(crate) fn valid(&self) -> &[usize] {
        &self.valid
    }

    pub(crate) fn test(&self) -> &[usize] {
        &self.test
    }

    /// What each image of the table is used for.
    pub(crate) fn folds(&self) -> FoldTable {
        let set = &self.set;
        let mut fold = vec![Fold::Unused; set.keys.len()];
        self.train.iter().for_each(|views| fold[views.start] = Fold::Train);
        self.valid.iter().for_each(|row| fold[*row] = Fold::Valid);
        self.test.iter().for_each(|row| fold[*row] = Fold::Test);
        let images = [Split::Train, Split::Test]
            .into_iter()
            .flat_map(|split| set.images(split).into_iter().map(|views| views.start));
        let mut folds = FoldTable::default();
        folds.extend(&set.info.name, &set.info.sets, images.map(|row| (set.keys[row], fold[row])));
        folds
    }

    /// What the user should know of the images before anything is trained.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The tokens of rows, one row after another.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn tokens(&self, rows: impl IntoIterator<Item = usize>) -> Result<Vec<u16>, StageError> {
        let unread = |error| StageError::caused("the scratch file of tokens cannot be read", error);
        self.set.tokens.gather(rows).map_err(unread)
    }

    pub(crate) fn key(&self, row: usize) -> RowKey {
        self.set.keys[row]
    }

    /// The class of a row that has a role.
    pub(crate) fn label(&self, row: usize) -> usize {
        self.set.keys[row].label as usize
    }

    /// What a network has to fit.
    pub(crate) fn info(&self) -> &TokensInfo {
        &self.set.info
    }

    /// Notes classes that are tested, or choose, without training images, and the other way round.
    fn look(&mut self) {
        let classes = &self.set.info.classes;
        let labels = |rows: &[usize]| rows.iter().map(|row| self.set.keys[*row].label).collect::<Vec<i32>>();
        let first: Vec<usize> = self.train.iter().map(|views| views.start).collect();
        let (train, valid, test) = (labels(&first), labels(&self.valid), labels(&self.test));
        let mut notes = Vec::new();
        if !valid.is_empty() {
            notes.extend(unvalidated("images", &valid, &train, classes));
        }
        for (what, images) in [("held-out", valid), ("test", test)] {
            let found = untrained(what, images, train.iter().copied(), classes);
            notes.extend(found.map(|found| format!("warning: {}", found.note)));
        }
        self.notes.extend(notes);
    }

    fn check(&self, params: &Params) -> Result<(), StageError> {
        let TokensInfo { height, width, .. } = self.set.info;
        if self.train.is_empty() {
            return Err(StageError::new("the tokens hold no labelled training image"));
        }
        let class = |views: &Range<usize>| self.set.keys[views.start].label;
        if self.train.iter().all(|views| class(views) == class(&self.train[0])) {
            let n = self.train.len();
            let what = format!("expected training images of at least 2 classes, found {n} of one");
            return Err(
                StageError::new(what).hint("with one class every prediction is correct, whatever is learnt")
            );
        }
        if params.validation.fraction > 0.0 && self.valid.is_empty() {
            let what = format!(
                "none of the {} labelled training images is in the validation split of {}",
                self.train.len(),
                params.validation.fraction
            );
            return Err(StageError::new(what).hint("raise `validation.fraction`, or set it to 0"));
        }
        if params.augment == Augment::PadCropFlip && (height != width || self.pad() == 0) {
            let what = format!(
                "`augment: pad_crop_flip` needs square images of at least 8 x 8 tokens, found {height} x {width}"
            );
            return Err(StageError::new(what));
        }
        Ok(())
    }

    /// An eighth of the side: 4 at 32 x 32.
    fn pad(&self) -> usize {
        self.set.info.height / 8
    }

    /// The images of a step. Image `draw.row` of epoch e is its view e mod n; step s draws its
    /// crops from sub-stream s of `stream`.
    ///
    /// # Errors
    /// If the tokens cannot be read.
    pub(crate) fn batch(
        &self,
        draws: &[Draw],
        step: u64,
        augment: Augment,
        stream: &Stream,
    ) -> Result<Batch, StageError> {
        let mut random = stream.clone();
        random.set_stream(step);
        let rows: Vec<usize> = draws.iter().map(|draw| self.row(*draw)).collect();
        let labels = rows.iter().map(|row| i64::from(self.set.keys[*row].label)).collect();
        let whole = self.tokens(rows)?;
        let tokens = match augment {
            Augment::None => whole,
            Augment::PadCropFlip => {
                let t = self.positions();
                let pad = self.pad();
                let offsets = 2 * pad as u32 + 1;
                let mut tokens = vec![0; whole.len()];
                for (image, out) in whole.chunks_exact(t).zip(tokens.chunks_exact_mut(t)) {
                    // The remainder of 32 bits by a few offsets is biased by less than 1e-8.
                    let top = (random.next_u32() % offsets) as usize;
                    let left = (random.next_u32() % offsets) as usize;
                    let flip = random.next_u32() & 1 == 1;
                    pad_crop_flip(image, self.set.info.height, pad, top, left, flip, out);
                }
                tokens
            }
        };
        Ok(Batch { tokens, labels })
    }

    /// Has the tokens of draws at hand soon, if they are not in memory.
    pub(crate) fn prefetch(&self, draws: &[Draw]) {
        self.set.tokens.prefetch(draws.iter().map(|draw| self.row(*draw)));
    }

    fn row(&self, draw: Draw) -> usize {
        let views = &self.train[draw.row];
        views.start + (draw.epoch % views.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::{UnlabelledTest, Validation};
    use igpt_dataset::TokenTable;

    const SIDE: usize = 8;

    /// 40 training images of two classes and two views, one of them without a class; 4 test images.
    /// A row's tokens are its number.
    fn table() -> TokenTable {
        let keys: Vec<RowKey> = (0..44u64)
            .flat_map(|id| {
                let (split, views) = if id < 40 { (Split::Train, 2) } else { (Split::Test, 1) };
                let label = if id == 7 { -1 } else { (id % 2) as i32 };
                (0..views).map(move |view| RowKey { id, split, label, view })
            })
            .collect();
        TokenTable {
            info: TokensInfo {
                name: "numbers".to_owned(),
                height: SIDE,
                width: SIDE,
                vocab: 100,
                palette: None,
                classes: vec!["even".to_owned(), "odd".to_owned()],
                sets: Vec::new(),
            },
            ids: keys.iter().map(|key| key.id).collect(),
            splits: keys.iter().map(|key| key.split).collect(),
            labels: keys.iter().map(|key| key.label).collect(),
            views: keys.iter().map(|key| key.view).collect(),
            tokens: (0..keys.len()).flat_map(|row| [row as u16; SIDE * SIDE]).collect(),
        }
    }

    fn images(params: &Params) -> Result<Images, StageError> {
        Images::new(table().into(), params)
    }

    fn params(fraction: f64, labels_per_class: usize) -> Params {
        let validation = Validation { fraction, seed: 0 };
        Params { validation, labels_per_class, ..Params::default() }
    }

    #[test]
    fn images_are_held_out_with_all_their_views() {
        let images = images(&params(0.25, 0)).unwrap();
        assert_eq!(images.train().len() + images.valid().len(), 39, "image 7 has no class");
        assert!((9..=10).contains(&images.valid().len()));
        let held_out: Vec<u64> = images.valid().iter().map(|row| images.key(*row).id).collect();
        for views in images.train() {
            assert_eq!(views.len(), 2);
            assert!(!held_out.contains(&images.key(views.start).id));
        }
        assert!(images.valid().iter().all(|row| images.key(*row).view == 0));
        assert_eq!(images.test(), [80, 81, 82, 83]);
    }

    #[test]
    fn every_image_has_a_fold() {
        let some = Params { validation_rows: 4, test_rows: 2, ..params(0.25, 0) };
        let images = images(&some).unwrap();
        let folds = images.folds().rows;
        let of = |fold| folds.iter().filter(|row| row.fold == fold).count();
        assert_eq!(
            (folds.len(), of(Fold::Train), of(Fold::Valid), of(Fold::Test)),
            (44, images.train().len(), 4, 2)
        );
        assert_eq!(folds[7].fold, Fold::Unused, "image 7 has no class");
    }

    #[test]
    fn one_class_or_a_test_without_labels_is_refused_and_untrained_classes_are_noted() {
        let mut one = table();
        one.labels.fill(1);
        let error = Images::new(one.into(), &params(0.25, 0)).unwrap_err().to_string();
        assert!(error.contains("at least 2 classes"), "{error}");
        let mut none = table();
        none.labels[80..].fill(-1);
        let error = Images::new(none.clone().into(), &params(0.25, 0)).unwrap_err().to_string();
        assert!(error.contains("none of the 4 test images has a label"), "{error}");
        let keep = Params { unlabelled_test: UnlabelledTest::Keep, ..params(0.25, 0) };
        assert_eq!(Images::new(none.into(), &keep).unwrap().test(), [0_usize; 0]);
        let mut other = table();
        other.info.classes.push("neither".to_owned());
        other.labels[80] = 2;
        let images = Images::new(other.into(), &params(0.25, 0)).unwrap();
        assert!(images.notes()[0].contains("1 of 4 test images (25 %)"), "{:?}", images.notes());
    }

    #[test]
    fn a_subset_of_labels_is_divided_by_the_same_split() {
        let (all, few) = (images(&params(0.25, 0)).unwrap(), images(&params(0.25, 12)).unwrap());
        assert_eq!(few.train().len() + few.valid().len(), 24);
        assert!(few.train().iter().all(|views| all.train().contains(views)));
        assert!(few.valid().iter().all(|row| all.valid().contains(row)));
        let other = images(&Params { label_seed: 1, ..params(0.25, 12) }).unwrap();
        assert_ne!(few.train(), other.train());
        let error = images(&params(0.25, 20)).unwrap_err().to_string();
        assert!(error.contains("`labels_per_class`"), "{error}");
    }

    #[test]
    fn validation_and_test_can_look_at_some_images() {
        let some = Params { validation_rows: 4, test_rows: 2, ..params(0.25, 0) };
        let (all, some) = (images(&params(0.25, 0)).unwrap(), images(&some).unwrap());
        assert_eq!(some.train(), all.train());
        assert_eq!((some.valid().len(), some.valid()[0]), (4, all.valid()[0]));
        assert_eq!(some.test(), [80, 82]);
    }

    #[test]
    fn each_epoch_reads_its_own_view() {
        let images = images(&params(0.0, 0)).unwrap();
        let draws: Vec<Draw> = (0..3).map(|epoch| Draw { epoch, row: 5 }).collect();
        let batch = images.batch(&draws, 1, Augment::None, &stream(0, "augment")).unwrap();
        assert_eq!(batch.labels, [1, 1, 1]);
        let seen: Vec<u16> = batch.tokens.chunks(SIDE * SIDE).map(|image| image[0]).collect();
        assert_eq!(seen, [10, 11, 10]);
    }

    #[test]
    fn an_augmented_batch_depends_on_its_step_alone() {
        let params = Params { augment: Augment::PadCropFlip, ..params(0.0, 0) };
        let mut table = table();
        table.tokens = (0..table.tokens.len()).map(|i| (i % 97) as u16).collect();
        let images = Images::new(table.into(), &params).unwrap();
        let draws = [Draw { epoch: 0, row: 1 }; 8];
        let batch = |step| images.batch(&draws, step, params.augment, &stream(0, "augment")).unwrap();
        assert_eq!(batch(1), batch(1));
        assert_ne!(batch(1), batch(2));
        let first = batch(1).tokens;
        assert!(first.chunks(SIDE * SIDE).any(|image| image != &first[..SIDE * SIDE]));
    }
}

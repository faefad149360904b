//! The token rows of one or several image sets, split into training, held-out and test rows.

use std::sync::Arc;

use igpt_contract::{Digest, LabelledInput, StageContext, StageError};
use igpt_dataset::{FoldTable, TokenPlace, TokensInfo, TokensReader};

use crate::rows::Rows;
use crate::selection::Selection;
use crate::split_sets::SplitSets;

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
}

impl Corpus {
    /// Tokens of an image.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Reads every set of the port and splits each by itself. Tokens that would take more memory than
    /// allowed go to a scratch file beside the checkpoints.
    ///
    /// # Errors
    /// If there is no set, the sets do not belong together, or the scratch file cannot be written.
    pub fn read(
        inputs: &[LabelledInput],
        selection: &Selection,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        let readers: Vec<TokensReader> =
            inputs.iter().map(|input| TokensReader::open(&input.path)).collect::<Result<_, _>>()?;
        let first = readers
            .first()
            .ok_or_else(|| StageError::new("the port `tokens` has no artifact, expected at least one"))?;
        readers.iter().try_for_each(|reader| belongs(reader.info(), first.info()))?;
        let scratch = cx.checkpoint_dir().join("tokens");
        let place = TokenPlace { memory_mib: selection.memory_mib, scratch: &scratch };
        let rows = readers.iter().map(|reader| reader.counts().total()).sum();
        let mut writer = place.writer(rows, first.info().positions())?;
        let mut split = SplitSets::default();
        for reader in &readers {
            cx.check()?;
            split.append(reader.info(), &reader.copy_to(&mut writer)?, selection);
        }
        let name = split.name();
        let split = split.select(selection, cx);
        let tokens = Arc::new(writer.finish());
        let [train, valid, test] = split.images.map(|images| Rows::new(Arc::clone(&tokens), images));
        if valid.is_empty() && selection.validation.fraction > 0.0 {
            cx.note(format!(
                "no image is held out: a share of {} of {} training images rounds to none; there is no \
                 validation loss",
                selection.validation.fraction,
                train.len()
            ));
        }
        if train.is_empty() {
            return Err(StageError::new("there are no training images left")
                .hint("the sets' `train` splits are empty, or `validation.fraction` holds out all"));
        }
        let TokensInfo { height, width, vocab, palette, .. } = *first.info();
        Ok(Self { height, width, vocab, palette, name, train, valid, test, folds: split.folds })
    }
}

/// That a set has the shape and palette of the first one.
fn belongs(set: &TokensInfo, first: &TokensInfo) -> Result<(), StageError> {
    let shape = |info: &TokensInfo| (info.height, info.width, info.vocab, info.palette);
    if shape(set) == shape(first) {
        return Ok(());
    }
    let describe = |TokensInfo { height, width, vocab, palette, .. }: &TokensInfo| {
        let palette = palette.map_or("unknown".to_owned(), |digest| digest.short());
        format!("{height}x{width} pixels, {vocab} colours, palette {palette}")
    };
    Err(StageError::new(format!(
        "the image sets do not belong together: `{}` has {}, the first one {}",
        set.name,
        describe(set),
        describe(first)
    ))
    .hint("tokenize all sets at one resolution with one palette"))
}

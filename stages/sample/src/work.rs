//! What a step draws: images from nothing, or completions of the upper part of real ones.

use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{PaletteTable, RowKey, Split, TokensInfo, TokensReader};
use igpt_model::ModelCard;
use image::RgbImage;

use crate::generate::Canvas;
use crate::params::Params;
use crate::picture::{Column, Layout, grid};

/// A real image that is completed.
struct Original {
    key: RowKey,
    tokens: Vec<u16>,
}

/// The images that are to be drawn.
pub(crate) struct Work {
    /// What the drawn set says of itself.
    pub(crate) info: TokensInfo,
    /// Whose row each image is, in the order of the set.
    pub(crate) keys: Vec<RowKey>,
    /// What is given of each.
    pub(crate) canvases: Vec<Canvas>,
    /// The images that are completed, a row of the picture each; none for images from nothing.
    originals: Vec<Original>,
}

impl Work {
    /// Everything that the parameters ask for.
    ///
    /// # Errors
    /// If the palette or the tokens are not the network's, or there are too few images.
    pub(crate) fn new(
        params: &Params,
        card: &ModelCard,
        palette: &PaletteTable,
        tokens: Option<&Path>,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        belongs(card, palette, (card.height, card.width), palette.colours.len())?;
        let info = TokensInfo {
            name: "samples".to_owned(),
            height: card.height,
            width: card.width,
            vocab: card.config.vocab,
            palette: Some(palette.digest()),
            classes: Vec::new(),
            sets: Vec::new(),
        };
        match tokens {
            None => Ok(Self::from_nothing(params, info, cx)),
            Some(folder) => {
                let (theirs, originals) = test_images(params, card, palette, folder)?;
                let name = format!("completions of {}", theirs.name);
                let info = TokensInfo { name, classes: theirs.classes, sets: theirs.sets, ..info };
                Self::completions(params, info, originals, cx)
            }
        }
    }

    /// Each image's randomness is named by its number alone, so that more `rows`, other `columns`
    /// and another `batch` leave it as it is.
    fn from_nothing(params: &Params, info: TokensInfo, cx: &StageContext) -> Self {
        let key = |id| RowKey { id, split: Split::Train, label: -1, view: 0 };
        let canvas = |id| Canvas { given: Vec::new(), stream: cx.stream(&format!("sample {id}")) };
        let ids = 0..(params.rows * params.columns) as u64;
        let keys = ids.clone().map(key).collect();
        Self { info, keys, canvases: ids.map(canvas).collect(), originals: Vec::new() }
    }

    fn completions(
        params: &Params,
        info: TokensInfo,
        originals: Vec<Original>,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        if info.height < 2 {
            return Err(StageError::new("expected images of at least 2 rows of pixels, found images of 1"));
        }
        let rows = ((params.keep * info.height as f64).round() as usize).clamp(1, info.height - 1);
        let views = 0..params.columns as u16;
        let (keys, canvases) = originals
            .iter()
            .flat_map(|original| views.clone().map(move |view| (original, view)))
            .map(|(Original { key, tokens }, view)| {
                let given = tokens[..rows * info.width].to_vec();
                let stream = cx.stream(&format!("completion {view} of image {}", key.id));
                (RowKey { view, ..*key }, Canvas { given, stream })
            })
            .unzip();
        Ok(Self { info, keys, canvases, originals })
    }

    /// The drawn images in rows; completions between what was given and the original.
    pub(crate) fn picture(&self, params: &Params, palette: &[[u8; 3]], drawn: &[Vec<u16>]) -> RgbImage {
        let completed = !self.originals.is_empty();
        let column = |i| Column {
            apart: completed && i == 0,
            images: drawn.iter().skip(i).step_by(params.columns).map(Vec::as_slice).collect(),
        };
        let mut columns: Vec<Column> = (0..params.columns).map(column).collect();
        if completed {
            let given = self.canvases[0].given.len();
            let parts = |end: usize| self.originals.iter().map(|image| &image.tokens[..end]).collect();
            columns.insert(0, Column { apart: false, images: parts(given) });
            columns.push(Column { apart: true, images: parts(self.info.positions()) });
        }
        let layout = Layout { height: self.info.height, width: self.info.width, scale: params.scale };
        grid(layout, palette, &columns)
    }
}

/// Refuses a palette or tokens that are not the network's.
fn belongs(
    card: &ModelCard,
    palette: &PaletteTable,
    (height, width): (usize, usize),
    vocab: usize,
) -> Result<(), StageError> {
    card.check_tokens(Some(palette.digest()), height, width, vocab)
}

/// The test images that are completed, each by its first view.
fn test_images(
    params: &Params,
    card: &ModelCard,
    palette: &PaletteTable,
    folder: &Path,
) -> Result<(TokensInfo, Vec<Original>), StageError> {
    let reader = TokensReader::open(folder)?;
    let info = reader.info().clone();
    belongs(card, palette, (info.height, info.width), info.vocab)?;
    if info.palette.is_some_and(|theirs| theirs != palette.digest()) {
        let what = "the tokens were made with another palette than that of the input `palette`";
        return Err(StageError::new(what));
    }
    let mut originals: Vec<Original> = Vec::new();
    let (mut last, mut met) = (None, 0);
    for table in reader.tables() {
        let table = table?;
        for row in table.rows_of(Split::Test) {
            let key = table.key(row);
            if last.replace(key.id) == Some(key.id) {
                continue;
            }
            met += 1;
            if met > params.skip && originals.len() < params.rows {
                originals.push(Original { key, tokens: table.row(row).to_vec() });
            }
        }
    }
    if originals.len() < params.rows {
        let wanted = params.rows.saturating_add(params.skip);
        let what = format!("expected at least {wanted} test images (`skip` and `rows`), found {met}");
        return Err(StageError::new(what).hint("lower `rows` or `skip`"));
    }
    Ok((info, originals))
}

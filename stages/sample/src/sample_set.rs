//! The images to generate: from scratch, or completions of the upper part of real ones.

use std::path::Path;

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{PaletteTable, RowKey, Split, TokensInfo, TokensReader};
use igpt_model::ModelCard;
use image::RgbImage;

use crate::generate::Prompt;
use crate::image_grid::{CellSize, GridColumn, grid};
use crate::params::Params;

/// A real image that is completed.
struct Original {
    key: RowKey,
    tokens: Vec<u16>,
}

/// The images that are to be generated.
pub(crate) struct SampleSet {
    /// The description of the generated set.
    pub(crate) info: TokensInfo,
    /// The row of each image, in the order of the set.
    pub(crate) keys: Vec<RowKey>,
    /// The start of each image.
    pub(crate) prompts: Vec<Prompt>,
    /// The images that are completed, a row of the picture each; none for images from scratch.
    originals: Vec<Original>,
}

impl SampleSet {
    /// Everything that the parameters ask for.
    ///
    /// # Errors
    /// If palette or tokens are not the network's, or there are too few images.
    pub(crate) fn new(
        params: &Params,
        card: &ModelCard,
        palette: &PaletteTable,
        tokens: Option<&Path>,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        check_palette(card, palette, (card.height, card.width), palette.colours.len())?;
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
            None => Ok(Self::from_scratch(params, info, cx)),
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
    fn from_scratch(params: &Params, info: TokensInfo, cx: &StageContext) -> Self {
        let key = |id| RowKey { id, split: Split::Train, label: -1, view: 0 };
        let prompt = |id| Prompt { given: Vec::new(), stream: cx.stream(&format!("sample {id}")) };
        let ids = 0..(params.rows * params.columns) as u64;
        let keys = ids.clone().map(key).collect();
        Self { info, keys, prompts: ids.map(prompt).collect(), originals: Vec::new() }
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
        let (keys, prompts) = originals
            .iter()
            .flat_map(|original| views.clone().map(move |view| (original, view)))
            .map(|(Original { key, tokens }, view)| {
                let given = tokens[..rows * info.width].to_vec();
                let stream = cx.stream(&format!("completion {view} of image {}", key.id));
                (RowKey { view, ..*key }, Prompt { given, stream })
            })
            .unzip();
        Ok(Self { info, keys, prompts, originals })
    }

    /// The generated images in rows; completions between the given part and the original.
    pub(crate) fn picture(&self, params: &Params, palette: &[[u8; 3]], drawn: &[Vec<u16>]) -> RgbImage {
        let completed = !self.originals.is_empty();
        let column = |i| GridColumn {
            apart: completed && i == 0,
            images: drawn.iter().skip(i).step_by(params.columns).map(Vec::as_slice).collect(),
        };
        let mut columns: Vec<GridColumn> = (0..params.columns).map(column).collect();
        if completed {
            let given = self.prompts[0].given.len();
            let parts = |end: usize| self.originals.iter().map(|image| &image.tokens[..end]).collect();
            columns.insert(0, GridColumn { apart: false, images: parts(given) });
            columns.push(GridColumn { apart: true, images: parts(self.info.positions()) });
        }
        let size = CellSize { height: self.info.height, width: self.info.width, scale: params.scale };
        grid(size, palette, &columns)
    }
}

/// Checks that palette and tokens are the network's.
fn check_palette(
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
    check_palette(card, palette, (info.height, info.width), info.vocab)?;
    if info.palette.is_some_and(|theirs| theirs != palette.digest()) {
        let what = "the tokens were made with a palette other than the input `palette`";
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

//! Stage `tokenize`: turns each pixel into the index of its nearest palette colour (section 3.2), and each
//! image into a row of such indices in raster order.

mod mixture;
mod preview;
mod quantize;

use igpt_contract::{
    ImageSet, In, Known, KnownInputs, KnownOutputs, Many, Out, Palette, Resources, Stage, StageContext,
    StageError, StageIo, StageSpec, Tokens,
};
use igpt_dataset::{ImageRow, NearestColour, PaletteTable, TokensInfo, TokensWriter, decode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use mixture::Mixture;
use preview::Preview;
use quantize::quantize;

/// What finding the nearest colour costs, for each pixel.
const FLOPS_OF_PIXEL: f64 = 500.0;

const IMAGES: Many<ImageSet> = Many::new(
    "images",
    "the images, all of one size; several sets are joined in the order of their names, with classes \
     matched by name",
);
const PALETTE: In<Palette> = In::new("palette", "the colours");
const TOKENS: Out<Tokens> = Out::new("tokens", "a row of colour indices for each image, and a contact sheet");

/// Images that are quantised at once.
const BATCH: usize = 1024;

/// The stage has no parameters: the images and the palette determine the result.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokenize;

impl Stage for Tokenize {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "tokenize",
            summary: "turns images into rows of palette indices: the nearest colour of each pixel",
            // 2: several sets are ordered by name; footers name resolution and palette.
            // 3: the classes of several sets are matched by name; `tokens.json` names the sets.
            version: 3,
            inputs: vec![IMAGES.port(), PALETTE.port()],
            outputs: vec![TOKENS.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 0, memory_mib: 512, gpus: 0 },
        }
    }

    fn flops(&self, _: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        Some(inputs.shape(IMAGES.name).pixels()? * FLOPS_OF_PIXEL)
    }

    fn foresee(&self, _: &Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        [(TOKENS.name, Known::default().shaped(inputs.shape(IMAGES.name)))].into()
    }

    fn run(&self, _: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let pool = cx.thread_pool()?;
        pool.install(|| run(io, cx))
    }
}

fn run(io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
    let mixture = Mixture::open(io.many(&IMAGES).iter().map(|input| input.path.as_path()))?;
    mixture.notes.iter().for_each(|note| cx.note(note));
    let palette = PaletteTable::read(io.input(&PALETTE))?;
    let nearest = NearestColour::new(&palette.colours)
        .map_err(|error| StageError::caused("cannot use the palette", error))?;
    let mut rows = mixture.rows().peekable();
    let (height, width) = match rows.peek() {
        Some(Ok(first)) => (first.height, first.width),
        Some(Err(_)) => (1, 1), // The loop below returns the error.
        None => {
            return Err(StageError::new("expected at least one image, found none")
                .hint("connect an image set that is not empty to `images`"));
        }
    };
    let info = TokensInfo {
        name: mixture.name.clone(),
        height: height.into(),
        width: width.into(),
        vocab: palette.colours.len(),
        palette: Some(palette.digest()),
        classes: mixture.classes.clone(),
        sets: mixture.sets.clone(),
    };
    let out = io.output(&TOKENS);
    let mut writer = TokensWriter::create(out, &info)?;
    let mut preview = Preview::new(palette.rgb(), mixture.total);
    let mut batch: Vec<ImageRow> = Vec::with_capacity(BATCH);
    let mut done = 0;
    loop {
        cx.check()?;
        cx.progress(done, mixture.total, "images");
        batch.clear();
        for row in rows.by_ref().take(BATCH) {
            batch.push(same_size(row?, height, width)?);
        }
        if batch.is_empty() {
            break;
        }
        let tokens = quantize(&batch, &nearest).map_err(|(i, error)| unreadable(&batch[i], error))?;
        for (row, tokens) in batch.iter().zip(&tokens) {
            if preview.wants_next() {
                preview.add(&decode(row).map_err(|error| unreadable(row, error))?, tokens);
            }
            writer.append(row.key(), tokens)?;
        }
        done += batch.len() as u64;
    }
    writer.finish()?;
    preview
        .sheet()
        .save_with_format(out.join("preview.png"), image::ImageFormat::Png)
        .map_err(|error| StageError::caused("cannot write `preview.png`", error))
}

fn unreadable(row: &ImageRow, error: igpt_dataset::BadImage) -> StageError {
    StageError::caused(format!("cannot decode {} image {}", row.split, row.id), error)
}

/// Checks the size of a row's image.
fn same_size(row: ImageRow, height: u16, width: u16) -> Result<ImageRow, StageError> {
    if (row.height, row.width) == (height, width) {
        return Ok(row);
    }
    let what = format!(
        "expected images of {height}x{width} pixels like the first, found {}x{} in {} image {}",
        row.height, row.width, row.split, row.id
    );
    Err(StageError::new(what).hint("resize the images with an `augment` step, for example `side: 32`"))
}

#[cfg(test)]
mod tests;

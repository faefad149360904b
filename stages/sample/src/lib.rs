//! Stage `sample`: images drawn from a network, from nothing or as completions of the upper part of
//! real ones, and a picture of them.

mod draw;
mod generate;
mod params;
mod picture;
mod work;

use burn::tensor::Device;
use igpt_contract::{
    Figure, In, Model, Opt, Out, Palette, ParamError, Resources, Stage, StageContext, StageError, StageIo,
    StageSpec, Tokens,
};
use igpt_dataset::{PaletteTable, TokensWriter};
use igpt_model::{Decoder, Objective, input_model, set_threads, tune_allocator};

pub use params::Params;

use draw::Draw;
use work::Work;

const MODEL: In<Model> = In::new("model", "the network, an autoregressive one");
const PALETTE: In<Palette> = In::new("palette", "the colours that its tokens are");
const TOKENS: Opt<Tokens> = Opt::new("tokens", "images whose upper part is completed, of the test split");
const GRID: Out<Figure> = Out::new(
    "grid",
    "`grid.png`: the drawn images; with `tokens` a row each: the given part, completions, the original",
);
const SAMPLES: Out<Tokens> = Out::new(
    "samples",
    "the drawn images (split `train`, without labels); completions are views of their image (split `test`)",
);

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample;

impl Stage for Sample {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "sample",
            summary: "draws images from an autoregressive network, from nothing or as completions",
            // 2: probabilities below e^-50 are zero.
            version: 2,
            inputs: vec![MODEL.port(), PALETTE.port(), TOKENS.port()],
            outputs: vec![GRID.port(), SAMPLES.port()],
            seeded: true,
            // It computes on the processor, whatever the device.
            device_dependent: false,
            isolated: false,
            unkeyed: &["batch"],
            resources: Resources { cpus: 0, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn work(&self, params: &Params) -> Option<f64> {
        Some((params.rows * params.columns) as f64)
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        tune_allocator();
        set_threads(cx.threads());
        let (gpt, card) = input_model(io.input(&MODEL), &Device::flex())?;
        if card.objective == Objective::Bert {
            let what = "a BERT network predicts each pixel from all others, later ones too: it defines no order \
                        in which an image could be drawn";
            return Err(StageError::new(what)
                .hint("sample from a network that was trained with `objective: autoregressive`"));
        }
        let palette = PaletteTable::read(io.input(&PALETTE))?;
        let work = Work::new(params, &card, &palette, io.optional(&TOKENS), cx)?;
        let decoder = Decoder::new(&gpt);
        drop(gpt);
        let mut draw = Draw::new(params.temperature, params.top_k);
        let drawn = generate::images(&decoder, &mut draw, work.canvases.clone(), params.batch, cx)?;

        let mut writer = TokensWriter::create(io.output(&SAMPLES), &work.info)?;
        for (key, tokens) in work.keys.iter().zip(&drawn) {
            writer.append(*key, tokens)?;
        }
        writer.finish()?;
        work.picture(params, &palette.rgb(), &drawn)
            .save_with_format(io.output(&GRID).join("grid.png"), image::ImageFormat::Png)
            .map_err(|error| StageError::caused("cannot write `grid.png`", error))
    }
}

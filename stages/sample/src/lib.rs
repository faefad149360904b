//! Stage `sample`: samples images from a network, from scratch or as completions of the upper part of
//! real ones, and shows them in a picture.

mod generate;
mod image_grid;
mod params;
mod sample_set;
mod sampler;

use burn::tensor::Device;
use igpt_contract::{
    Figure, In, KnownInputs, Model, Opt, Out, Palette, ParamError, Resources, Stage, StageContext,
    StageError, StageIo, StageSpec, Tokens,
};
use igpt_dataset::{PaletteTable, TokensWriter};
use igpt_model::{Decoder, Objective, flops, input_model, set_threads, tune_allocator};

pub use params::Params;

use sample_set::SampleSet;
use sampler::Sampler;

const MODEL: In<Model> = In::new("model", "the network, which must be autoregressive");
const PALETTE: In<Palette> = In::new("palette", "the palette of its tokens");
const TOKENS: Opt<Tokens> = Opt::new("tokens", "the images to complete, from the test split");
const GRID: Out<Figure> = Out::new(
    "grid",
    "`grid.png`: the sampled images; with `tokens`, one row per image: the given part, the completions, the original",
);
const SAMPLES: Out<Tokens> = Out::new(
    "samples",
    "the sampled images (split `train`, without labels); completions are views of their image (split `test`)",
);

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample;

impl Stage for Sample {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "sample",
            summary: "samples images from an autoregressive network, from scratch or as completions",
            // 2: probabilities below e^-50 are zero.
            version: 2,
            inputs: vec![MODEL.port(), PALETTE.port(), TOKENS.port()],
            outputs: vec![GRID.port(), SAMPLES.port()],
            seeded: true,
            // It computes on the CPU, whatever the device.
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

    fn flops(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        Some((params.rows * params.columns) as f64 * flops::forward(inputs.one(MODEL.name)?)?)
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        tune_allocator();
        set_threads(cx.threads());
        let (gpt, card) = input_model(io.input(&MODEL), &Device::flex())?;
        if card.objective == Objective::Bert {
            let what = "expected an autoregressive network, found a BERT network, which predicts each pixel from all \
                        others and cannot generate images in order";
            return Err(
                StageError::new(what).hint("use a network that was trained with `objective: autoregressive`")
            );
        }
        let palette = PaletteTable::read(io.input(&PALETTE))?;
        let samples = SampleSet::new(params, &card, &palette, io.optional(&TOKENS), cx)?;
        let decoder = Decoder::new(&gpt);
        drop(gpt);
        let mut sampler = Sampler::new(params.temperature, params.top_k);
        let drawn = generate::images(&decoder, &mut sampler, samples.prompts.clone(), params.batch, cx)?;

        let mut writer = TokensWriter::create(io.output(&SAMPLES), &samples.info)?;
        for (key, tokens) in samples.keys.iter().zip(&drawn) {
            writer.append(*key, tokens)?;
        }
        writer.finish()?;
        samples
            .picture(params, &palette.rgb(), &drawn)
            .save_with_format(io.output(&GRID).join("grid.png"), image::ImageFormat::Png)
            .map_err(|error| StageError::caused("cannot write `grid.png`", error))
    }
}

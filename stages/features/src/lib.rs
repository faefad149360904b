//! Stage `features`: the features f^l of images, for every layer of a network at once (paper
//! section 2.4), as the input of linear probes.

mod extract;
mod params;

use igpt_contract::{
    FeatureLayers, In, Known, KnownInputs, KnownOutputs, Memory, Misfit, Model, Out, ParamError, Resources,
    Shape, Stage, StageContext, StageError, StageIo, StageSpec, Tokens, stream,
};
use igpt_dataset::{LayerInfo, TokensReader};
use igpt_model::{ModelCard, Objective, Ops, flops, input_model, memory, prepare};

pub use params::Params;

use extract::{Extractor, Masks};

const MODEL: In<Model> = In::new("model", "the network");
const TOKENS: In<Tokens> =
    In::new("tokens", "the images, as tokens of the palette that the network was trained on");
const LAYERS: Out<FeatureLayers> =
    Out::new("layers", "the features of all images, a part for each layer (`layers/0` to `layers/L`)");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Features;

impl Stage for Features {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "features",
            summary: "extracts the features of images in every layer of a network",
            // 2: a number of images is drawn, no longer the first.
            // 3: probabilities below e^-50 are zero.
            // 4: the Parquet files say what they are.
            // 5: and the name of the network's size.
            version: 5,
            inputs: vec![MODEL.port(), TOKENS.port()],
            outputs: vec![LAYERS.port()],
            seeded: false,
            device_dependent: true,
            isolated: false,
            unkeyed: &["batch"],
            resources: Resources { cpus: 0, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn flops(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        Some(images(params, inputs).images()? as f64 * flops::forward(inputs.one(MODEL.name)?)?)
    }

    fn memory(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<Memory> {
        let network = inputs.one(MODEL.name)?;
        memory::of_inference(0.0, network, params.batch)
    }

    fn foresee(&self, params: &Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        let n_layer = inputs.one(MODEL.name).and_then(|model| model.n_layer);
        let layers = match (params.layers.as_slice(), n_layer) {
            ([], None) => return KnownOutputs::new(),
            ([], Some(n_layer)) => (0..=n_layer).collect(),
            (layers, _) => layers.to_vec(),
        };
        let parts = layers.iter().map(ToString::to_string);
        let shape = Shape { width: inputs.shape(MODEL.name).width, ..images(params, inputs) };
        [(LAYERS.name, Known::with_parts(parts).shaped(shape))].into()
    }

    fn misfits(&self, params: &Params, inputs: &KnownInputs<'_>) -> Vec<Misfit> {
        let n_layer = inputs.one(MODEL.name).and_then(|model| model.n_layer);
        match (params.layers.last(), n_layer) {
            (Some(&last), Some(n_layer)) if last > n_layer => {
                let path = format!("layers.{}", params.layers.len() - 1);
                vec![Misfit { path, port: MODEL.name, what: no_layer(last, n_layer), name: None }]
            }
            _ => Vec::new(),
        }
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let device = prepare(cx)?.device;
        let ops = Ops::with(&device, params.precision)
            .map_err(|error| StageError::caused("the device does not support `precision`", error))?;
        let (gpt, card) = input_model(io.input(&MODEL), &device)?;
        let gpt = gpt.with_ops(ops);
        let reader = TokensReader::open(io.input(&TOKENS))?;
        let tokens = reader.info();
        card.check_tokens(tokens.palette, tokens.height, tokens.width, tokens.vocab)?;
        let layers = layers(params, &card)?;
        let info = LayerInfo {
            name: tokens.name.clone(),
            classes: tokens.classes.clone(),
            sets: tokens.sets.clone(),
            dim: card.config.n_embd,
            layer: 0,
            joined: Vec::new(),
            n_layer: card.config.n_layer,
            n_embd: card.config.n_embd,
            preset: card.config.named_size().map(|preset| preset.as_str().to_owned()),
            pooling: "mean".to_owned(),
            norm: "pre".to_owned(),
            objective: card.objective.as_str().to_owned(),
        };
        let masks = (card.objective == Objective::Bert).then(|| Masks {
            stream: stream(params.mask_seed, "evaluation masks"),
            probability: params.mask_probability,
            of_test: u64::from(params.evaluation_masks),
        });
        let extractor = Extractor { gpt: &gpt, device: &device, masks, layers, info };
        extract::write_layers(&extractor, params, &reader, io.output(&LAYERS), cx)
    }
}

/// How many images are read, masks counted.
fn images(params: &Params, inputs: &KnownInputs<'_>) -> Shape {
    let tokens = inputs.shape(TOKENS.name);
    let some = |all: Option<u64>, asked: usize| match asked {
        0 => all,
        asked => Some(all.map_or(asked as u64, |all| all.min(asked as u64))),
    };
    Shape {
        train: some(tokens.train, params.train_images),
        test: some(tokens.test, params.test_images),
        ..tokens
    }
}

/// The layers that were asked for.
fn layers(params: &Params, card: &ModelCard) -> Result<Vec<usize>, StageError> {
    let n_layer = card.config.n_layer;
    match params.layers.last() {
        None => Ok((0..=n_layer).collect()),
        Some(&last) if last > n_layer => Err(StageError::new(no_layer(last, n_layer))),
        Some(_) => Ok(params.layers.clone()),
    }
}

fn no_layer(layer: usize, n_layer: usize) -> String {
    format!("`layers` names layer {layer}, expected 0 to {n_layer}, the layers of the network")
}

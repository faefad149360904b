//! Stage `publish`: a network and its palette as a folder that transformers loads.
//!
//! The layout is in `igpt-released`.

use burn::tensor::Device;
use igpt_contract::{
    AnyFile, In, Model, Out, Palette, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};
use igpt_dataset::PaletteTable;
use igpt_model::input_model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MODEL: In<Model> = In::new("model", "the network: autoregressive, of the variant `released`");
const PALETTE: In<Palette> = In::new("palette", "the palette of its tokens");
const FOLDER: Out<AnyFile> = Out::new(
    "folder",
    "`model.safetensors`, `config.json` and `preprocessor_config.json` for transformers' ImageGPT; with a class \
     head also `modeling_igpt_flow.py`, with which `AutoModelForImageClassification` and `trust_remote_code=True` \
     read tokens as this network does, and a `README.md` on loading",
);

/// `publish` has no parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Publish;

impl Stage for Publish {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "publish",
            summary: "writes a network and its palette as a folder that transformers loads as ImageGPT",
            // 2: a classifier's folder names the classes and holds the code that puts the start token first.
            version: 2,
            inputs: vec![MODEL.port(), PALETTE.port()],
            outputs: vec![FOLDER.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 1024, gpus: 0 },
        }
    }

    fn run(&self, _: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let (gpt, card) = input_model(io.input(&MODEL), &Device::flex())?;
        let palette = PaletteTable::read(io.input(&PALETTE))?;
        cx.check()?;
        igpt_released::write(io.output(&FOLDER), &gpt, &card, &palette)
    }
}

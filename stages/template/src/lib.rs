//! Stage `template`: a stage to copy, as CONTRIBUTING.md says. It measures how bright images are, and is
//! compiled and tested with the others, but in no pipeline's catalog.

mod brightness;

use igpt_contract::{
    ImageSet, In, Metrics, Out, ParamError, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// The ports: what flows in and out, with a line for `igpt-flow stages template`.
const IMAGES: In<ImageSet> = In::new("images", "images of any sizes");
const METRICS: Out<Metrics> = Out::new("metrics", "`brightness.train` and `brightness.test`, in [0, 1]");

/// What `template` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many images of each split to use, from the first; 0 uses all (default: all).
    pub images: u64,
    /// The share of the brightest and of the darkest pixels to leave out, in [0, 0.5) (default: 0).
    pub trim: f64,
}

// Parameters at their default are not part of the key: a new one with a default changes no key.
impl Default for Params {
    fn default() -> Self {
        Self { images: 0, trim: 0.0 }
    }
}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Template;

impl Stage for Template {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "template",
            summary: "measures how bright images are",
            // Raised whenever the same inputs and parameters make other bytes.
            version: 1,
            inputs: vec![IMAGES.port()],
            outputs: vec![METRICS.port()],
            // Whether the seed, or the device, decides the outputs: then it is part of the key.
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 256, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        if (0.0..0.5).contains(&params.trim) {
            return Ok(());
        }
        Err(ParamError::at("trim", format!("expected a share in [0, 0.5), found {}", params.trim)))
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let metrics = brightness::measure(params, io.input(&IMAGES), cx)?;
        Ok(metrics.write(io.output(&METRICS))?)
    }
}

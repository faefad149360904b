//! Stage `pixels`: the raw pixels of images as features, the baseline for linear probes of a network's
//! features.

mod flatten;
mod params;

use igpt_contract::{
    FeatureLayer, ImageSet, In, Out, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};

pub use params::Params;

const IMAGES: In<ImageSet> = In::new("images", "images, all of one size");
const LAYER: Out<FeatureLayer> = Out::new("layer", "the pixels of each image, as features for a probe");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pixels;

impl Stage for Pixels {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "pixels",
            summary: "uses raw pixels as features, the baseline for linear probes",
            // 2: a number of images is drawn, no longer the first. 3: JPEGs that were decoded wrongly are
            // right.
            version: 3,
            inputs: vec![IMAGES.port()],
            outputs: vec![LAYER.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 512, gpus: 0 },
        }
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        flatten::flatten(params, io.input(&IMAGES), io.output(&LAYER), cx)
    }
}

//! Stage `pixels`: the raw pixels of images as features, the baseline that a linear probe of a
//! network's features has to beat.

mod flatten;

use igpt_contract::{
    FeatureLayer, ImageSet, In, Out, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const IMAGES: In<ImageSet> = In::new("images", "images, all of one size");
const LAYER: Out<FeatureLayer> = Out::new("layer", "the pixels of each image, as features for a probe");

/// What `pixels` takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The side that the images must have, in pixels; 0 takes any, as long as it is one. A guard
    /// only: `augment` resizes.
    pub side: u32,
    /// How many training images to take, all views of each; 0 takes all. They are drawn from the
    /// labelled ones with `label_seed`, as `features` draws them.
    pub train_images: usize,
    /// How many test images to take, evenly spaced; 0 takes all.
    pub test_images: usize,
    /// The seed of the draw of training images, apart from the pipeline's.
    pub label_seed: u64,
}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pixels;

impl Stage for Pixels {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "pixels",
            summary: "takes raw pixels as features, the baseline of a linear probe",
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

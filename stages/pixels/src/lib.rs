//! Stage `pixels`: the raw pixels of images as features, the baseline for linear probes of a network's
//! features.

mod flatten;
mod params;

use igpt_contract::{
    FeatureLayer, ImageSet, In, Known, KnownInputs, KnownOutputs, Out, Resources, Shape, Stage, StageContext,
    StageError, StageIo, StageSpec,
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
            // 4: the Parquet file says what it is.
            version: 4,
            inputs: vec![IMAGES.port()],
            outputs: vec![LAYER.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 512, gpus: 0 },
        }
    }

    fn foresee(&self, params: &Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        let images = inputs.shape(IMAGES.name);
        let pixels = if params.side == 0 { images.positions } else { Some(u64::from(params.side).pow(2)) };
        let shape = Shape { width: pixels.map(|pixels| 3 * pixels), ..images };
        [(LAYER.name, Known::default().shaped(shape))].into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        flatten::flatten(params, io.input(&IMAGES), io.output(&LAYER), cx)
    }
}

//! Stage `augment`: resizes and crops images, at the centre or at random (section 3.1: "we randomly resize an image such that the shorter sidelength is in the range [256, 384] and
//! then take a random 224 x 224 crop. When evaluating on ImageNet, we resize the image such that the
//! shorter sidelength is 224, and use the single 224 x 224 center crop"), and then down to the
//! model's input resolution (section 3.2).

mod filter;
mod params;
mod resample;
#[cfg(target_arch = "x86_64")]
mod resample_avx2;
mod resize;
mod taps;
mod views;

use igpt_contract::{
    ImageSet, In, Known, KnownInputs, KnownOutputs, Out, ParamError, Resources, Shape, Stage, StageContext,
    StageError, StageIo, StageSpec,
};
use igpt_dataset::{ImageRow, ImageSetReader, ImageSetWriter};

pub use filter::Filter;
pub use params::{Crop, Params};
pub use resize::{ResizeError, Window, centre_offset, fit_shorter_side, resize_and_crop, resize_square};
use views::ViewMaker;

/// What resampling costs, for each pixel that is read.
const FLOPS_OF_PIXEL: f64 = 200.0;

const SOURCE: In<ImageSet> = In::new("images", "images of any size");
const IMAGES: Out<ImageSet> = Out::new("images", "the same images at `side` x `side` pixels");

/// Images that are decoded and resized at once; fewer if their files exceed so many bytes.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 1 << 26;

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Augment;

impl Stage for Augment {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "augment",
            summary: "resizes and crops images to the input resolution, optionally in several random views",
            // 2: the resampler computes as Pillow does, to the last bit. 3: rows keep their names and are
            // turned upright; JPEGs with halved chroma are right at their edges.
            version: 3,
            inputs: vec![SOURCE.port()],
            outputs: vec![IMAGES.port()],
            seeded: true,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 0, memory_mib: 1024, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn flops(&self, _: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        Some(inputs.shape(SOURCE.name).pixels()? * FLOPS_OF_PIXEL)
    }

    fn foresee(&self, params: &Params, inputs: &KnownInputs<'_>) -> KnownOutputs {
        let source = inputs.shape(SOURCE.name);
        let shape = Shape {
            train: source.train.map(|images| images * u64::from(params.views)),
            positions: Some(u64::from(params.side).pow(2)),
            ..source
        };
        [(IMAGES.name, Known::default().shaped(shape))].into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let pool = cx.thread_pool()?;
        let reader = ImageSetReader::open(io.input(&SOURCE))?;
        let mut writer = ImageSetWriter::create(io.output(&IMAGES), reader.info())?;
        let maker = ViewMaker { params, seed: cx.seed() };
        let total = reader.counts().total();
        let mut rows = reader.rows();
        let mut done = 0;
        loop {
            cx.check()?;
            cx.progress(done, total, "images");
            let mut batch: Vec<ImageRow> = Vec::new();
            let mut bytes = 0;
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Some(row) = rows.next().transpose()? else { break };
                bytes += row.pixels.len();
                batch.push(row);
            }
            if batch.is_empty() {
                break;
            }
            for views in pool.install(|| views::views(&maker, &batch)) {
                for row in views? {
                    writer.append(row)?;
                }
            }
            done += batch.len() as u64;
        }
        writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

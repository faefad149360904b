//! Stage `augment`: brings images to one size, cropped at the centre or at random (paper section
//! 3.1: "we randomly resize an image such that the shorter sidelength is in the range [256, 384] and
//! then take a random 224 x 224 crop. When evaluating on ImageNet, we resize the image such that the
//! shorter sidelength is 224, and use the single 224 x 224 center crop"), and down to the model's
//! input resolution (section 3.2).

mod resample;
mod resize;
mod views;

use igpt_contract::{
    ImageSet, In, Out, ParamError, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};
use igpt_dataset::{ImageRow, ImageSetReader, ImageSetWriter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use resize::{
    Filter, ResizeError, Window, centre_offset, fit_shorter_side, resize_and_crop, resize_square,
};
pub use views::Recipe;

const SOURCE: In<ImageSet> = In::new("images", "images of any size");
const IMAGES: Out<ImageSet> = Out::new("images", "the same images at `side` x `side` pixels");

/// Images that are decoded and resized at once; fewer where their files take more than so many bytes.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 1 << 26;

/// What part of an image is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// All of it; the images must be square.
    None,
    /// The central square after resizing the shorter side to `resize_to`.
    Centre,
    /// Training images: squares at random after resizing the shorter side at random, `views` of each
    /// image. Test images: as `centre`.
    Random,
}

/// Parameters of the stage. For CIFAR at 16 x 16 `side: 16` is all that is needed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The side of the resulting images in pixels, 1 to 64. The paper's input resolutions are 32, 48
    /// and 64 (section 3.2).
    pub side: u32,
    /// `none`, `centre` or `random`. The paper crops ImageNet's images at random for training and at
    /// the centre for evaluation (section 3.1).
    pub crop: Crop,
    /// The shorter side in pixels that the centre crop is taken from (section 3.1: 224).
    pub resize_to: u32,
    /// The range of the shorter side in pixels, both ends included, that random crops are taken from
    /// (section 3.1: 256 to 384).
    pub resize_range: [u32; 2],
    /// The side of the crop in pixels (section 3.1: 224).
    pub crop_size: u32,
    /// Random crops of each training image, at least 1; training takes another one in each epoch and
    /// starts again when they are used up.
    pub views: u16,
    /// The filter of the resize before the crop; the paper names none.
    pub filter: Filter,
    /// The filter down to `side`; the paper names none.
    pub down_filter: Filter,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            side: 32,
            crop: Crop::None,
            resize_to: 224,
            resize_range: [256, 384],
            crop_size: 224,
            views: 1,
            filter: Filter::Bicubic,
            down_filter: Filter::Box,
        }
    }
}

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Augment;

impl Stage for Augment {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "augment",
            summary: "resizes and crops images to the input resolution, in several random views if asked",
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
        let refuse = |path: &str, what: String| Err(ParamError::at(path, what));
        let Params { side, crop, resize_to, resize_range: [low, high], crop_size, views, .. } = *params;
        if !(1..=64).contains(&side) {
            return refuse("side", format!("expected 1 to 64 pixels, found {side}"));
        }
        if views == 0 || (views > 1 && crop != Crop::Random) {
            return refuse("views", format!("expected 1, or more with `crop: random`, found {views}"));
        }
        if crop == Crop::None {
            return Ok(());
        }
        if !(1..=4096).contains(&crop_size) {
            return refuse("crop_size", format!("expected 1 to 4096 pixels, found {crop_size}"));
        }
        if resize_to > 4096 {
            return refuse("resize_to", format!("expected at most 4096 pixels, found {resize_to}"));
        }
        if crop_size > resize_to {
            return refuse(
                "crop_size",
                format!("expected at most `resize_to` ({resize_to}), found {crop_size}"),
            );
        }
        if crop == Crop::Random && !(crop_size <= low && low <= high && high <= 4096) {
            let what =
                format!("expected {crop_size} (`crop_size`) <= low <= high <= 4096, found [{low}, {high}]");
            return refuse("resize_range", what);
        }
        Ok(())
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let pool = cx.thread_pool()?;
        let reader = ImageSetReader::open(io.input(&SOURCE))?;
        let mut writer = ImageSetWriter::create(io.output(&IMAGES), reader.info())?;
        let recipe = Recipe { params, seed: cx.seed() };
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
            for views in pool.install(|| views::views(&recipe, &batch)) {
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

//! The parameters of `pixels`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `pixels`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The required side of the images in pixels; 0 accepts any single size. This is only a check:
    /// `augment` resizes.
    pub side: u32,
    /// The number of training images, with all views of each; 0 means all. They are drawn from the
    /// labelled ones with `label_seed`, as in `features`.
    pub train_images: usize,
    /// The number of test images, evenly spaced; 0 means all.
    pub test_images: usize,
    /// The seed of the draw of training images, independent of the pipeline's seed.
    pub label_seed: u64,
}

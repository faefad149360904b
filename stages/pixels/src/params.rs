//! The parameters of `pixels`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

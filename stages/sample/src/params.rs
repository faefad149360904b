//! The parameters of `sample`.

use igpt_contract::ParamError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `sample` takes. `rows` times `columns` images are drawn: from nothing or, where `tokens`
/// are wired, as completions of real images, a row for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Rows of the picture; with `tokens` the test images that are completed.
    pub rows: usize,
    /// Drawn images in a row; with `tokens` the completions of each image.
    pub columns: usize,
    /// With `tokens`: the share of an image's rows of pixels, from the top, that is given; the rest
    /// is drawn. Above 0 and below 1; at least one row is given and one drawn.
    pub keep: f64,
    /// With `tokens`: test images to pass over before the first that is completed.
    pub skip: usize,
    /// What logits are divided by before they become probabilities: below 1 likely colours become
    /// likelier. Above 0.
    pub temperature: f64,
    /// How many of the likeliest colours may be drawn at each pixel; 0 allows all.
    pub top_k: usize,
    /// Pixels of the picture a side for each pixel of an image, 1 to 64.
    pub scale: u32,
    /// Images that are drawn at once. Each takes memory for the keys and values of every layer: 8
    /// bytes times layers, width and positions. It changes no byte of the output: it enters no key.
    pub batch: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { rows: 8, columns: 8, keep: 0.5, skip: 0, temperature: 1.0, top_k: 0, scale: 4, batch: 32 }
    }
}

impl Params {
    /// Refuses values that make no sense.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let refuse = |name: &str, expected: &str, found: String| {
            Err(ParamError::at(name, format!("`{name}` is {found}, expected {expected}")))
        };
        for (name, value) in [("rows", self.rows), ("columns", self.columns)] {
            if !(1..=1000).contains(&value) {
                return refuse(name, "1 to 1000", value.to_string());
            }
        }
        if !(self.keep > 0.0 && self.keep < 1.0) {
            return refuse("keep", "a number between 0 and 1", self.keep.to_string());
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return refuse("temperature", "a number above 0", self.temperature.to_string());
        }
        if !(1..=64).contains(&self.scale) {
            return refuse("scale", "1 to 64 pixels", self.scale.to_string());
        }
        if self.batch == 0 {
            return refuse("batch", "at least 1 image", "0".to_owned());
        }
        Ok(())
    }
}

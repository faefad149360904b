//! The parameters of `sample`, and their checks.

use igpt_contract::ParamError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `sample`. It draws `rows` times `columns` images: from scratch or, where `tokens`
/// are connected, as completions of real images, one row per image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Rows of the picture; with `tokens`, how many test images to complete.
    pub rows: usize,
    /// Sampled images per row; with `tokens`, completions of each image.
    pub columns: usize,
    /// With `tokens`: the share of an image's pixel rows that is given, from the top; the rest is
    /// sampled. Above 0 and below 1; at least one row is given and at least one is sampled.
    pub keep: f64,
    /// With `tokens`: how many test images to skip before the first one.
    pub skip: usize,
    /// Sampling temperature, above 0: logits are divided by it. Below 1, likely colours become more
    /// likely.
    pub temperature: f64,
    /// Samples from the k most likely colours of each pixel; 0 samples from all.
    pub top_k: usize,
    /// The size of each image pixel in the picture, 1 to 64.
    pub scale: u32,
    /// Images sampled at once. Each needs memory for the keys and values of every layer: 8 bytes
    /// times layers, width and positions. Affects neither the output nor the cache key.
    pub batch: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { rows: 8, columns: 8, keep: 0.5, skip: 0, temperature: 1.0, top_k: 0, scale: 4, batch: 32 }
    }
}

impl Params {
    /// Checks the values.
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

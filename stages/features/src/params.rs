//! The parameters of `features`, and their checks.

use igpt_contract::ParamError;
use igpt_model::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `features`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The layers l (0 to L) whose features f^l to write, each as a part of the output; empty writes
    /// all. Layer l < L is the input of block l after its first norm; layer L is the output of the
    /// final norm (section 2.4).
    pub layers: Vec<usize>,
    /// How many training images to use, with all views of each; 0 uses all. They are drawn from the
    /// labelled images with `label_seed`: the same images that a probe draws if its `train_rows` and
    /// seed are the same.
    pub train_images: usize,
    /// How many test images to use, evenly spaced; 0 uses all.
    pub test_images: usize,
    /// The seed for drawing training images, separate from the pipeline's.
    pub label_seed: u64,
    /// For a BERT network: the share of tokens to mask, as in training. The paper uses 0.15 (section
    /// 2.1), at evaluation too (section 4.6). Has no effect on an autoregressive network.
    pub mask_probability: f64,
    /// For a BERT network: the seed of the masks.
    pub mask_seed: u64,
    /// For a BERT network: the number of independent masks for each test image, written as its views
    /// 0, 1, ...; a probe then votes over them. The paper tries 5 (section 4.6). Training images have
    /// one mask. Has no effect on an autoregressive network.
    pub evaluation_masks: u16,
    /// The precision inside transformer blocks: `f32` or `bf16`, as in `pretrain`; features are
    /// averaged in f32. `bf16` needs LibTorch.
    pub precision: Precision,
    /// Images per forward pass. Affects neither the output nor the cache key.
    pub batch: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            train_images: 0,
            test_images: 0,
            label_seed: 0,
            mask_probability: 0.15,
            mask_seed: 0,
            evaluation_masks: 1,
            precision: Precision::F32,
            batch: 64,
        }
    }
}

impl Params {
    /// Checks the values.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let refuse = |name: &str, expected: &str, found: String| {
            Err(ParamError::at(name, format!("`{name}` is {found}, expected {expected}")))
        };
        if !self.layers.windows(2).all(|pair| pair[0] < pair[1]) {
            return refuse("layers", "layers in rising order, each once", format!("{:?}", self.layers));
        }
        if !(self.mask_probability > 0.0 && self.mask_probability < 1.0) {
            return refuse("mask_probability", "a number between 0 and 1", self.mask_probability.to_string());
        }
        if self.evaluation_masks == 0 {
            return refuse("evaluation_masks", "at least 1", "0".to_owned());
        }
        if self.batch == 0 {
            return refuse("batch", "at least 1 image", "0".to_owned());
        }
        Ok(())
    }
}

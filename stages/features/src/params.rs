//! The parameters of `features`.

use igpt_contract::ParamError;
use igpt_model::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `features` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The layers l, 0 to L, whose features f^l are written, each a part of the output; empty
    /// takes all. Layer l < L is the input of block l after its first norm, layer L the output
    /// behind the final norm (section 2.4).
    pub layers: Vec<usize>,
    /// How many training images to take, all views of each; 0 takes all. They are drawn from the
    /// labelled ones with `label_seed`: the images that a probe's `train_rows` draws from all.
    pub train_images: usize,
    /// How many test images to take, evenly spaced; 0 takes all.
    pub test_images: usize,
    /// The seed of the draw of training images, apart from the pipeline's.
    pub label_seed: u64,
    /// For a BERT network: the share of each image's tokens that is hidden, as in its training
    /// (section 4.6 masks inputs at evaluation too; 0.15). Without meaning for an autoregressive one.
    pub mask_probability: f64,
    /// For a BERT network: which draw of the masks.
    pub mask_seed: u64,
    /// For a BERT network: independent masks under which each test image is shown, written as its
    /// views 0, 1, ...; a probe then votes over them (section 4.6 tries 5). Training images are
    /// shown under one. Without meaning for an autoregressive network.
    pub evaluation_masks: u16,
    /// `f32`, or `bf16` for bfloat16 inside of blocks, as in `pretrain`; features are pooled in f32.
    /// Only on LibTorch's devices.
    pub precision: Precision,
    /// Images in a forward pass. It costs memory, gains little, and changes no byte of the output:
    /// it enters no key.
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
    /// Refuses values that make no sense.
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

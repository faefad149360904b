//! The parameters of `storyboard`, and their checks.

use igpt_contract::ParamError;
use igpt_dataset::Split;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `storyboard`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many images to show, one per row: 1 to 12.
    pub images: usize,
    /// The ids of the images to show. Default: images drawn with the seed.
    pub ids: Vec<u64>,
    /// The split to take the images from.
    pub split: SplitName,
    /// The share of the sequence that the autoregressive objective has seen when it predicts the framed
    /// pixel.
    pub context: f64,
    /// The share of pixels to mask for BERT. The paper uses 0.15 (section 2.1).
    pub mask_probability: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { images: 3, ids: Vec::new(), split: SplitName::Test, context: 0.6, mask_probability: 0.15 }
    }
}

/// A split of an image set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// Training images.
    Train,
    /// Test images.
    #[default]
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Test => Self::Test,
        }
    }
}

/// The most rows: more do not fit on a page.
pub(crate) const MOST: usize = 12;

/// Checks the values.
pub(crate) fn check(params: &Params) -> Result<(), ParamError> {
    if !(1..=MOST).contains(&params.images) {
        let what = format!("expected 1 to {MOST} images, found {}", params.images);
        return Err(ParamError::at("images", what));
    }
    if params.ids.len() > MOST {
        let what = format!("expected at most {MOST} images, found {}", params.ids.len());
        return Err(ParamError::at("ids", what));
    }
    if let Some(id) = params.ids.iter().enumerate().find(|(i, id)| params.ids[..*i].contains(id)) {
        return Err(ParamError::at("ids", format!("{} is given twice", id.1)));
    }
    for (name, share) in [("context", params.context), ("mask_probability", params.mask_probability)] {
        if !(0.0..1.0).contains(&share) {
            return Err(ParamError::at(name, format!("expected a share from 0 to below 1, found {share}")));
        }
    }
    Ok(())
}

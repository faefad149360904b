//! The parameters of `augment`.

use igpt_contract::ParamError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::Filter;

/// Which part of an image is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// The whole image, which must be square.
    None,
    /// The central square after resizing the shorter side to `resize_to`.
    Centre,
    /// Training images: `views` random squares of each image, after resizing the shorter side to a random
    /// length. Test images: as `centre`.
    Random,
}

/// Parameters of `augment`. For CIFAR at 16 x 16, `side: 16` is enough.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The side of the resulting images in pixels, 1 to 64 (section 3.2: 32, 48 and 64).
    pub side: u32,
    /// `none`, `centre` or `random` (section 3.1: ImageNet at random for training, at the centre for
    /// evaluation).
    pub crop: Crop,
    /// The length of the shorter side in pixels before a centre crop (section 3.1: 224).
    pub resize_to: u32,
    /// The range of the shorter side in pixels before a random crop, both ends included (section 3.1: 256
    /// to 384).
    pub resize_range: [u32; 2],
    /// The side of the crop in pixels (section 3.1: 224).
    pub crop_size: u32,
    /// The number of random crops of each training image, at least 1; each epoch of training uses the
    /// next crop, and starts over after the last.
    pub views: u16,
    /// The filter of the resize before the crop (not given in the paper).
    pub filter: Filter,
    /// The filter of the resize to `side` (not given in the paper).
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

impl Params {
    /// Refuses values that are out of range or make no sense together.
    ///
    /// # Errors
    /// The first parameter that is not valid.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let refuse = |path: &str, what: String| Err(ParamError::at(path, what));
        let Params { side, crop, resize_to, resize_range: [low, high], crop_size, views, .. } = *self;
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
}

//! Resampling filters.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A resampling filter. All are stretched when shrinking, so that every source pixel counts
/// (antialiasing), as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The mean of the covered pixels.
    Box,
    /// A triangle of radius 1.
    Bilinear,
    /// A cubic of radius 2 (a = -0.5, Catmull-Rom).
    Bicubic,
    /// A windowed sinc of radius 3.
    Lanczos,
}

impl Filter {
    /// The radius of the filter, in pixels of the larger of source and result.
    pub(crate) fn radius(self) -> f64 {
        match self {
            Self::Box => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The weight of a pixel at a distance.
    pub(crate) fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let d = x.abs();
        match self {
            // Of two pixels at a distance of one half, one counts.
            Self::Box => f64::from(u8::from(-0.5 < x && x <= 0.5)),
            Self::Bilinear => (1.0 - d).max(0.0),
            Self::Bicubic if d < 1.0 => (1.5 * d - 2.5) * d * d + 1.0,
            Self::Bicubic if d < 2.0 => -0.5 * (((d - 5.0) * d + 8.0) * d - 4.0),
            Self::Lanczos if d < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }
}

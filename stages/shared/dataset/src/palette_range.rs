//! The range of a palette file's numbers, and how it is detected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The range of a palette file's numbers, from black to white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PaletteRange {
    /// The range of the released palette.
    #[serde(rename = "-1..1")]
    Signed,
    /// The range of images as floats.
    #[serde(rename = "0..1")]
    Unit,
    /// The range of bytes.
    #[serde(rename = "0..255")]
    Levels,
}

impl PaletteRange {
    /// Its name in a pipeline.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "-1..1",
            Self::Unit => "0..1",
            Self::Levels => "0..255",
        }
    }

    pub(crate) fn bounds(self) -> (f64, f64) {
        match self {
            Self::Signed => (-1.0, 1.0),
            Self::Unit => (0.0, 1.0),
            Self::Levels => (0.0, 255.0),
        }
    }

    /// A value of this range in [-1, 1].
    pub(crate) fn signed(self, value: f64) -> f32 {
        let signed = match self {
            Self::Signed => value,
            Self::Unit => 2.0 * value - 1.0,
            Self::Levels => value / 127.5 - 1.0,
        };
        signed as f32
    }
}

/// How far rounding may exceed a range's ends, as a share of the distance from black to grey.
pub(crate) const ROUNDING: f64 = 0.001;

/// The only range that fits the numbers; else an error message and a hint.
pub(crate) fn range_of(colours: &[[f64; 3]]) -> Result<PaletteRange, (String, &'static str)> {
    let values = || colours.as_flattened().iter().copied();
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let (negative, above) = (low < -ROUNDING, high > 1.0 + ROUNDING);
    // Printed as short as in the file.
    let (least, most) = (low as f32, high as f32);
    if low < -1.0 - ROUNDING || high > 255.0 * (1.0 + ROUNDING) || (negative && above) {
        let what = format!(
            "expected colours in one of the ranges -1..1, 0..1 and 0..255, found values from {least} to {most}"
        );
        return Err((what, ""));
    }
    match (negative, above) {
        (true, _) => Ok(PaletteRange::Signed),
        (_, true) => Ok(PaletteRange::Levels),
        // An empty palette is refused for that.
        _ if colours.is_empty() => Ok(PaletteRange::Signed),
        _ => {
            let what = format!(
                "cannot tell the palette's range: its values are from {least} to {most}, which fits 0..1, -1..1 and \
                 0..255"
            );
            Err((what, "set the parameter `range`, for example `with: {range: 0..1}`"))
        }
    }
}

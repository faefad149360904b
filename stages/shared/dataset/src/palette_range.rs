//! The range in which a palette's file writes its colours, and how its numbers tell it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The numbers between which a palette's file writes its colours, from black to white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PaletteRange {
    /// As the released palette has it.
    #[serde(rename = "-1..1")]
    Signed,
    /// As images of floats have it.
    #[serde(rename = "0..1")]
    Unit,
    /// Levels of bytes.
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

/// What rounding may add to a range's ends, as a share of the distance from black to grey.
pub(crate) const ROUNDING: f64 = 0.001;

/// The one range that numbers leave, or what is wrong and what to do.
pub(crate) fn range_of(colours: &[[f64; 3]]) -> Result<PaletteRange, (String, &'static str)> {
    let values = || colours.as_flattened().iter().copied();
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let (negative, above) = (low < -ROUNDING, high > 1.0 + ROUNDING);
    // As short as the file has them.
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
                "no colour is below 0 and none above 1 (from {least} to {most}): is the palette in 0..1, \
                 -1..1 or 0..255?"
            );
            Err((what, "say it with the parameter `range`, as in `with: {range: 0..1}`"))
        }
    }
}

//! The parameters of `palette`.

use igpt_contract::ParamError;
use igpt_dataset::PaletteRange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `palette`. With a palette in `from` nothing is fitted: `colours` is the number it must have,
/// `range` the range of its numbers, and the other parameters are refused.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The number of colours, 2 to 65,535 (section 3.2: 512).
    pub colours: usize,
    /// The number of pixels to cluster, drawn without replacement from the training images; 0 means all,
    /// which costs little, as only distinct colours are visited.
    pub sample: u64,
    /// The maximum number of iterations of Lloyd's algorithm, at least 1.
    pub max_iterations: u32,
    /// The fit ends once the sum of the centres' squared moves is at most this times the mean variance of a
    /// channel (scikit-learn's rule and default). 0 ends it once nothing moves.
    pub tolerance: f64,
    /// The values of black and white in the palette of the input `from`: `-1..1` (the released palette),
    /// `0..1` or `0..255`. By default it is detected: a number below 0 means `-1..1`, one above 1 means
    /// `0..255`, transformers' `preprocessor_config.json` is `-1..1`; otherwise it is an error.
    pub range: Option<PaletteRange>,
}

impl Default for Params {
    fn default() -> Self {
        Self { colours: 512, sample: 0, max_iterations: 300, tolerance: 1e-4, range: None }
    }
}

impl Params {
    /// Refuses values that are out of range.
    ///
    /// # Errors
    /// The first parameter that is not valid.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let Self { colours, max_iterations, tolerance, .. } = *self;
        if !(2..=usize::from(u16::MAX)).contains(&colours) {
            return Err(ParamError::at("colours", format!("expected 2 to 65535 colours, found {colours}")));
        }
        if max_iterations == 0 {
            return Err(ParamError::at("max_iterations", "expected at least 1 iteration, found 0"));
        }
        if !(tolerance >= 0.0 && tolerance.is_finite()) {
            return Err(ParamError::at("tolerance", format!("expected a number ≥ 0, found {tolerance}")));
        }
        Ok(())
    }
}

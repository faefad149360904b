//! The parameters of `palette`.

use igpt_contract::ParamError;
use igpt_dataset::PaletteRange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the stage. With a palette wired to `from` nothing is fitted: `colours` may say how
/// many the palette must have and `range` how it is written, the others are refused.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Colours of the palette, 2 to 65,535. The paper's is 512 (section 3.2).
    pub colours: usize,
    /// Pixels that are clustered, drawn without replacement from those of the training images; 0
    /// takes all of them, which costs little: only distinct colours are visited.
    pub sample: u64,
    /// The most rounds of Lloyd's algorithm, at least 1.
    pub max_iterations: u32,
    /// The fit ends once the centres' squared moves in a round add up to at most this times the mean
    /// variance of a channel (scikit-learn's rule and default). 0: once nothing moves.
    pub tolerance: f64,
    /// Between which numbers a palette in `from` has its colours, from black to white: `-1..1` (the
    /// released palette), `0..1` or `0..255`. Left out, the numbers must tell: one below 0 means
    /// `-1..1`, one above 1 means `0..255`, transformers' `preprocessor_config.json` is `-1..1`;
    /// anything else is an error that asks.
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
            return Err(ParamError::at("max_iterations", "expected at least 1 round, found 0"));
        }
        if !(tolerance >= 0.0 && tolerance.is_finite()) {
            return Err(ParamError::at("tolerance", format!("expected 0 or more, found {tolerance}")));
        }
        Ok(())
    }
}

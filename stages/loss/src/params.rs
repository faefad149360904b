//! What a pipeline may ask of a measurement.

use igpt_contract::{ParamError, Validation};
use igpt_corpus::Selection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `loss`. Defaults are those of `pretrain`, so that it looks at the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which training images are held out, in each image set.
    pub validation: Validation,
    /// Held-out images that are looked at, evenly spaced; 0 takes all.
    pub validation_rows: usize,
    /// Test images that are looked at, evenly spaced; 0 takes all.
    pub test_rows: usize,
    /// Training images that are looked at too, evenly spaced; 0 leaves `loss.train` out.
    pub train_rows: usize,
    /// For a BERT network: the probability with which a position is masked (0.15, section 2.1).
    pub mask_probability: f64,
    /// Images in a forward pass. With that of the pre-training (by its `accumulation`) even rounding
    /// agrees.
    pub batch: usize,
    /// The most memory that tokens may take, in MiB. Steers execution only: it enters no key.
    pub memory_mib: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            validation: Validation::default(),
            validation_rows: 2000,
            test_rows: 2000,
            train_rows: 0,
            mask_probability: 0.15,
            batch: 128,
            memory_mib: 4096,
        }
    }
}

impl Params {
    /// Which images are used; of the training images all, from which the stage takes its own.
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            validation: self.validation,
            validation_rows: self.validation_rows,
            test_rows: self.test_rows,
            train_rows: 0,
            memory_mib: self.memory_mib,
        }
    }

    /// Refuses values that make no sense.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let refuse = |name: &str, expected: &str, found: String| {
            Err(ParamError::at(name, format!("`{name}` is {found}, expected {expected}")))
        };
        if !(0.0..1.0).contains(&self.validation.fraction) {
            let found = self.validation.fraction.to_string();
            return refuse("validation.fraction", "a number from 0 to below 1", found);
        }
        if !(self.mask_probability > 0.0 && self.mask_probability < 1.0) {
            return refuse("mask_probability", "a number between 0 and 1", self.mask_probability.to_string());
        }
        if self.batch == 0 {
            return refuse("batch", "at least 1 image", "0".to_owned());
        }
        Ok(())
    }
}

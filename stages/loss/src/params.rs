//! The parameters of `loss`, and their checks.

use igpt_contract::{ParamError, Validation};
use igpt_corpus::Selection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `loss`. Defaults are those of `pretrain`, so that both evaluate the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which training images to hold out, in each image set.
    pub validation: Validation,
    /// How many held-out images to evaluate, evenly spaced; 0 evaluates all.
    pub validation_rows: usize,
    /// How many test images to evaluate, evenly spaced; 0 evaluates all.
    pub test_rows: usize,
    /// How many training images to evaluate, evenly spaced; 0 omits `loss.train`.
    pub train_rows: usize,
    /// For a BERT network: the probability that a position is masked. The paper uses 0.15 (section
    /// 2.1). Has no effect on an autoregressive network.
    pub mask_probability: f64,
    /// Images per forward pass. With the batch size of pre-training (divided by its `accumulation`),
    /// losses match those of pre-training bit for bit.
    pub batch: usize,
    /// Maximum memory for tokens, in MiB; larger sets are read from a scratch file, with the same
    /// results. Does not affect the cache key.
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
    /// Which images are read: all training images, of which the stage then takes `train_rows`.
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            validation: self.validation,
            validation_rows: self.validation_rows,
            test_rows: self.test_rows,
            train_rows: 0,
            memory_mib: self.memory_mib,
        }
    }

    /// Checks the values.
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

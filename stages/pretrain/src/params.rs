//! What a pipeline may ask of pre-training, and what makes no sense.

use std::collections::BTreeSet;

use igpt_contract::{ParamError, Validation};
use igpt_corpus::Selection;
use igpt_model::loss::BertReduction;
use igpt_model::{ModelParams, Objective, Precision};
use igpt_optim::{Decay, MOST_IMAGES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the stage `pretrain`. Defaults are the paper's (sections 2.1, 3.3 and 3.4) where
/// it has them, but for the size of the network and the number of steps, which suit a CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The network: a preset (`tiny`, `small`, `igpt-s`, `igpt-m`, `igpt-l`, `igpt-xl`) and what
    /// differs from it. Positions and colours come from the tokens.
    pub model: ModelParams,
    /// `autoregressive` or `bert` (paper section 2.1).
    pub objective: Objective,
    /// For `bert`: the probability with which a position is masked. 0.15 (paper section 2.1;
    /// appendix A.1 tries 0.15 to 0.35).
    pub mask_probability: f64,
    /// For `bert`: `mean` over an image's masked positions (the released code) or their `sum` (the
    /// paper's formula). Reported losses are the mean in either case.
    pub bert_loss: BertReduction,
    /// Steps (updates). 0 leaves the network untrained, for baselines. The paper trains for
    /// 1,000,000 (XL: 2,000,000).
    pub steps: u64,
    /// Images in a step. 128 (paper section 3.4; XL: 64).
    pub batch: usize,
    /// What blocks compute in: `f32`, or `bf16` with parameters, gradients and losses in f32 (about
    /// twice as fast on GPUs; needs one).
    pub precision: Precision,
    /// Micro-batches that a step's images are computed in, one after the other: less memory, the
    /// same images and masks and the same mathematics (dropout, where used, drops other elements).
    pub accumulation: usize,
    /// Keeps no more of a pass than what enters each block, and computes blocks again for their
    /// gradients: far less memory, a third more time, the same numbers. Steers execution only: it
    /// enters no key.
    pub recompute: bool,
    /// The peak learning rate. 0.003 for iGPT-S and M, 0.001 for L (paper section 3.3). The input
    /// `choice` takes its place.
    pub learning_rate: f64,
    /// Steps of linear warm-up. Unless given, one epoch (paper section 3.3), but at most a
    /// twentieth of all steps.
    pub warmup_steps: Option<u64>,
    /// What follows the warm-up: `cosine` to 0 (paper section 3.3) or `constant`.
    pub decay: Decay,
    /// Adam's decay of the mean of gradients. 0.9 (paper section 3.3).
    pub beta1: f64,
    /// Adam's decay of the mean of squared gradients. 0.95 (paper section 3.3; the usual 0.999 is
    /// what it is compared with).
    pub beta2: f64,
    /// Adam's epsilon, added to the root. 1e-8.
    pub epsilon: f64,
    /// Decoupled weight decay of matrices. 0; the paper's appendix A.1 tries 0.01.
    pub weight_decay: f64,
    /// Dropout of embeddings and of what blocks add. 0 in the paper's pre-training.
    pub dropout: f64,
    /// The largest global norm of the gradients; 0 clips nothing, as in the paper.
    pub clip: f64,
    /// Which training images are held out for the validation loss, in each image set.
    pub validation: Validation,
    /// Steps between validations; 0 validates at the end alone.
    pub validate_every: u64,
    /// Held-out images that a validation looks at, evenly spaced; 0 takes all.
    pub validation_rows: usize,
    /// Test images that the final test loss looks at, evenly spaced; 0 takes all.
    pub test_rows: usize,
    /// Training images to use, drawn at random; 0 takes all. For experiments.
    pub train_rows: usize,
    /// Steps whose models are kept as parts of the output `checkpoints`, besides the last.
    pub keep: Vec<u64>,
    /// Steps that are powers of two are kept too, from this one on; 0 keeps none of them.
    pub keep_powers_from: u64,
    /// Steps between checkpoints to resume from, after a crash or an interruption; 0 writes them
    /// on interruption alone. Steers execution only: it enters no key.
    pub checkpoint_every: u64,
    /// The most memory that tokens may take, in MiB. Steers execution only: it enters no key.
    pub memory_mib: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            model: ModelParams::default(),
            objective: Objective::default(),
            mask_probability: 0.15,
            bert_loss: BertReduction::default(),
            steps: 1000,
            batch: 128,
            precision: Precision::F32,
            accumulation: 1,
            recompute: false,
            learning_rate: 0.003,
            warmup_steps: None,
            decay: Decay::default(),
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.0,
            dropout: 0.0,
            clip: 0.0,
            validation: Validation::default(),
            validate_every: 500,
            validation_rows: 2000,
            test_rows: 2000,
            train_rows: 0,
            keep: Vec::new(),
            keep_powers_from: 128,
            checkpoint_every: 200,
            memory_mib: 4096,
        }
    }
}

impl Params {
    /// Refuses values that make no sense.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let refuse = |name: &str, expected: &str, found: String| {
            Err(ParamError::at(name, format!("`{name}` is {found}, expected {expected}")))
        };
        // A network of one position and one colour fails only where the model itself makes no sense.
        if let Err(error) = self.model.config(1, 1) {
            return Err(ParamError::at("model", error.to_string()));
        }
        for (name, value) in [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("dropout", self.dropout),
            ("validation.fraction", self.validation.fraction),
        ] {
            if !(0.0..1.0).contains(&value) {
                return refuse(name, "a number from 0 to below 1", value.to_string());
            }
        }
        for (name, value) in [("weight_decay", self.weight_decay), ("clip", self.clip)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(name, "a number of at least 0", value.to_string());
            }
        }
        for (name, value) in [("learning_rate", self.learning_rate), ("epsilon", self.epsilon)] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(name, "a number above 0", value.to_string());
            }
        }
        if !(self.mask_probability > 0.0 && self.mask_probability < 1.0) {
            return refuse("mask_probability", "a number between 0 and 1", self.mask_probability.to_string());
        }
        if !(1..=MOST_IMAGES).contains(&self.batch) {
            return refuse("batch", &format!("1 to {MOST_IMAGES} images"), self.batch.to_string());
        }
        if !(1..=self.batch).contains(&self.accumulation) {
            return refuse("accumulation", "1 to `batch` micro-batches", self.accumulation.to_string());
        }
        if let Some(step) = self.keep.iter().find(|step| **step > self.steps) {
            return refuse("keep", "steps of the training (0 to `steps`)", step.to_string());
        }
        if let Some(warmup) = self.warmup_steps.filter(|warmup| *warmup > self.steps) {
            return refuse("warmup_steps", "at most `steps`", warmup.to_string());
        }
        Ok(())
    }

    /// Which images are used.
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            validation: self.validation,
            validation_rows: self.validation_rows,
            test_rows: self.test_rows,
            train_rows: self.train_rows,
            memory_mib: self.memory_mib,
        }
    }

    /// Whether the model after `step` steps is an output.
    pub(crate) fn keeps(&self, step: u64) -> bool {
        let power = self.keep_powers_from > 0 && step >= self.keep_powers_from && step.is_power_of_two();
        step == self.steps || power || self.keep.contains(&step)
    }

    /// The steps whose models are outputs, in order.
    pub(crate) fn kept_steps(&self) -> BTreeSet<u64> {
        let powers = (0..u64::BITS).map(|power| 1 << power);
        let steps = self.keep.iter().copied().chain(powers).chain([self.steps]);
        steps.filter(|step| *step <= self.steps && self.keeps(*step)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_listed_steps_and_the_last_are_kept() {
        let params = Params { steps: 1000, keep: vec![0, 300], ..Params::default() };
        params.check().unwrap();
        let kept: Vec<u64> = (0..=1000).filter(|step| params.keeps(*step)).collect();
        assert_eq!(kept, [0, 128, 256, 300, 512, 1000]);
        assert_eq!(Vec::from_iter(params.kept_steps()), kept);
        let untrained = Params { steps: 0, ..Params::default() };
        assert_eq!(Vec::from_iter(untrained.kept_steps()), [0]);
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_name() {
        let refused = |params: Params| params.check().unwrap_err().path;
        assert_eq!(refused(Params { batch: 0, ..Params::default() }), "batch");
        assert_eq!(refused(Params { accumulation: 129, ..Params::default() }), "accumulation");
        assert_eq!(refused(Params { learning_rate: f64::NAN, ..Params::default() }), "learning_rate");
        assert_eq!(refused(Params { keep: vec![1001], ..Params::default() }), "keep");
        assert_eq!(refused(Params { dropout: 1.0, ..Params::default() }), "dropout");
        let model = ModelParams { n_head: Some(3), ..ModelParams::default() };
        assert_eq!(refused(Params { model, ..Params::default() }), "model");
    }
}

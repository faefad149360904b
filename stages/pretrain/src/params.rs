//! The parameters of `pretrain`, and their checks.

use std::collections::BTreeSet;

use igpt_contract::{ParamError, Validation};
use igpt_corpus::Selection;
use igpt_model::loss::BertReduction;
use igpt_model::{ModelParams, Objective, Precision};
use igpt_optim::{Decay, MOST_IMAGES, splits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `pretrain`. Defaults follow the paper (sections 2.1, 3.3 and 3.4) except for the
/// size of the network and the number of steps, which suit a CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The network: a preset (`tiny`, `small`, `igpt-s`, `igpt-m`, `igpt-l`, `igpt-xl`) and overrides of its
    /// values. The numbers of positions and colours come from the tokens.
    pub model: ModelParams,
    /// `autoregressive` or `bert` (section 2.1).
    pub objective: Objective,
    /// For `bert`: the probability that a position is masked. The paper uses 0.15 (section 2.1) and
    /// tries 0.15 to 0.35 (appendix A.1).
    pub mask_probability: f64,
    /// For `bert`: the `mean` over the masked positions of an image (the released code) or their
    /// `sum` (the paper's formula, section 2.1). Reported losses are always the mean.
    pub bert_loss: BertReduction,
    /// Training steps (updates). 0 leaves the network untrained, for baselines. The paper uses 1,000,000,
    /// for iGPT-XL 2,000,000 (section 3.4).
    pub steps: u64,
    /// Images per step. The paper uses 128, for iGPT-XL 64 (section 3.4).
    pub batch: usize,
    /// The precision inside transformer blocks: `f32`, or `bf16` with parameters, gradients and
    /// losses in f32 (about twice as fast; needs a GPU).
    pub precision: Precision,
    /// Splits each step into this many micro-batches, computed one after another to save memory. Images,
    /// masks and mathematics stay the same; dropout, if used, drops different elements.
    pub accumulation: usize,
    /// Splits the images of each step into this many equal shares, whose gradients are summed by a fixed
    /// binary tree: a power of two that divides `batch`. Up to this many `processes` can share the lanes,
    /// and the result is bit-identical for any number of them. Dropout, if used, drops different elements
    /// for each number of lanes; `accumulation` splits each lane.
    pub lanes: usize,
    /// How many processes train the network together: a power of two, at most `lanes`. Each computes its
    /// share of the lanes and holds its share of the optimizer state. More than one needs a build with
    /// LibTorch. Does not affect the cache key.
    pub processes: usize,
    /// Stores only the input of each block in the forward pass and recomputes the block for its
    /// gradients: far less memory, a third more time, the same numbers. Does not affect the cache
    /// key.
    pub recompute: bool,
    /// The peak learning rate. The paper uses 0.003 for iGPT-S and M, 0.001 for iGPT-L at 32x32
    /// (Table 5). Replaced by the input `choice`.
    pub learning_rate: f64,
    /// Steps of linear warm-up. Default: one epoch (section 3.4), but at most a twentieth of all
    /// steps.
    pub warmup_steps: Option<u64>,
    /// The schedule after the warm-up: `cosine` to 0 (section 3.4) or `constant`.
    pub decay: Decay,
    /// The step at which the cosine reaches 0. Default: the last step. If you plan to continue this training
    /// with `resume`, give the total length.
    pub decay_steps: Option<u64>,
    /// Adam's decay rate for the mean of gradients. The paper uses 0.9 (section 3.4).
    pub beta1: f64,
    /// Adam's decay rate for the mean of squared gradients. The paper uses 0.95 (section 3.4) instead
    /// of the usual 0.999 (appendix A.1).
    pub beta2: f64,
    /// Adam's epsilon, added to the square root.
    pub epsilon: f64,
    /// Decoupled weight decay of matrices. The paper tries 0.01 (appendix A.1).
    pub weight_decay: f64,
    /// Dropout on embeddings and residual branches. The paper uses none (section 3.4).
    pub dropout: f64,
    /// The maximum global gradient norm; 0 disables clipping, as in the paper.
    pub clip: f64,
    /// Which training images to hold out for the validation loss, in each image set.
    pub validation: Validation,
    /// Steps between validations; 0 validates after the last step only.
    pub validate_every: u64,
    /// How many held-out images a validation uses, evenly spaced; 0 uses all.
    pub validation_rows: usize,
    /// How many test images the final test loss uses, evenly spaced; 0 uses all.
    pub test_rows: usize,
    /// How many training images to use, drawn at random; 0 uses all.
    pub train_rows: usize,
    /// Steps whose networks to keep as parts of the output `checkpoints`, besides the last.
    pub keep: Vec<u64>,
    /// Also keeps the networks at powers of two, from this step on; 0 keeps none of them.
    pub keep_powers_from: u64,
    /// Also keeps the optimizer state of the last step and of the steps in `keep`, three times the size of
    /// the weights, so that another training can continue from them through its input `resume`.
    pub keep_state: bool,
    /// Steps between the checkpoints from which an interrupted training resumes; 0 writes one only when
    /// interrupted. Does not affect the cache key.
    pub checkpoint_every: u64,
    /// Maximum memory for tokens, in MiB; larger sets are read from a scratch file, with the same results.
    /// Does not affect the cache key.
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
            lanes: 1,
            processes: 1,
            recompute: false,
            learning_rate: 0.003,
            warmup_steps: None,
            decay: Decay::default(),
            decay_steps: None,
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
            keep_state: false,
            checkpoint_every: 200,
            memory_mib: 4096,
        }
    }
}

impl Params {
    /// Checks the values.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let refuse = |name: &str, expected: &str, found: String| {
            Err(ParamError::at(name, format!("`{name}` is {found}, expected {expected}")))
        };
        // A network of one position and one colour is invalid only if the model itself is.
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
        if !self.lanes.is_power_of_two() || !self.batch.is_multiple_of(self.lanes) {
            let expected = format!("a power of two that divides `batch`, {}", self.batch);
            return refuse("lanes", &expected, self.lanes.to_string());
        }
        if !splits(self.lanes, self.processes) {
            let expected = format!("a power of two of at most `lanes`, {}", self.lanes);
            return refuse("processes", &expected, self.processes.to_string());
        }
        if !(1..=self.batch / self.lanes).contains(&self.accumulation) {
            let expected = match self.lanes {
                1 => "1 to `batch` micro-batches".to_owned(),
                lanes => format!("1 to `batch` / `lanes` micro-batches, {}", self.batch / lanes),
            };
            return refuse("accumulation", &expected, self.accumulation.to_string());
        }
        if let Some(step) = self.keep.iter().find(|step| **step > self.steps) {
            return refuse("keep", "steps of the training (0 to `steps`)", step.to_string());
        }
        if self.decay_steps.is_some() && self.decay == Decay::Constant {
            return refuse("decay_steps", "to be left out where `decay` is constant", "given".to_owned());
        }
        if let Some(steps) = self.decay_steps.filter(|steps| *steps < self.steps) {
            return refuse("decay_steps", "at least `steps`", steps.to_string());
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

    /// Whether the network after `step` steps is part of the output.
    pub(crate) fn keeps(&self, step: u64) -> bool {
        let power = self.keep_powers_from > 0 && step >= self.keep_powers_from && step.is_power_of_two();
        step == self.steps || power || self.keep.contains(&step)
    }

    /// Whether the state of the training after `step` steps is kept beside its network.
    pub(crate) fn keeps_state(&self, step: u64) -> bool {
        self.keep_state && step > 0 && (step == self.steps || self.keep.contains(&step))
    }

    /// The steps whose networks are part of the output, in order.
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
    fn invalid_values_are_refused_by_name() {
        let refused = |params: Params| params.check().unwrap_err().path;
        assert_eq!(refused(Params { batch: 0, ..Params::default() }), "batch");
        assert_eq!(refused(Params { accumulation: 129, ..Params::default() }), "accumulation");
        assert_eq!(refused(Params { lanes: 0, ..Params::default() }), "lanes");
        assert_eq!(refused(Params { lanes: 3, batch: 9, ..Params::default() }), "lanes");
        assert_eq!(refused(Params { lanes: 8, batch: 36, ..Params::default() }), "lanes");
        assert_eq!(refused(Params { processes: 2, ..Params::default() }), "processes");
        assert_eq!(refused(Params { lanes: 8, processes: 3, ..Params::default() }), "processes");
        assert_eq!(refused(Params { lanes: 8, accumulation: 17, ..Params::default() }), "accumulation");
        assert_eq!(refused(Params { learning_rate: f64::NAN, ..Params::default() }), "learning_rate");
        assert_eq!(refused(Params { keep: vec![1001], ..Params::default() }), "keep");
        assert_eq!(refused(Params { decay_steps: Some(999), ..Params::default() }), "decay_steps");
        let constant = Params { decay: Decay::Constant, decay_steps: Some(2000), ..Params::default() };
        assert_eq!(refused(constant), "decay_steps");
        assert_eq!(refused(Params { dropout: 1.0, ..Params::default() }), "dropout");
        let model = ModelParams { n_head: Some(3), ..ModelParams::default() };
        assert_eq!(refused(Params { model, ..Params::default() }), "model");
    }
}

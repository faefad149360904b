//! The parameters of `finetune`, and their checks.

use igpt_contract::{Candidates, ParamError, UnlabelledTest, Validation};
use igpt_model::loss::BertReduction;
use igpt_model::{ModelParams, Objective, Precision};
use igpt_optim::{Decay, MOST_IMAGES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The loss of fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// L_GEN + L_CLF, the generative loss plus the classification loss. The paper finds it better
    /// than L_CLF alone (section 2.3).
    #[default]
    Joint,
    /// L_CLF alone.
    Classifier,
}

/// The augmentation of training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    /// Only the views that the tokens hold: epoch e reads view e mod n.
    #[default]
    None,
    /// Pads by reflection, crops at random and flips every other image: the Wide-ResNet augmentation
    /// that the paper uses to fine-tune on CIFAR (section 3.1). It acts on the token grids, which is
    /// exact because every pixel has its own token. The padding is an eighth of the side: 4 at
    /// 32 x 32, and the same share of the image at lower resolutions, where the paper's augmentation
    /// before the resize would shift by fractions of a pixel.
    PadCropFlip,
}

/// Parameters of `finetune`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The loss: `joint` (L_GEN + L_CLF, section 2.3) or `classifier` (L_CLF alone).
    pub loss: Loss,
    /// The layer l (0 to L) whose pooled features f^l the class head reads; -1 is the last. Default:
    /// the best layer of the input `probes` if connected (section 4.5 compares the two), otherwise the
    /// last (the paper's choice, section 2.3).
    pub head_layer: Option<i64>,
    /// Whether the class head starts at zero, as in the released code; otherwise its weights are
    /// normal with standard deviation 0.02.
    pub zero_head: bool,
    /// The augmentation of training images: `none` or `pad_crop_flip` (section 3.1, CIFAR only).
    pub augment: Augment,
    /// The learning rates to try, from large to small: a number or a list. Each starts from the same
    /// weights; the search stops at the first one whose best validation accuracy is below that of the
    /// one before (section 3.4). More than one needs a validation split. Replaced by the input
    /// `choice`.
    pub learning_rates: Candidates,
    /// Training steps for each learning rate; 0 trains for `epochs`.
    pub steps: u64,
    /// Passes over the training images for each learning rate, if `steps` is 0.
    pub epochs: f64,
    /// Images per step. The paper uses 128, as in pre-training (section 3.4).
    pub batch: usize,
    /// The precision inside transformer blocks: `f32`, or `bf16` with parameters, gradients and
    /// losses in f32 (about twice as fast; needs a GPU).
    pub precision: Precision,
    /// Splits each step into this many micro-batches, computed one after another to save memory.
    pub accumulation: usize,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// The schedule after the warm-up: `constant` (the paper uses no cosine here, section 3.4) or
    /// `cosine`.
    pub decay: Decay,
    /// Decoupled weight decay of matrices. The paper tries 0.01 (appendix A.1).
    pub weight_decay: f64,
    /// Dropout on embeddings and residual branches, from 0 to below 1. The paper uses none (section
    /// 3.4) except for networks trained from random weights (section 4.5).
    pub dropout: f64,
    /// The maximum global gradient norm; 0 disables clipping, as in the paper.
    pub clip: f64,
    /// For a BERT network: the share of tokens to mask, in training and at evaluation. The paper uses
    /// 0.15 (sections 2.1 and 4.6). Has no effect on an autoregressive network.
    pub mask_probability: f64,
    /// For a BERT network: the `mean` over the masked tokens of an image (the released code) or their
    /// `sum` (the paper's formula, section 2.1).
    pub bert_loss: BertReduction,
    /// For a BERT network: the number of independent masks for each test image. `accuracy.test` is
    /// that of the first mask; with several, `accuracy.test.masks` is that of a majority vote, ties
    /// broken at random. The paper tries 5 (section 4.6).
    pub evaluation_masks: u16,
    /// Which training images to hold out for choosing the learning rate and the step.
    pub validation: Validation,
    /// Steps between validations; 0 validates once an epoch. The last step is always validated.
    pub validate_every: u64,
    /// How many held-out images a validation uses, evenly spaced; 0 uses all.
    pub validation_rows: usize,
    /// How many test images to classify at the end, evenly spaced; 0 classifies all.
    pub test_rows: usize,
    /// Early stopping: ends a training after this many validations without a better accuracy; 0
    /// disables it. The stage always keeps the weights with the best validation accuracy (section 3.4).
    pub patience: u64,
    /// How many labelled training images of each class to use, validation included, drawn with
    /// `label_seed`; 0 uses all. The paper takes 4, 25 and 400 on CIFAR-10 (section 4.7). A probe with
    /// the same two parameters uses the same images. If at least two images of a class are drawn, at
    /// least one is held out and at least one is trained on, whatever the split (unless it holds out
    /// nothing).
    pub labels_per_class: usize,
    /// The seed for drawing labels, separate from the pipeline's.
    pub label_seed: u64,
    /// If no test image has a label: `error`, or `keep` to continue without test scores.
    pub unlabelled_test: UnlabelledTest,
    /// The network to start from if no `model` is connected.
    pub model: Option<ModelParams>,
    /// The objective of that network. Default: `autoregressive`.
    pub objective: Option<Objective>,
    /// Steps between the checkpoints from which an interrupted training resumes; 0 writes one only when
    /// interrupted. Does not affect the cache key.
    pub checkpoint_every: u64,
    /// Maximum memory for tokens, in MiB; larger sets are read from a scratch file, with the same
    /// results. Does not affect the cache key.
    pub memory_mib: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            loss: Loss::Joint,
            head_layer: None,
            zero_head: true,
            augment: Augment::None,
            learning_rates: Candidates(vec![0.001]),
            steps: 0,
            epochs: 10.0,
            batch: 128,
            precision: Precision::F32,
            accumulation: 1,
            warmup_steps: 0,
            decay: Decay::Constant,
            weight_decay: 0.0,
            dropout: 0.0,
            clip: 0.0,
            mask_probability: 0.15,
            bert_loss: BertReduction::Mean,
            evaluation_masks: 1,
            validation: Validation::default(),
            validate_every: 0,
            validation_rows: 0,
            test_rows: 0,
            patience: 0,
            labels_per_class: 0,
            label_seed: 0,
            unlabelled_test: UnlabelledTest::Error,
            model: None,
            objective: None,
            checkpoint_every: 200,
            memory_mib: 4096,
        }
    }
}

impl Params {
    /// Checks the values.
    pub(crate) fn check(&self) -> Result<(), ParamError> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let refuse = |name: &str, expected: &str, found: String| {
            Err(ParamError::at(name, format!("`{name}` is {found}, expected {expected}")))
        };
        let rates = &self.learning_rates;
        let falling = rates.windows(2).all(|pair| pair[0] > pair[1]);
        if rates.is_empty() || !rates.iter().copied().all(positive) || !falling {
            let expected = "one or more positive numbers, from large to small";
            return refuse("learning_rates", expected, format!("{:?}", rates.0));
        }
        for (name, value) in [("dropout", self.dropout), ("validation.fraction", self.validation.fraction)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(name, "a number from 0 to below 1", value.to_string());
            }
        }
        if rates.len() > 1 && self.validation.fraction == 0.0 {
            let expected = "above 0 where there are several `learning_rates` to choose from";
            return refuse("validation.fraction", expected, "0".to_owned());
        }
        for (name, value) in [("weight_decay", self.weight_decay), ("clip", self.clip)] {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(name, "a number of at least 0", value.to_string());
            }
        }
        if self.steps == 0 && !positive(self.epochs) {
            return refuse("epochs", "a number above 0 where `steps` is 0", self.epochs.to_string());
        }
        if !(self.mask_probability > 0.0 && self.mask_probability < 1.0) {
            return refuse("mask_probability", "a number between 0 and 1", self.mask_probability.to_string());
        }
        if !(1..=MOST_IMAGES).contains(&self.batch) {
            return refuse("batch", &format!("1 to {MOST_IMAGES} images"), self.batch.to_string());
        }
        if self.steps > 0 && self.warmup_steps > self.steps {
            return refuse("warmup_steps", "at most `steps`", self.warmup_steps.to_string());
        }
        if !(1..=self.batch).contains(&self.accumulation) {
            return refuse("accumulation", "1 to `batch` micro-batches", self.accumulation.to_string());
        }
        if self.evaluation_masks == 0 {
            return refuse("evaluation_masks", "at least 1", "0".to_owned());
        }
        if let Some(layer) = self.head_layer.filter(|layer| *layer < -1) {
            return refuse("head_layer", "a layer from 0 on, or -1 for the last", layer.to_string());
        }
        // A network of one position and one colour is invalid only if the model itself is.
        match self.model.as_ref().map(|model| model.config(1, 1)) {
            Some(Err(error)) => Err(ParamError::at("model", error.to_string())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_values_are_refused_by_name() {
        let refused = |params: Params| params.check().unwrap_err().path;
        let of = |learning_rates: &[f64]| Params {
            learning_rates: learning_rates.to_vec().into(),
            ..Params::default()
        };
        assert_eq!(refused(of(&[])), "learning_rates");
        assert_eq!(refused(of(&[0.1, 0.3])), "learning_rates");
        assert_eq!(refused(of(&[f64::NAN])), "learning_rates");
        let validation = Validation { fraction: 0.0, seed: 0 };
        assert_eq!(refused(Params { validation, ..of(&[0.3, 0.1]) }), "validation.fraction");
        assert!(Params { validation, ..of(&[0.1]) }.check().is_ok());
        assert_eq!(refused(Params { accumulation: 0, ..of(&[0.1]) }), "accumulation");
        assert_eq!(refused(Params { batch: 1 << 40, ..of(&[0.1]) }), "batch");
        assert_eq!(refused(Params { steps: 9, warmup_steps: 10, ..of(&[0.1]) }), "warmup_steps");
        assert_eq!(refused(Params { head_layer: Some(-2), ..of(&[0.1]) }), "head_layer");
        assert_eq!(refused(Params { epochs: 0.0, ..of(&[0.1]) }), "epochs");
        let model = Some(ModelParams { n_head: Some(3), ..ModelParams::default() });
        assert_eq!(refused(Params { model, ..of(&[0.1]) }), "model");
    }
}

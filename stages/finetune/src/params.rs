//! The parameters of `finetune`, with their defaults and where the paper has them from.

use igpt_contract::{Candidates, ParamError, UnlabelledTest, Validation};
use igpt_model::loss::BertReduction;
use igpt_model::{ModelParams, Objective, Precision};
use igpt_optim::{Decay, MOST_IMAGES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What fine-tuning minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// L_GEN + L_CLF: the network's own objective beside the classification (section 2.3: it works
    /// better than classification alone).
    #[default]
    Joint,
    /// L_CLF alone.
    Classifier,
}

/// How training images are varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    /// Not at all, but for the views that the tokens hold: epoch e reads view e mod n.
    #[default]
    None,
    /// Pad by reflection, crop back at random, mirror every other image: the Wide-ResNet
    /// augmentation that the paper uses when it fine-tunes on CIFAR (section 3.1). It is done on
    /// the token grids, which is exact because every pixel has its own token. The pad is an eighth
    /// of the side: 4 at 32 x 32; at lower resolutions the same share of the image, where the
    /// paper's augmentation before the resize would shift by fractions of a pixel.
    PadCropFlip,
}

/// What `finetune` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What is minimised: `joint` (L_GEN + L_CLF, section 2.3) or `classifier` (L_CLF alone).
    pub loss: Loss,
    /// The layer l whose pooled features f^l the class head reads, 0 to L; -1 is the last. Unless
    /// given, the best of the input `probes` where that is wired (section 4.5 compares the two),
    /// else the last (the paper's choice, section 2.3).
    pub head_layer: Option<i64>,
    /// Whether the class head starts at zero, as in the released code; else at normal weights of
    /// standard deviation 0.02.
    pub zero_head: bool,
    /// The training images' augmentation: `none` or `pad_crop_flip` (section 3.1, CIFAR only).
    pub augment: Augment,
    /// The learning rates to try, from large to small: a number or a list. Each starts from the same
    /// weights; the first whose best validation accuracy is below the one before ends the search, as
    /// in section 3.3. More than one needs a validation split. The input `choice` takes their place.
    pub learning_rates: Candidates,
    /// Steps of training for each learning rate; 0 takes `epochs`.
    pub steps: u64,
    /// Passes over the training images for each learning rate, where `steps` is 0.
    pub epochs: f64,
    /// Images in a step (128 in section 3.3 and for fine-tuning).
    pub batch: usize,
    /// What blocks compute in: `f32`, or `bf16` with parameters, gradients and losses in f32 (about
    /// twice as fast on GPUs; needs one).
    pub precision: Precision,
    /// Parts that a step's batch is computed in, one after another, to save memory.
    pub accumulation: usize,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// What follows the warm-up: `constant` (section 3.4: no cosine in fine-tuning) or `cosine`.
    pub decay: Decay,
    /// Decoupled weight decay of the matrices (0 in the paper; A.1 tries 0.01).
    pub weight_decay: f64,
    /// The probability of dropout on embeddings and residual branches, from 0 to below 1 (0 in the
    /// paper but for networks trained from random weights).
    pub dropout: f64,
    /// The largest global norm of a step's gradients; 0 leaves them alone, as the paper does.
    pub clip: f64,
    /// The share of each image's tokens that is hidden from a BERT network, in training and in
    /// evaluation (0.15 in sections 2.1 and 4.6). Without meaning for an autoregressive one.
    pub mask_probability: f64,
    /// For a BERT network: `mean` over an image's hidden tokens (the released code) or their `sum`
    /// (the paper's formula).
    pub bert_loss: BertReduction,
    /// Independent masks under which a BERT network sees each test image. `accuracy.test` is that
    /// under the first; with several, `accuracy.test.masks` is that of the class that most of them
    /// name, ties broken by a seeded draw (section 4.6 tries 5).
    pub evaluation_masks: u16,
    /// Which training images are held out to choose the learning rate and the step.
    pub validation: Validation,
    /// Steps between two looks at the validation images; 0 looks once an epoch, and always at the
    /// last step.
    pub validate_every: u64,
    /// Held-out images that a validation looks at, evenly spaced; 0 takes all.
    pub validation_rows: usize,
    /// Test images that are classified in the end, evenly spaced; 0 takes all.
    pub test_rows: usize,
    /// Validations without a better accuracy after which a training stops early; 0 never stops. The
    /// weights kept are those of the best validation accuracy in any case (section 3.4).
    pub patience: u64,
    /// How many labelled training images of each class are used, validation included, drawn with
    /// `label_seed`; 0 for all (section 4.6 takes 4, 25 and 400 on CIFAR-10). The same images as in
    /// a probe with the same two parameters. A class with two of the drawn images has one held out and
    /// one to train on, whatever the split says (unless it holds out nothing).
    pub labels_per_class: usize,
    /// The seed of the draw of labels, apart from the pipeline's.
    pub label_seed: u64,
    /// Where no test image has a label: `error`, or `keep` to go on without test scores.
    pub unlabelled_test: UnlabelledTest,
    /// The network to start from when no `model` is wired.
    pub model: Option<ModelParams>,
    /// The generative objective of that network; `autoregressive` unless given.
    pub objective: Option<Objective>,
    /// Steps between two checkpoints, from which a run that was killed goes on; 0 writes them on
    /// interruption alone. Steers execution only: it enters no key.
    pub checkpoint_every: u64,
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
        }
    }
}

impl Params {
    /// Refuses values that make no sense.
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
            return refuse("accumulation", "1 to `batch` parts", self.accumulation.to_string());
        }
        if self.evaluation_masks == 0 {
            return refuse("evaluation_masks", "at least 1", "0".to_owned());
        }
        if let Some(layer) = self.head_layer.filter(|layer| *layer < -1) {
            return refuse("head_layer", "a layer from 0 on, or -1 for the last", layer.to_string());
        }
        // A network of one position and one colour fails only where the model itself makes no sense.
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
    fn values_that_make_no_sense_are_refused_by_name() {
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

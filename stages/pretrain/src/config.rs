//! The settings of a training, with what depends on the data filled in.

use igpt_contract::StageContext;
use igpt_corpus::{Corpus, Task};
use igpt_optim::{AdamParams, Schedule};

use crate::params::Params;

/// The settings of a training.
#[derive(Debug, Clone)]
pub(crate) struct TrainingConfig {
    /// The objective and its constants.
    pub task: Task,
    /// The number of updates.
    pub steps: u64,
    /// Images per update.
    pub batch: usize,
    /// Equal shares of a batch, summed by a fixed tree.
    pub lanes: usize,
    /// Micro-batches per lane.
    pub accumulation: usize,
    /// Whether blocks are recomputed for their gradients.
    pub recompute: bool,
    /// The learning rate by step.
    pub schedule: Schedule,
    /// Adam's constants.
    pub adam: AdamParams,
    /// The dropout probability.
    pub dropout: f64,
    /// The largest global norm of gradients; none does not clip.
    pub clip: Option<f64>,
    /// Steps between validations; 0: only at the end.
    pub validate_every: u64,
    /// Steps between resume files; 0: only on interruption.
    pub checkpoint_every: u64,
}

impl TrainingConfig {
    /// The parameters, with what depends on the data filled in.
    pub(crate) fn new(params: &Params, corpus: &Corpus, cx: &StageContext) -> Self {
        let epoch = corpus.train.len().div_ceil(params.batch) as u64;
        let total_steps = params.decay_steps.unwrap_or(params.steps);
        let warmup_steps = params.warmup_steps.unwrap_or_else(|| epoch.min(total_steps.div_ceil(20)));
        Self {
            task: Task::new(params.objective, params.mask_probability, params.bert_loss, cx),
            steps: params.steps,
            batch: params.batch,
            lanes: params.lanes,
            accumulation: params.accumulation,
            recompute: params.recompute,
            schedule: Schedule { peak: params.learning_rate, warmup_steps, total_steps, decay: params.decay },
            adam: AdamParams {
                beta1: params.beta1,
                beta2: params.beta2,
                epsilon: params.epsilon,
                weight_decay: params.weight_decay,
            },
            dropout: params.dropout,
            clip: (params.clip > 0.0).then_some(params.clip),
            validate_every: params.validate_every,
            checkpoint_every: params.checkpoint_every,
        }
    }
}

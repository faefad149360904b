//! What a training notes down: its losses, curves, and which networks are saved.

use std::collections::VecDeque;

use igpt_model::Gpt;
use igpt_optim::{Exact, SpikeWatch, TrainState};
use serde::{Deserialize, Serialize};

use crate::checkpoints::CheckpointDigests;
use crate::config::TrainingConfig;

/// A training's state, as one process has all of it.
pub(crate) type State = TrainState<Gpt, TrainingLog>;

/// The state of a training besides weights and optimizer, saved with them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TrainingLog {
    /// The watch for a loss that has diverged.
    pub watch: SpikeWatch,
    /// Sum and number of the losses since the last point of the curve.
    interval: (Exact, u64),
    /// The losses of the last [`RECENT`] steps.
    recent: VecDeque<Exact>,
    /// The mean training loss up to a step, since the previous point, in nats/token.
    pub train: Vec<(u64, Exact)>,
    /// The learning rate at those steps.
    pub learning_rate: Vec<(u64, Exact)>,
    /// The gradients' global norm at those steps, if they are clipped.
    pub gradient_norm: Vec<(u64, Exact)>,
    /// The validation loss by step, in nats/token.
    pub valid: Vec<(u64, Exact)>,
    /// The networks that were saved for the output.
    pub kept: CheckpointDigests,
}

/// Steps that the final training loss is averaged over.
const RECENT: usize = 100;
/// About how many points a training curve has.
const CURVE_POINTS: u64 = 500;

impl TrainingLog {
    /// The mean loss of the last 100 steps, before their updates; `None` without a step.
    pub(crate) fn final_train(&self) -> Option<f64> {
        let n = self.recent.len();
        (n > 0).then(|| self.recent.iter().map(|loss| loss.0).sum::<f64>() / n as f64)
    }

    /// The log as it is kept for a longer training: without what only a last step has.
    pub(crate) fn kept_at(&self, config: &TrainingConfig, step: u64) -> Self {
        let mut log = Self { kept: CheckpointDigests::new(), ..self.clone() };
        let due = config.validate_every > 0 && step.is_multiple_of(config.validate_every);
        log.valid.retain(|(at, _)| due || *at != step);
        log
    }

    pub(crate) fn record(&mut self, config: &TrainingConfig, step: u64, update: &StepStats) {
        self.recent.push_back(Exact(update.loss));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let (sum, n) = (self.interval.0.0 + update.loss, self.interval.1 + 1);
        self.interval = (Exact(sum), n);
        if step.is_multiple_of(config.steps.div_ceil(CURVE_POINTS)) || step == config.steps {
            self.train.push((step, Exact(sum / n as f64)));
            self.learning_rate.push((step, Exact(update.learning_rate)));
            if let Some(norm) = update.gradient_norm {
                self.gradient_norm.push((step, Exact(norm)));
            }
            self.interval = (Exact(0.0), 0);
        }
    }
}

/// The loss and settings of one update.
pub(crate) struct StepStats {
    /// In nats/token, before the update.
    pub loss: f64,
    /// What the update took.
    pub learning_rate: f64,
    /// Where gradients are clipped.
    pub gradient_norm: Option<f64>,
}

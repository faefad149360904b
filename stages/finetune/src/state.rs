//! The state of a fine-tuning besides weights and optimizer, saved with them.

use igpt_contract::Curve;
use igpt_optim::{Exact, SpikeWatch};
use serde::{Deserialize, Serialize};

/// A curve: steps and values, saved bit for bit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Points(Vec<(u64, Exact)>);

impl Points {
    pub(crate) fn push(&mut self, step: u64, value: f64) {
        self.0.push((step, Exact(value)));
    }

    pub(crate) fn curve(&self) -> Curve {
        self.0.iter().map(|(step, value)| (*step as f64, value.0)).collect()
    }
}

/// The mean of the training losses since the last validation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunningLoss {
    generative: Exact,
    classification: Exact,
    steps: u64,
}

impl RunningLoss {
    pub(crate) fn add(&mut self, loss: StepLoss) {
        self.generative.0 += loss.generative.unwrap_or(0.0);
        self.classification.0 += loss.classification;
        self.steps += 1;
    }

    /// The means, generative and classification; resets them.
    pub(crate) fn take(&mut self) -> (f64, f64) {
        let Self { generative, classification, steps } = std::mem::take(self);
        (generative.0 / steps.max(1) as f64, classification.0 / steps.max(1) as f64)
    }
}

/// The losses of one step, in nats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepLoss {
    /// L_GEN, where it is part of the loss.
    pub(crate) generative: Option<f64>,
    /// L_CLF.
    pub(crate) classification: f64,
}

impl StepLoss {
    /// The loss that is minimised.
    pub(crate) fn total(self) -> f64 {
        self.generative.unwrap_or(0.0) + self.classification
    }
}

/// The curves of a training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curves {
    pub(crate) train_generative: Points,
    pub(crate) train_classification: Points,
    pub(crate) valid_classification: Points,
    pub(crate) valid_accuracy: Points,
}

/// The best weights of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestStep {
    /// The step whose weights they are.
    pub(crate) step: u64,
    /// Their accuracy on the validation images; none without a validation split.
    pub(crate) accuracy: Option<Exact>,
}

/// The training with one learning rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Which learning rate, counted from 0.
    pub(crate) index: usize,
    /// Steps done.
    pub(crate) step: u64,
    /// The step of the last validation.
    pub(crate) looked: u64,
    /// Its best weights so far.
    pub(crate) best: Option<BestStep>,
    /// Validations since then.
    pub(crate) since_best: u64,
    /// Why it stopped before its last step, if it did.
    pub(crate) ended: Option<StopReason>,
    pub(crate) watch: SpikeWatch,
    pub(crate) running: RunningLoss,
    pub(crate) curves: Curves,
}

/// Why a training stopped before its last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum StopReason {
    /// The validation accuracy had not risen for `patience` validations.
    Early,
    /// The loss diverged, and how.
    Diverged(String),
}

impl Trial {
    pub(crate) fn of(index: usize) -> Self {
        Self { index, ..Self::default() }
    }

    /// The best validation accuracy; less than any other for a training that has none.
    pub(crate) fn accuracy(&self) -> f64 {
        self.best.and_then(|best| best.accuracy).map_or(f64::NEG_INFINITY, |accuracy| accuracy.0)
    }

    /// Whether the loss diverged.
    pub(crate) fn diverged(&self) -> Option<&str> {
        match &self.ended {
            Some(StopReason::Diverged(how)) => Some(how),
            _ => None,
        }
    }
}

/// The search over learning rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RateSearch {
    /// Steps done, over all learning rates.
    pub(crate) steps: u64,
    /// The trials that have ended.
    pub(crate) tried: Vec<Trial>,
    /// The trial in progress.
    pub(crate) current: Trial,
}

impl RateSearch {
    /// The best validation accuracy of the trials that have ended.
    pub(crate) fn accuracy_so_far(&self) -> f64 {
        self.tried.iter().map(Trial::accuracy).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The trial whose weights are kept: the first of the best validation accuracy among those that
    /// did not diverge without a validation.
    pub(crate) fn winner(&self) -> Option<&Trial> {
        let mut winner: Option<&Trial> = None;
        for trial in self.tried.iter().filter(|trial| trial.best.is_some()) {
            if winner.is_none_or(|so_far| trial.accuracy() > so_far.accuracy()) {
                winner = Some(trial);
            }
        }
        winner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(index: usize, accuracy: Option<f64>) -> Trial {
        let best = accuracy.map(|a| BestStep { step: 1, accuracy: Some(Exact(a)) });
        Trial { best, ..Trial::of(index) }
    }

    #[test]
    fn the_first_of_equal_trials_wins_and_a_diverged_one_never() {
        let tried = vec![trial(0, None), trial(1, Some(0.5)), trial(2, Some(0.5))];
        let search = RateSearch { tried, ..RateSearch::default() };
        assert_eq!(search.winner().unwrap().index, 1);
        assert_eq!(search.accuracy_so_far(), 0.5);
        assert!(RateSearch::default().winner().is_none());
    }
}

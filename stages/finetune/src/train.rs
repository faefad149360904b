//! The training: one learning rate after another from the same weights, validated on the way. The best
//! weights are kept; a resumed training ends in the same bytes.

use burn::module::Module;
use burn::tensor::Device;
use igpt_contract::{StageContext, StageError};
use igpt_model::{Gpt, Objective};
use igpt_optim::{Adam, AdamParams, CheckpointError, Checkpointer, Diverged, EpochOrder, Exact, TrainState};

use crate::evaluate::Evaluator;
use crate::images::Images;
use crate::params::{Loss, Params};
use crate::state::{BestStep, RateSearch, StepLoss, StopReason, Trial};

/// The inputs of a fine-tuning.
pub(crate) struct Training<'a> {
    pub(crate) params: &'a Params,
    pub(crate) images: &'a Images,
    pub(crate) objective: Objective,
    /// The weights that every learning rate starts from, class head included.
    pub(crate) start: Gpt,
    /// Where the start lives, with automatic differentiation.
    pub(crate) device: Device,
    pub(crate) evaluator: &'a Evaluator,
    pub(crate) cx: &'a StageContext,
}

/// The result of a fine-tuning.
pub(crate) struct FineTuned {
    /// The best weights.
    pub(crate) gpt: Gpt,
    pub(crate) search: RateSearch,
}

/// The networks that are saved to resume from.
#[derive(Module, Debug)]
struct CurrentAndBest {
    /// The network in training.
    now: Gpt,
    /// The best network so far, over all learning rates.
    best: Gpt,
}

impl Training<'_> {
    /// Trains with each learning rate until one is worse than the one before.
    pub(crate) fn search(&self) -> Result<FineTuned, StageError> {
        let checkpointer = Checkpointer::new(self.cx.checkpoint_dir());
        let (mut weights, mut adam, mut search) = self.resume(&checkpointer)?;
        let mut order = EpochOrder::new(self.images.train().len(), self.cx.stream("data"));
        loop {
            match self.train(&checkpointer, &mut weights, &mut adam, &mut search, &mut order) {
                Err(StageError::Cancelled) => {
                    save(&checkpointer, &weights, &adam, &search)?;
                    return Err(StageError::Cancelled);
                }
                other => other?,
            }
            if !self.next_trial(&mut search)? {
                return Ok(FineTuned { gpt: weights.best, search });
            }
            weights.now = self.start.clone();
            adam = Adam::new(self.adam_params());
        }
    }

    /// Trains with one learning rate to its end. After `Cancelled`, the state can be resumed from.
    fn train(
        &self,
        checkpointer: &Checkpointer,
        weights: &mut CurrentAndBest,
        adam: &mut Adam,
        search: &mut RateSearch,
        order: &mut EpochOrder,
    ) -> Result<(), StageError> {
        let total = self.total_steps();
        while search.current.ended.is_none() {
            self.cx.check()?;
            let Trial { step, looked, .. } = search.current;
            if self.validation_is_due(step) && looked < step {
                self.validate(weights, search)?;
            } else if step == total {
                break;
            } else {
                search.steps += 1;
                search.current.step += 1;
                let loss = self.step(&mut weights.now, adam, order, &search.current)?;
                let trial = &mut search.current;
                trial.running.add(loss);
                let watched = trial.watch.observe(trial.step, loss.total());
                let last = trial.step == total;
                let watched = watched.and_then(|()| if last { trial.watch.finish(total) } else { Ok(()) });
                if let Err(diverged) = watched {
                    trial.ended = Some(StopReason::Diverged(diverged.to_string()));
                }
                self.report_progress(search, loss);
                let every = self.params.checkpoint_every;
                if every > 0 && search.steps.is_multiple_of(every) {
                    save(checkpointer, weights, adam, search)?;
                }
            }
        }
        Ok(())
    }

    /// The newest saved state, or the start.
    fn resume(&self, checkpointer: &Checkpointer) -> Result<(CurrentAndBest, Adam, RateSearch), StageError> {
        let fresh = CurrentAndBest { now: self.start.clone(), best: self.start.clone() };
        let refused = |path: &std::path::Path, error: CheckpointError| {
            self.cx.note(format!("the checkpoint `{}` was skipped: {error}", path.display()));
        };
        let inner = self.device.clone().without_autodiff();
        let state: Option<TrainState<CurrentAndBest, RateSearch>> = checkpointer
            .resume(&fresh, self.adam_params(), &inner, refused)
            .map_err(|error| StageError::caused("the checkpoints cannot be read", error))?;
        Ok(match state {
            Some(TrainState { step, model, adam, state }) => {
                self.cx.note(format!("resumed after step {step}"));
                (model, adam, state)
            }
            None => (fresh, Adam::new(self.adam_params()), RateSearch::default()),
        })
    }

    fn adam_params(&self) -> AdamParams {
        AdamParams { weight_decay: self.params.weight_decay, ..AdamParams::default() }
    }

    /// Steps for each learning rate.
    pub(crate) fn total_steps(&self) -> u64 {
        match self.params.steps {
            0 => ((self.params.epochs * self.steps_per_epoch()).round() as u64).max(1),
            steps => steps,
        }
    }

    fn steps_per_epoch(&self) -> f64 {
        self.images.train().len() as f64 / self.params.batch as f64
    }

    fn validation_is_due(&self, step: u64) -> bool {
        let every = match self.params.validate_every {
            0 => (self.steps_per_epoch().round() as u64).max(1),
            every => every,
        };
        step.is_multiple_of(every) || step == self.total_steps()
    }

    /// Evaluates the validation images, and keeps the weights if they are the best so far.
    fn validate(&self, weights: &mut CurrentAndBest, search: &mut RateSearch) -> Result<(), StageError> {
        let evaluation = match self.images.valid() {
            [] => None,
            rows => Some(self.evaluator.evaluate(&weights.now.valid(), self.images, rows, 0, self.cx)?),
        };
        let so_far = search.accuracy_so_far();
        let trial = &mut search.current;
        trial.looked = trial.step;
        let (generative, classification) = trial.running.take();
        if self.params.loss == Loss::Joint {
            trial.curves.train_generative.push(trial.step, generative);
        }
        trial.curves.train_classification.push(trial.step, classification);
        if let Some(evaluation) = &evaluation {
            if let Err(diverged) = Diverged::check("validation", trial.step, evaluation.loss) {
                trial.ended = Some(StopReason::Diverged(diverged.to_string()));
                return Ok(());
            }
            trial.curves.valid_accuracy.push(trial.step, evaluation.accuracy);
            trial.curves.valid_classification.push(trial.step, evaluation.loss);
            self.cx.metric("accuracy.valid", search.steps as f64, evaluation.accuracy);
        }
        let accuracy = evaluation.map(|evaluation| Exact(evaluation.accuracy));
        // Without validation images the last weights are the best.
        if accuracy.is_none_or(|accuracy| accuracy.0 > trial.accuracy()) {
            trial.best = Some(BestStep { step: trial.step, accuracy });
            trial.since_best = 0;
            if accuracy.is_none_or(|accuracy| accuracy.0 > so_far) {
                weights.best = weights.now.clone();
            }
        } else {
            trial.since_best += 1;
            if self.params.patience > 0 && trial.since_best >= self.params.patience {
                trial.ended = Some(StopReason::Early);
            }
        }
        Ok(())
    }

    /// Ends the current trial; whether there is another to train.
    fn next_trial(&self, search: &mut RateSearch) -> Result<bool, StageError> {
        let trial = std::mem::take(&mut search.current);
        let rate = self.params.learning_rates[trial.index];
        let next = trial.index + 1;
        let mut worse = false;
        match trial.diverged() {
            Some(how) => self.cx.note(format!("learning rate {rate}: {how}")),
            None => {
                worse = trial.accuracy() < search.accuracy_so_far();
                if self.params.learning_rates.len() > 1 {
                    self.cx.note(format!("learning rate {rate}: accuracy.valid {}", trial.accuracy()));
                }
            }
        }
        search.tried.push(trial);
        if next < self.params.learning_rates.len() && !worse {
            search.current = Trial::of(next);
            return Ok(true);
        }
        match (search.winner(), search.tried.iter().find_map(Trial::diverged)) {
            (None, Some(how)) => {
                Err(StageError::new(format!("training failed at every learning rate: {how}"))
                    .hint(Diverged::HINT))
            }
            _ => Ok(false),
        }
    }

    fn report_progress(&self, search: &RateSearch, loss: StepLoss) {
        let rates = self.params.learning_rates.len() as u64;
        let done = search.current.index as u64 * self.total_steps() + search.current.step;
        self.cx.progress(done, rates * self.total_steps(), "steps");
        self.cx.metric("loss.train", search.steps as f64, loss.total());
    }
}

fn save(
    checkpointer: &Checkpointer,
    weights: &CurrentAndBest,
    adam: &Adam,
    search: &RateSearch,
) -> Result<(), StageError> {
    checkpointer
        .save(search.steps, weights, adam, search)
        .map_err(|error| StageError::caused("a checkpoint cannot be written", error))
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;

//! The training: one learning rate after another from the same start, each with an eye on the
//! validation images; the best weights are kept, and checkpoints are exact.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError};
use igpt_model::{Dropout, Gpt, Input, Objective, bert_mask, loss};
use igpt_optim::{
    Adam, AdamParams, CheckpointError, Checkpointer, Diverged, EpochOrder, Exact, Schedule, TrainState,
    clip_global_norm, micro_batches,
};

use crate::evaluate::{Showing, token_tensor};
use crate::images::{Batch, Images};
use crate::params::{Loss, Params};
use crate::state::{Best, Ended, Search, StepLoss, Trial};

/// What a fine-tuning works with.
pub(crate) struct Training<'a> {
    pub(crate) params: &'a Params,
    pub(crate) images: &'a Images,
    pub(crate) objective: Objective,
    /// The weights that every learning rate starts from, class head included.
    pub(crate) start: Gpt,
    /// Where the start lives, with automatic differentiation.
    pub(crate) device: Device,
    pub(crate) showing: &'a Showing,
    pub(crate) cx: &'a StageContext,
}

/// What came of it.
pub(crate) struct Tuned {
    /// The best weights.
    pub(crate) gpt: Gpt,
    pub(crate) search: Search,
}

/// The weights that a checkpoint holds.
#[derive(Module, Debug)]
struct Weights {
    /// Of the training that is under way.
    now: Gpt,
    /// The best so far, over all learning rates.
    best: Gpt,
}

impl Training<'_> {
    /// Trains with each learning rate until one is worse than the one before.
    pub(crate) fn search(&self) -> Result<Tuned, StageError> {
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
                return Ok(Tuned { gpt: weights.best, search });
            }
            weights.now = self.start.clone();
            adam = Adam::new(self.adam_params());
        }
    }

    /// Trains with one learning rate to its end. Where this answers `Cancelled`, the state is one
    /// that it can go on from.
    fn train(
        &self,
        checkpointer: &Checkpointer,
        weights: &mut Weights,
        adam: &mut Adam,
        search: &mut Search,
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
                    trial.ended = Some(Ended::Diverged(diverged.to_string()));
                }
                self.say(search, loss);
                let every = self.params.checkpoint_every;
                if every > 0 && search.steps.is_multiple_of(every) {
                    save(checkpointer, weights, adam, search)?;
                }
            }
        }
        Ok(())
    }

    /// The state of the newest checkpoint, or the start.
    fn resume(&self, checkpointer: &Checkpointer) -> Result<(Weights, Adam, Search), StageError> {
        let fresh = Weights { now: self.start.clone(), best: self.start.clone() };
        let refused = |path: &std::path::Path, error: CheckpointError| {
            self.cx.note(format!("the checkpoint `{}` is passed over: {error}", path.display()));
        };
        let inner = self.device.clone().without_autodiff();
        let state: Option<TrainState<Weights, Search>> = checkpointer
            .resume(&fresh, self.adam_params(), &inner, refused)
            .map_err(|error| StageError::caused("the checkpoints cannot be read", error))?;
        Ok(match state {
            Some(TrainState { step, model, adam, state }) => {
                self.cx.note(format!("resumed after step {step}"));
                (model, adam, state)
            }
            None => (fresh, Adam::new(self.adam_params()), Search::default()),
        })
    }

    fn adam_params(&self) -> AdamParams {
        AdamParams { weight_decay: self.params.weight_decay, ..AdamParams::default() }
    }

    /// Steps for each learning rate.
    fn total_steps(&self) -> u64 {
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

    /// One update of the weights; the trial's step is the one that is being done.
    fn step(
        &self,
        gpt: &mut Gpt,
        adam: &mut Adam,
        order: &mut EpochOrder,
        trial: &Trial,
    ) -> Result<StepLoss, StageError> {
        let params = self.params;
        let draws = order.batch(trial.step, params.batch);
        let batch = self.images.batch(&draws, trial.step, params.augment, &self.cx.stream("augment"));
        let hidden = (self.objective == Objective::Bert).then(|| {
            let n = batch.tokens.len();
            bert_mask(&self.cx.stream("masks"), trial.step, n, params.mask_probability)
        });
        let positions = self.images.positions();
        if let (Some(hidden), Loss::Joint) = (&hidden, params.loss) {
            loss::check_mask(hidden, positions, &format!("step {}", trial.step))?;
        }
        // How many images of the batch the generative loss is a mean over.
        let counted = |range: std::ops::Range<usize>| match &hidden {
            Some(hidden) => {
                params.bert_loss.images(&hidden[range.start * positions..range.end * positions], positions)
            }
            None => range.len(),
        };
        let all = counted(0..draws.len());
        let mut random = self.cx.stream("dropout");
        random.set_stream(trial.step);
        let mut dropout = Dropout::new(params.dropout, random);

        let mut accumulated = GradientsAccumulator::new();
        let mut pending = Vec::new();
        let places: Vec<usize> = (0..draws.len()).collect();
        for micro in micro_batches(&places, params.accumulation) {
            let share = micro.len() as f64 / draws.len() as f64;
            let range = micro[0]..micro[0] + micro.len();
            // Of the generative loss; another one where nothing is masked in some images.
            let of_tokens = if all == 0 { share } else { counted(range.clone()) as f64 / all as f64 };
            let (generative, classification) =
                self.losses(gpt, &batch, hidden.as_deref(), range, dropout.as_mut());
            let alone = generative.clone().map(Tensor::detach);
            pending.push((share, of_tokens, alone, classification.clone().detach()));
            let loss = match generative {
                None => classification * share,
                Some(generative) if of_tokens == share => (classification + generative) * share,
                Some(generative) => classification * share + generative * of_tokens,
            };
            let gradients = GradientsParams::from_grads(loss.backward(), gpt);
            accumulated.accumulate(gpt, gradients);
        }
        let mut gradients = accumulated.grads();
        if params.clip > 0.0 {
            clip_global_norm(gpt, &mut gradients, Some(params.clip));
        }
        let schedule = Schedule {
            peak: params.learning_rates[trial.index],
            warmup_steps: params.warmup_steps,
            total_steps: self.total_steps(),
            decay: params.decay,
        };
        *gpt = adam.step(schedule.at(trial.step), gpt.clone(), gradients);
        // Only now, with all of the step on its way to the device, wait for it.
        let mut sum =
            StepLoss { generative: (params.loss == Loss::Joint).then_some(0.0), classification: 0.0 };
        for (share, of_tokens, generative, classification) in pending {
            sum.classification += share * scalar(&classification);
            if let (Some(total), Some(generative)) = (&mut sum.generative, &generative) {
                *total += of_tokens * scalar(generative);
            }
        }
        Ok(sum)
    }

    /// L_GEN (where it is part of the loss) and L_CLF of the images at `range` in the batch.
    fn losses(
        &self,
        gpt: &Gpt,
        batch: &Batch,
        hidden: Option<&[f32]>,
        range: std::ops::Range<usize>,
        dropout: Option<&mut Dropout>,
    ) -> (Option<Tensor<1>>, Tensor<1>) {
        let (b, t) = (range.len(), self.images.positions());
        let of_tokens = range.start * t..range.end * t;
        let tokens = token_tensor(&batch.tokens[of_tokens.clone()], t, &self.device); // [B,T]
        let labels = TensorData::new(batch.labels[range].to_vec(), [b]);
        let labels = Tensor::<1, Int>::from_data(labels, &self.device); // [B]
        let hidden = hidden.map(|hidden| &hidden[of_tokens]);
        let mask = hidden.map(|hidden| {
            let values = TensorData::new(hidden.to_vec(), [b, t]);
            Tensor::<2>::from_data(values, &self.device) // [B,T]
        });
        let input = mask.clone().map_or(Input::Autoregressive, Input::Bert);
        match self.params.loss {
            Loss::Classifier => {
                let logits = gpt.class_logits(tokens, &input, dropout); // [B,classes]
                (None, loss::classification(logits, labels))
            }
            Loss::Joint => {
                let joint = gpt.joint(tokens.clone(), &input, dropout);
                let nll = loss::token_nll(joint.logits, tokens); // [B,T]
                let generative = match mask.zip(hidden) {
                    None => loss::autoregressive(nll),
                    Some((mask, hidden)) => {
                        let reduction = self.params.bert_loss;
                        loss::bert(nll, mask, reduction, reduction.images(hidden, t))
                    }
                };
                (Some(generative), loss::classification(joint.class_logits, labels))
            }
        }
    }

    /// Looks at the validation images and keeps the weights if they are the best so far.
    fn validate(&self, weights: &mut Weights, search: &mut Search) -> Result<(), StageError> {
        let verdicts = match self.images.valid() {
            [] => None,
            rows => Some(self.showing.judge(&weights.now.valid(), self.images, rows, 0, self.cx)?),
        };
        let so_far = search.accuracy_so_far();
        let trial = &mut search.current;
        trial.looked = trial.step;
        let (generative, classification) = trial.running.take();
        if self.params.loss == Loss::Joint {
            trial.curves.train_generative.push(trial.step, generative);
        }
        trial.curves.train_classification.push(trial.step, classification);
        if let Some(verdicts) = &verdicts {
            if let Err(diverged) = Diverged::check("validation", trial.step, verdicts.loss) {
                trial.ended = Some(Ended::Diverged(diverged.to_string()));
                return Ok(());
            }
            trial.curves.valid_accuracy.push(trial.step, verdicts.accuracy);
            trial.curves.valid_classification.push(trial.step, verdicts.loss);
            self.cx.metric("accuracy.valid", search.steps as f64, verdicts.accuracy);
        }
        let accuracy = verdicts.map(|verdicts| Exact(verdicts.accuracy));
        // Without validation images the last weights are the best.
        if accuracy.is_none_or(|accuracy| accuracy.0 > trial.accuracy()) {
            trial.best = Some(Best { step: trial.step, accuracy });
            trial.since_best = 0;
            if accuracy.is_none_or(|accuracy| accuracy.0 > so_far) {
                weights.best = weights.now.clone();
            }
        } else {
            trial.since_best += 1;
            if self.params.patience > 0 && trial.since_best >= self.params.patience {
                trial.ended = Some(Ended::Early);
            }
        }
        Ok(())
    }

    /// Ends the current trial; whether there is another to train.
    fn next_trial(&self, search: &mut Search) -> Result<bool, StageError> {
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
                Err(StageError::new(format!("no learning rate trained: {how}")).hint(Diverged::HINT))
            }
            _ => Ok(false),
        }
    }

    fn say(&self, search: &Search, loss: StepLoss) {
        let rates = self.params.learning_rates.len() as u64;
        let done = search.current.index as u64 * self.total_steps() + search.current.step;
        self.cx.progress(done, rates * self.total_steps(), "steps");
        self.cx.metric("loss.train", search.steps as f64, loss.total());
    }
}

fn save(
    checkpointer: &Checkpointer,
    weights: &Weights,
    adam: &Adam,
    search: &Search,
) -> Result<(), StageError> {
    checkpointer
        .save(search.steps, weights, adam, search)
        .map_err(|error| StageError::caused("a checkpoint cannot be written", error))
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;

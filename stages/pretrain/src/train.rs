//! The training loop: what a step is, when to validate, keep and checkpoint, how to resume.
//!
//! Knows nothing of ports and artifacts. The order of events at step s (s updates done) is:
//! checkpoint, validate, keep the model, then the next update; a training resumed from a checkpoint
//! of step s therefore goes through the very same states as one that was never interrupted.

use std::collections::VecDeque;

use burn::module::Module as _;
use burn::optim::GradientsAccumulator;
use burn::tensor::Device;
use igpt_contract::{StageContext, StageError, Stream};
use igpt_corpus::{Corpus, Rows, Task, Told};
use igpt_model::{Dropout, Gpt};
use igpt_optim::{
    Adam, AdamParams, Checkpointer, Diverged, Draw, EpochOrder, Exact, Schedule, SpikeWatch,
    clip_global_norm, micro_batches,
};
use serde::{Deserialize, Serialize};

use crate::kept::{Kept, KeptModels};
use crate::params::Params;

/// All that steers a training.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// The objective and its constants.
    pub task: Task,
    /// Updates.
    pub steps: u64,
    /// Images in an update.
    pub batch: usize,
    /// Micro-batches of an update.
    pub accumulation: usize,
    /// Whether blocks are computed again for their gradients.
    pub recompute: bool,
    /// The learning rate by step.
    pub schedule: Schedule,
    /// Adam's constants.
    pub adam: AdamParams,
    /// The dropout probability.
    pub dropout: f64,
    /// The largest global norm of gradients, where there is one.
    pub clip: Option<f64>,
    /// Steps between validations; 0: at the end alone.
    pub validate_every: u64,
    /// Steps between checkpoints; 0: on interruption alone.
    pub checkpoint_every: u64,
}

impl Recipe {
    /// The parameters, with what depends on the data filled in.
    pub(crate) fn new(params: &Params, corpus: &Corpus, cx: &StageContext) -> Self {
        let epoch = corpus.train.len().div_ceil(params.batch) as u64;
        let warmup_steps = params.warmup_steps.unwrap_or_else(|| epoch.min(params.steps.div_ceil(20)));
        Self {
            task: Task::new(params.objective, params.mask_probability, params.bert_loss, cx),
            steps: params.steps,
            batch: params.batch,
            accumulation: params.accumulation,
            recompute: params.recompute,
            schedule: Schedule {
                peak: params.learning_rate,
                warmup_steps,
                total_steps: params.steps,
                decay: params.decay,
            },
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

/// What a training remembers besides weights and optimizer: all of it is in its checkpoints.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Log {
    watch: SpikeWatch,
    /// Sum and number of the losses since the last point of the curve.
    interval: (Exact, u64),
    /// The losses of the last [`RECENT`] steps.
    recent: VecDeque<Exact>,
    /// Mean training loss up to a step, since the point before. Nats a token.
    pub train: Vec<(u64, Exact)>,
    /// The learning rate at those steps.
    pub learning_rate: Vec<(u64, Exact)>,
    /// The gradients' global norm at those steps; only where they are clipped.
    pub gradient_norm: Vec<(u64, Exact)>,
    /// Validation loss by step. Nats a token.
    pub valid: Vec<(u64, Exact)>,
    /// The models that were kept.
    pub kept: KeptModels,
}

/// Steps that the final training loss is averaged over.
const RECENT: usize = 100;
/// Points of a training curve, about.
const CURVE_POINTS: u64 = 500;

impl Log {
    /// The mean loss of the last 100 steps, before their updates; `None` without a step.
    pub(crate) fn final_train(&self) -> Option<f64> {
        let n = self.recent.len();
        (n > 0).then(|| self.recent.iter().map(|loss| loss.0).sum::<f64>() / n as f64)
    }

    fn record(&mut self, recipe: &Recipe, step: u64, update: &Update) {
        self.recent.push_back(Exact(update.loss));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let (sum, n) = (self.interval.0.0 + update.loss, self.interval.1 + 1);
        self.interval = (Exact(sum), n);
        if step.is_multiple_of(recipe.steps.div_ceil(CURVE_POINTS)) || step == recipe.steps {
            self.train.push((step, Exact(sum / n as f64)));
            self.learning_rate.push((step, Exact(update.learning_rate)));
            if let Some(norm) = update.gradient_norm {
                self.gradient_norm.push((step, Exact(norm)));
            }
            self.interval = (Exact(0.0), 0);
        }
    }
}

/// What an update was like.
struct Update {
    /// Nats a token, before the update.
    loss: f64,
    learning_rate: f64,
    gradient_norm: Option<f64>,
}

/// A training under way.
pub(crate) struct Training<'a> {
    recipe: &'a Recipe,
    corpus: &'a Corpus,
    cx: &'a StageContext,
    checkpointer: Checkpointer,
    kept: &'a Kept<'a>,
    order: EpochOrder,
    masks: Stream,
    dropout: Stream,
    device: Device,
    step: u64,
    model: Gpt,
    adam: Adam,
    log: Log,
}

impl<'a> Training<'a> {
    /// A training of `model` at step 0, or where the newest usable checkpoint of `cx` left it.
    pub(crate) fn begin(
        recipe: &'a Recipe,
        corpus: &'a Corpus,
        cx: &'a StageContext,
        model: Gpt,
        kept: &'a Kept<'a>,
        device: &Device,
    ) -> Result<Self, StageError> {
        let mut training = Self {
            recipe,
            corpus,
            cx,
            checkpointer: Checkpointer::new(cx.checkpoint_dir().join("training")),
            kept,
            order: EpochOrder::new(corpus.train.len(), cx.stream("data")),
            masks: cx.stream("masks"),
            dropout: cx.stream("dropout"),
            device: device.clone(),
            step: 0,
            model,
            adam: Adam::new(recipe.adam),
            log: Log::default(),
        };
        training.resume()?;
        Ok(training)
    }

    fn resume(&mut self) -> Result<(), StageError> {
        let found = self
            .checkpointer
            .resume::<Gpt, Log>(&self.model, self.recipe.adam, &self.device.clone().inner(), |path, why| {
                self.cx.note(format!("passed over the checkpoint `{}`: {why}", path.display()));
            })
            .map_err(|error| StageError::caused("the checkpoints cannot be read", error))?;
        let Some(found) = found else { return Ok(()) };
        if let Err(why) = self.kept.verify(&found.state.kept) {
            self.cx.note(format!("starting anew: {why}"));
            return Ok(());
        }
        self.cx.note(format!("resumed at step {} of {}", found.step, self.recipe.steps));
        (self.step, self.model, self.adam, self.log) = (found.step, found.model, found.adam, found.state);
        Ok(())
    }

    /// Trains to the end. Where it is cancelled, it leaves a checkpoint of where it was.
    pub(crate) fn run(mut self) -> Result<(Gpt, Log), StageError> {
        let mut saved = (self.step > 0).then_some(self.step);
        let result = self.run_from(&mut saved);
        if matches!(result, Err(StageError::Cancelled)) && saved != Some(self.step) {
            self.save()?;
        }
        result?;
        Ok((self.model, self.log))
    }

    fn run_from(&mut self, saved: &mut Option<u64>) -> Result<(), StageError> {
        let recipe = self.recipe;
        loop {
            self.cx.check()?;
            let due = |every: u64| every > 0 && self.step > 0 && self.step.is_multiple_of(every);
            let last = self.step == recipe.steps;
            if (due(recipe.checkpoint_every) || (last && self.step > 0)) && *saved != Some(self.step) {
                self.save()?;
                *saved = Some(self.step);
            }
            if last {
                self.log.watch.finish(self.step).map_err(diverged)?;
            }
            if due(recipe.validate_every) || last {
                self.validate()?;
            }
            self.kept.keep(self.step, &self.model, &mut self.log.kept)?;
            if last {
                return Ok(());
            }
            let step = self.step + 1;
            let update = self.update(step)?;
            self.step = step;
            self.log.watch.observe(step, update.loss).map_err(diverged)?;
            self.log.record(recipe, step, &update);
            self.cx.progress(step, recipe.steps, "steps");
            self.cx.metric("loss.train", step as f64, update.loss);
            self.cx.metric("learning_rate", step as f64, update.learning_rate);
        }
    }

    /// The update that makes `step` steps of what has been done.
    fn update(&mut self, step: u64) -> Result<Update, StageError> {
        let recipe = self.recipe;
        let draws = self.order.batch(step, recipe.batch);
        let positions = self.corpus.positions();
        let mask = recipe.task.mask(&self.masks, step, draws.len(), positions)?;
        let counted = recipe.task.images(draws.len(), positions, mask.as_deref());
        let mut dropout = self.dropout.clone();
        dropout.set_stream(step);
        let mut dropout = Dropout::new(recipe.dropout, dropout);
        let mut gradients = GradientsAccumulator::new();
        let (mut pending, mut first) = (Vec::new(), 0);
        for micro in micro_batches(&draws, recipe.accumulation) {
            let rows: Vec<&[u16]> =
                micro.iter().map(|Draw { epoch, row }| self.corpus.train.view(*row, *epoch)).collect();
            let mask = mask.as_ref().map(|mask| &mask[first * positions..][..rows.len() * positions]);
            let share = recipe.task.images(rows.len(), positions, mask) as f64 / counted as f64;
            let (found, told) = recipe.task.gradients(
                &self.model,
                &rows,
                mask,
                dropout.as_mut(),
                share,
                recipe.recompute,
                &self.device,
            );
            gradients.accumulate(&self.model, found);
            pending.push(told);
            first += rows.len();
        }
        let mut gradients = gradients.grads();
        let gradient_norm = recipe.clip.map(|clip| clip_global_norm(&self.model, &mut gradients, Some(clip)));
        let learning_rate = recipe.schedule.at(step);
        self.model = self.adam.step(learning_rate, self.model.clone(), gradients);
        // Only now, with all of the step on its way to the device, wait for it.
        let mut told = Told::default();
        pending.into_iter().for_each(|pending| told.add(pending.read()));
        let loss = told.mean().ok_or_else(|| StageError::new(format!("step {step} predicted no token")))?;
        Ok(Update { loss, learning_rate, gradient_norm })
    }

    /// Records the validation loss of this step, unless a checkpoint brought it along.
    fn validate(&mut self) -> Result<(), StageError> {
        let rows = &self.corpus.valid;
        if rows.is_empty() || self.log.valid.last().is_some_and(|(step, _)| *step == self.step) {
            return Ok(());
        }
        let loss =
            evaluate(self.recipe, &self.model, ("validation", self.step), rows, &self.device, self.cx)?;
        self.log.valid.push((self.step, Exact(loss)));
        self.cx.metric("loss.valid", self.step as f64, loss);
        Ok(())
    }

    fn save(&self) -> Result<(), StageError> {
        self.checkpointer
            .save(self.step, &self.model, &self.adam, &self.log)
            .map_err(|error| StageError::caused("the checkpoint cannot be written", error))
    }
}

/// The mean loss of a model over rows, in nats a token; `what` names loss and step in an error.
///
/// # Errors
/// If the loss is no number, or the step is cancelled.
pub(crate) fn evaluate(
    recipe: &Recipe,
    model: &Gpt,
    what: (&'static str, u64),
    rows: &Rows,
    device: &Device,
    cx: &StageContext,
) -> Result<f64, StageError> {
    let batch = recipe.batch.div_ceil(recipe.accumulation);
    let loss = recipe.task.mean_loss(&model.valid(), rows, batch, &device.clone().inner(), cx)?;
    Diverged::check(what.0, what.1, loss).map_err(diverged)?;
    Ok(loss)
}

fn diverged(error: Diverged) -> StageError {
    StageError::new(error.to_string()).hint(Diverged::HINT)
}

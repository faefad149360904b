//! The training loop: what a step is, when to validate and save, how to resume.
//!
//! The order of events at step s (s updates done) is: write a resume file, validate, save the network
//! for the output, then the next update. A training resumed at step s therefore goes through the very
//! same states as one that was never interrupted.

use std::collections::VecDeque;
use std::path::Path;

use burn::module::Module as _;
use burn::optim::GradientsAccumulator;
use burn::tensor::Device;
use igpt_contract::{StageContext, StageError, Stream};
use igpt_corpus::{Corpus, LossSum, Rows};
use igpt_model::{Dropout, Gpt};
use igpt_optim::{
    Adam, Checkpointer, Diverged, Draw, EpochOrder, Exact, SpikeWatch, clip_global_norm, micro_batches,
};
use serde::{Deserialize, Serialize};

use crate::checkpoints::{CheckpointDigests, StepCheckpoints};
use crate::config::TrainingConfig;
use crate::continuation::{self, Course};

/// The state of a training besides weights and optimizer, saved with them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TrainingLog {
    watch: SpikeWatch,
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
    fn kept_at(&self, config: &TrainingConfig, step: u64) -> Self {
        let mut log = Self { kept: CheckpointDigests::new(), ..self.clone() };
        let due = config.validate_every > 0 && step.is_multiple_of(config.validate_every);
        log.valid.retain(|(at, _)| due || *at != step);
        log
    }

    fn record(&mut self, config: &TrainingConfig, step: u64, update: &StepStats) {
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
struct StepStats {
    /// In nats/token, before the update.
    loss: f64,
    learning_rate: f64,
    gradient_norm: Option<f64>,
}

/// How a training is related to shorter and longer ones.
pub(crate) struct Continuation<'a> {
    /// What decides its course.
    pub course: &'a Course,
    /// The folder of the network that it goes on from.
    pub resume: Option<&'a Path>,
    /// Whether the state of a step is kept.
    pub keeps_state: &'a dyn Fn(u64) -> bool,
}

/// A training under way.
pub(crate) struct Training<'a> {
    config: &'a TrainingConfig,
    corpus: &'a Corpus,
    cx: &'a StageContext,
    checkpointer: Checkpointer,
    checkpoints: &'a StepCheckpoints<'a>,
    /// None where it neither goes on from a shorter one nor keeps its state.
    continuation: Option<&'a Continuation<'a>>,
    order: EpochOrder,
    masks: Stream,
    dropout: Stream,
    device: Device,
    step: u64,
    model: Gpt,
    adam: Adam,
    log: TrainingLog,
}

impl<'a> Training<'a> {
    /// A training of `model` where the newest usable checkpoint of `cx` left it, else where the shorter
    /// training that it continues ended, else at step 0.
    pub(crate) fn begin(
        config: &'a TrainingConfig,
        corpus: &'a Corpus,
        cx: &'a StageContext,
        model: Gpt,
        checkpoints: &'a StepCheckpoints<'a>,
        continuation: Option<&'a Continuation<'a>>,
        device: &Device,
    ) -> Result<Self, StageError> {
        let mut training = Self {
            config,
            corpus,
            cx,
            checkpointer: Checkpointer::new(cx.checkpoint_dir().join("training")),
            checkpoints,
            continuation,
            order: EpochOrder::new(corpus.train.len(), cx.stream("data")),
            masks: cx.stream("masks"),
            dropout: cx.stream("dropout"),
            device: device.clone(),
            step: 0,
            model,
            adam: Adam::new(config.adam),
            log: TrainingLog::default(),
        };
        if !training.resume()? {
            training.go_on()?;
        }
        Ok(training)
    }

    /// Takes over the state of the shorter training, where one is connected.
    fn go_on(&mut self) -> Result<(), StageError> {
        let Some(Continuation { course, resume: Some(folder), .. }) = self.continuation else {
            return Ok(());
        };
        let (config, device) = (self.config, self.device.clone().inner());
        let found = continuation::read(folder, course, config.steps, &self.model, config.adam, &device)?;
        self.cx.note(format!("going on from step {} of {}", found.step, config.steps));
        (self.step, self.model, self.adam, self.log) = (found.step, found.model, found.adam, found.state);
        Ok(())
    }

    /// Goes on where an interrupted attempt ended; answers whether there was one.
    fn resume(&mut self) -> Result<bool, StageError> {
        let found = self
            .checkpointer
            .resume::<Gpt, TrainingLog>(
                &self.model,
                self.config.adam,
                &self.device.clone().inner(),
                |path, why| {
                    self.cx.note(format!("the checkpoint `{}` was skipped: {why}", path.display()));
                },
            )
            .map_err(|error| StageError::caused("the checkpoints cannot be read", error))?;
        let Some(found) = found else { return Ok(false) };
        if let Err(why) = self.checkpoints.verify(&found.state.kept) {
            let from = match self.continuation.and_then(|continuation| continuation.resume) {
                Some(_) => "where the shorter training ended",
                None => "step 0",
            };
            self.cx.note(format!("starting from {from}: {why}"));
            return Ok(false);
        }
        self.cx.note(format!("resumed at step {} of {}", found.step, self.config.steps));
        (self.step, self.model, self.adam, self.log) = (found.step, found.model, found.adam, found.state);
        Ok(true)
    }

    /// Trains to the end. If cancelled, it saves its state first.
    pub(crate) fn run(mut self) -> Result<(Gpt, TrainingLog), StageError> {
        let mut saved = (self.step > 0).then_some(self.step);
        let result = self.run_from(&mut saved);
        if matches!(result, Err(StageError::Cancelled)) && saved != Some(self.step) {
            self.save()?;
        }
        result?;
        Ok((self.model, self.log))
    }

    fn run_from(&mut self, saved: &mut Option<u64>) -> Result<(), StageError> {
        let config = self.config;
        loop {
            self.cx.check()?;
            let due = |every: u64| every > 0 && self.step > 0 && self.step.is_multiple_of(every);
            let last = self.step == config.steps;
            if (due(config.checkpoint_every) || (last && self.step > 0)) && *saved != Some(self.step) {
                self.save()?;
                *saved = Some(self.step);
            }
            if last {
                self.log.watch.finish(self.step).map_err(diverged)?;
            }
            if due(config.validate_every) || last {
                self.validate()?;
            }
            self.keep()?;
            if last {
                return Ok(());
            }
            let step = self.step + 1;
            let update = self.update(step)?;
            self.step = step;
            self.log.watch.observe(step, update.loss).map_err(diverged)?;
            self.log.record(config, step, &update);
            self.cx.progress(step, config.steps, "steps");
            self.cx.metric("loss.train", step as f64, update.loss);
            self.cx.metric("learning_rate", step as f64, update.learning_rate);
        }
    }

    /// Does update number `step`.
    fn update(&mut self, step: u64) -> Result<StepStats, StageError> {
        let config = self.config;
        let draws = self.order.batch(step, config.batch);
        let positions = self.corpus.positions();
        let mask = config.task.mask(&self.masks, step, draws.len(), positions)?;
        let counted = config.task.images(draws.len(), positions, mask.as_deref());
        let mut dropout = self.dropout.clone();
        dropout.set_stream(step);
        let mut dropout = Dropout::new(config.dropout, dropout);
        let mut gradients = GradientsAccumulator::new();
        let (mut pending, mut first) = (Vec::new(), 0);
        for micro in micro_batches(&draws, config.accumulation) {
            let images = micro.len();
            let tokens = self.corpus.train.gather(micro.iter().map(of_draw))?;
            let mask = mask.as_ref().map(|mask| &mask[first * positions..][..images * positions]);
            let share = config.task.images(images, positions, mask) as f64 / counted as f64;
            let (found, loss) = config.task.gradients(
                &self.model,
                &tokens,
                mask,
                dropout.as_mut(),
                share,
                config.recompute,
                &self.device,
            );
            gradients.accumulate(&self.model, found);
            pending.push(loss);
            first += images;
        }
        if step < config.steps {
            self.corpus.train.prefetch(self.order.batch(step + 1, config.batch).iter().map(of_draw));
        }
        let mut gradients = gradients.grads();
        let gradient_norm = config.clip.map(|clip| clip_global_norm(&self.model, &mut gradients, Some(clip)));
        let learning_rate = config.schedule.at(step);
        self.model = self.adam.step(learning_rate, self.model.clone(), gradients);
        // Only now, with all of the step on its way to the device, wait for it.
        let mut sum = LossSum::default();
        pending.into_iter().for_each(|pending| sum.add(pending.read()));
        let loss = sum.mean().ok_or_else(|| StageError::new(format!("step {step} predicted no token")))?;
        Ok(StepStats { loss, learning_rate, gradient_norm })
    }

    /// Records the validation loss of this step, unless it was restored with the state.
    fn validate(&mut self) -> Result<(), StageError> {
        let rows = &self.corpus.valid;
        if rows.is_empty() || self.log.valid.last().is_some_and(|(step, _)| *step == self.step) {
            return Ok(());
        }
        let loss =
            evaluate(self.config, &self.model, ("validation", self.step), rows, &self.device, self.cx)?;
        self.log.valid.push((self.step, Exact(loss)));
        self.cx.metric("loss.valid", self.step as f64, loss);
        Ok(())
    }

    /// Keeps the network of this step, and the training's state with it, where they are due.
    fn keep(&mut self) -> Result<(), StageError> {
        let (step, model, adam) = (self.step, &self.model, &self.adam);
        let continuation = self.continuation.filter(|one| (one.keeps_state)(step));
        // None but where it is kept: it is copied.
        let log = continuation.map(|_| self.log.kept_at(self.config, step));
        self.checkpoints.save(step, model, &mut self.log.kept, |folder| match (continuation, log) {
            (Some(one), Some(log)) => continuation::keep(folder, one.course, step, model, adam, log),
            _ => Ok(()),
        })
    }

    fn save(&self) -> Result<(), StageError> {
        self.checkpointer
            .save(self.step, &self.model, &self.adam, &self.log)
            .map_err(|error| StageError::caused("the checkpoint cannot be written", error))
    }
}

/// The image of a draw, and its epoch.
fn of_draw(draw: &Draw) -> (usize, u64) {
    (draw.row, draw.epoch)
}

/// The mean loss of a model over rows, in nats/token; `what` names loss and step in an error.
///
/// # Errors
/// If the loss is not finite, or the step is cancelled.
pub(crate) fn evaluate(
    config: &TrainingConfig,
    model: &Gpt,
    what: (&'static str, u64),
    rows: &Rows,
    device: &Device,
    cx: &StageContext,
) -> Result<f64, StageError> {
    let batch = config.batch.div_ceil(config.accumulation);
    let loss = config.task.mean_loss(&model.valid(), rows, batch, &device.clone().inner(), cx)?;
    Diverged::check(what.0, what.1, loss).map_err(diverged)?;
    Ok(loss)
}

fn diverged(error: Diverged) -> StageError {
    StageError::new(error.to_string()).hint(Diverged::HINT)
}

//! The training loop: what a step is, when to validate and save, how to resume.
//!
//! The order of events at step s (s updates done) is: write a resume file, validate, save the network
//! for the output, then the next update. A training resumed at step s therefore goes through the very
//! same states as one that was never interrupted.

//!
//! With several ranks each goes through the same steps on its share of the lanes, rank 0 with the only
//! outputs, checkpoints and signals: what all of them need to decide alike, they exchange.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module as _;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Device;
use igpt_contract::{StageContext, StageError, Stream};
use igpt_corpus::{Corpus, LossSum, PendingLoss, Rows, Task};
use igpt_model::{Dropout, Gpt};
use igpt_optim::{
    Checkpointer, Diverged, Draw, EpochOrder, Exact, LaneTree, TeamAdam, add_gradients, micro_batches,
};
use igpt_ranks::Team;

use crate::checkpoints::StepCheckpoints;
use crate::config::TrainingConfig;
use crate::continuation::{self, Course};
use crate::log::{State, StepStats, TrainingLog};
use crate::start::Start;

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
    team: &'a Team,
    order: EpochOrder,
    masks: Stream,
    dropout: Stream,
    device: Device,
    step: u64,
    model: Gpt,
    adam: TeamAdam,
    log: TrainingLog,
}

/// What is drawn and known of a step before it is split into lanes.
struct Batch {
    draws: Vec<Draw>,
    /// The masked positions of all images.
    mask: Option<Vec<f32>>,
    /// How many of its images the loss is a mean over.
    counted: usize,
}

impl<'a> Training<'a> {
    /// A training of `model` where the newest usable checkpoint of `cx` left it, else where the shorter
    /// training that it continues ended, else at step 0.
    #[expect(clippy::too_many_arguments, reason = "a training is made of that much")]
    pub(crate) fn begin(
        config: &'a TrainingConfig,
        corpus: &'a Corpus,
        cx: &'a StageContext,
        model: Gpt,
        checkpoints: &'a StepCheckpoints<'a>,
        continuation: Option<&'a Continuation<'a>>,
        team: &'a Team,
        device: &Device,
    ) -> Result<Self, StageError> {
        let mut training = Self {
            config,
            corpus,
            cx,
            checkpointer: Checkpointer::new(cx.checkpoint_dir().join("training")),
            checkpoints,
            continuation,
            team,
            order: EpochOrder::new(corpus.train.len(), cx.stream("data")),
            masks: cx.stream("masks"),
            dropout: cx.stream("dropout"),
            device: device.clone(),
            step: 0,
            model,
            adam: TeamAdam::new(config.adam, team),
            log: TrainingLog::default(),
        };
        let found = match team.leads() {
            true => training.resume()?.map_or_else(|| training.go_on(), |found| Ok(Some(found)))?,
            false => None,
        };
        let off_tape = device.clone().inner();
        if let Some(start) = Start::shared(found, &training.model, config.adam, &off_tape, team)? {
            let Start { step, model, adam, log } = start;
            (training.step, training.model, training.adam, training.log) = (step, model, adam, log);
        }
        Ok(training)
    }

    /// The state of the shorter training, where one is connected.
    fn go_on(&self) -> Result<Option<State>, StageError> {
        let Some(Continuation { course, resume: Some(folder), .. }) = self.continuation else {
            return Ok(None);
        };
        let (config, device) = (self.config, self.device.clone().inner());
        let found = continuation::read(folder, course, config.steps, &self.model, config.adam, &device)?;
        self.cx.note(format!("going on from step {} of {}", found.step, config.steps));
        Ok(Some(found))
    }

    /// The state in which an interrupted attempt ended, if there was one.
    fn resume(&self) -> Result<Option<State>, StageError> {
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
        let Some(found) = found else { return Ok(None) };
        if let Err(why) = self.checkpoints.verify(&found.state.kept) {
            let from = match self.continuation.and_then(|continuation| continuation.resume) {
                Some(_) => "where the shorter training ended",
                None => "step 0",
            };
            self.cx.note(format!("starting from {from}: {why}"));
            return Ok(None);
        }
        self.cx.note(format!("resumed at step {} of {}", found.step, self.config.steps));
        Ok(Some(found))
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
            self.team.check_cancelled(self.cx)?;
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
        let batch = self.batch(step)?;
        let (mut gradients, mut losses) = (LaneTree::default(), Vec::new());
        for lane in self.team.share(config.lanes) {
            let (found, pending) = self.lane(step, lane, &batch)?;
            gradients.push(found, |a, b| add_gradients(&self.model, a, b));
            losses.push(pending);
        }
        if step < config.steps {
            let next = self.order.batch(step + 1, config.batch);
            let each = config.batch / config.lanes;
            let lanes = self.team.share(config.lanes);
            let own = &next[lanes.start * each..lanes.end * each];
            self.corpus.train.prefetch(own.iter().map(of_draw));
        }
        let gradients = gradients.sum().expect("a rank has a power of two of lanes");
        let learning_rate = config.schedule.at(step);
        let model = self.model.clone();
        let (model, gradient_norm) =
            self.adam.step(learning_rate, model, gradients, config.clip, self.team)?;
        self.model = model;
        // Only now, with all of the step on its way to the device, wait for it.
        let loss = self.step_loss(losses)?;
        let loss = loss.ok_or_else(|| StageError::new(format!("step {step} predicted no token")))?;
        Ok(StepStats { loss, learning_rate, gradient_norm })
    }

    fn batch(&mut self, step: u64) -> Result<Batch, StageError> {
        let (task, positions) = (&self.config.task, self.corpus.positions());
        let draws = self.order.batch(step, self.config.batch);
        let mask = task.mask(&self.masks, step, draws.len(), positions)?;
        let counted = task.images(draws.len(), positions, mask.as_deref());
        Ok(Batch { draws, mask, counted })
    }

    /// The gradients of a lane, its share of the batch, and the losses of its micro-batches.
    fn lane(
        &self,
        step: u64,
        lane: usize,
        batch: &Batch,
    ) -> Result<(GradientsParams, Vec<PendingLoss>), StageError> {
        let (config, positions) = (self.config, self.corpus.positions());
        let each = batch.draws.len() / config.lanes;
        // A stream for each lane of each step, so that no mask depends on who draws before.
        let mut dropout = self.dropout.clone();
        dropout.set_stream(step * config.lanes as u64 + lane as u64);
        let mut dropout = Dropout::new(config.dropout, dropout);
        let mut gradients = GradientsAccumulator::new();
        let (mut pending, mut first) = (Vec::new(), lane * each);
        for micro in micro_batches(&batch.draws[first..][..each], config.accumulation) {
            self.team.check()?;
            let images = micro.len();
            let tokens = self.corpus.train.gather(micro.iter().map(of_draw))?;
            let mask = batch.mask.as_ref().map(|mask| &mask[first * positions..][..images * positions]);
            let share = config.task.images(images, positions, mask) as f64 / batch.counted as f64;
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
        Ok((gradients.grads(), pending))
    }

    /// The mean loss of all lanes, from those of this rank's.
    fn step_loss(&self, lanes: Vec<Vec<PendingLoss>>) -> Result<Option<f64>, StageError> {
        let sum = |lane: Vec<PendingLoss>| {
            lane.into_iter().map(PendingLoss::read).fold(LossSum::default(), LossSum::plus)
        };
        let mine: Vec<f64> = lanes.into_iter().flat_map(|lane| sum(lane).parts()).collect();
        let mut tree = LaneTree::default();
        for parts in self.team.all_gather_f64(&mine)?.as_chunks::<2>().0 {
            tree.push(LossSum::from_parts(*parts), LossSum::plus);
        }
        Ok(tree.sum().and_then(LossSum::mean))
    }

    /// Records the validation loss of this step, unless it was restored with the state.
    fn validate(&mut self) -> Result<(), StageError> {
        let rows = &self.corpus.valid;
        if rows.is_empty() || self.log.valid.last().is_some_and(|(step, _)| *step == self.step) {
            return Ok(());
        }
        let what = ("validation", self.step);
        let loss = evaluate(self.config, &self.model, what, rows, &self.device, self.team, self.cx)?;
        self.log.valid.push((self.step, Exact(loss)));
        self.cx.metric("loss.valid", self.step as f64, loss);
        Ok(())
    }

    /// Keeps the network of this step, and the training's state with it, where they are due.
    fn keep(&mut self) -> Result<(), StageError> {
        let (step, model) = (self.step, &self.model);
        if !self.checkpoints.due(step, &self.log.kept) {
            return Ok(());
        }
        let continuation = self.continuation.filter(|one| (one.keeps_state)(step));
        // None but where they are kept: they are copied.
        let log = continuation.map(|_| self.log.kept_at(self.config, step));
        let adam = continuation.map(|_| self.adam.whole(self.team)).transpose()?.flatten();
        if !self.team.leads() {
            // As rank 0 has it, but for the digests.
            self.log.kept.insert(step, BTreeMap::new());
            return Ok(());
        }
        self.checkpoints.save(step, model, &mut self.log.kept, |folder| match (continuation, adam, log) {
            (Some(one), Some(adam), Some(log)) => {
                continuation::keep(folder, one.course, step, model, &adam, log)
            }
            _ => Ok(()),
        })
    }

    fn save(&self) -> Result<(), StageError> {
        let Some(adam) = self.adam.whole(self.team)? else { return Ok(()) };
        self.checkpointer
            .save(self.step, &self.model, &adam, &self.log)
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
    team: &Team,
    cx: &StageContext,
) -> Result<f64, StageError> {
    let batch = config.batch.div_ceil(config.lanes * config.accumulation);
    let (model, device) = (model.valid(), device.clone().inner());
    let loss = match team.ranks() {
        1 => config.task.mean_loss(&model, rows, batch, &device, cx)?,
        ranks => {
            // Each rank looks at every so many-th batch; the parts are added up in the batches' order.
            let rounds = rows.len().div_ceil(batch * ranks);
            let mut mine = Vec::with_capacity(2 * rounds);
            for round in 0..rounds {
                team.check()?;
                let number = round * ranks + team.index();
                let part = match number * batch < rows.len() {
                    true => config.task.batch_loss(&model, rows, batch, number, &device)?,
                    false => LossSum::default(),
                };
                mine.extend(part.parts());
            }
            let all = team.all_gather_f64(&mine)?;
            let parts = all.as_chunks::<2>().0;
            let in_order = (0..rounds * ranks).map(|number| parts[number % ranks * rounds + number / ranks]);
            Task::mean_of(in_order.map(LossSum::from_parts), rows)?
        }
    };
    Diverged::check(what.0, what.1, loss).map_err(diverged)?;
    Ok(loss)
}

fn diverged(error: Diverged) -> StageError {
    StageError::new(error.to_string()).hint(Diverged::HINT)
}

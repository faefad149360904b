//! The two objectives on batches of token rows: the loss to train on and the loss to report.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError, Stream};
use igpt_model::loss::{self, BertReduction};
use igpt_model::{Dropout, Gpt, Input, Objective, bert_mask};

use crate::rows::Rows;

/// An objective with its settings.
#[derive(Debug, Clone)]
pub enum Task {
    /// Each token from those before it.
    Autoregressive,
    /// Masked tokens from all others.
    Bert {
        /// The probability that a position is masked.
        probability: f64,
        /// How the training loss reduces masked positions.
        reduction: BertReduction,
        /// The masks of evaluations, one for each row, the same at every evaluation.
        fixed: Box<Stream>,
    },
}

/// The loss of a batch.
struct BatchLoss {
    /// The loss to train on, with its graph for automatic differentiation.
    loss: Tensor<1>,
    /// What to report of it.
    pending: PendingLoss,
}

/// A batch on the device.
#[derive(Clone)]
struct TokenBatch {
    /// `[B,T]`
    tokens: Tensor<2, Int>,
    mask: Option<Mask>,
}

/// The masked positions of a batch.
#[derive(Clone)]
struct Mask {
    /// `[B,T]`
    tensor: Tensor<2>,
    /// How many tokens it masks.
    masked: f64,
    /// How many images the loss is a mean over.
    images: usize,
}

impl TokenBatch {
    /// Images of `positions` tokens, one after another.
    fn new(task: &Task, ids: &[u16], positions: usize, mask: Option<&[f32]>, device: &Device) -> Self {
        let images = ids.len() / positions;
        let ids: Vec<i32> = ids.iter().map(|id| i32::from(*id)).collect();
        let tokens: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [images, positions]), device); // [B,T]
        let mask = mask.map(|mask| Mask {
            tensor: Tensor::from_data(TensorData::new(mask.to_vec(), tokens.dims()), device),
            masked: mask.iter().map(|masked| f64::from(*masked)).sum(),
            images: task.images(images, positions, Some(mask)),
        });
        Self { tokens, mask }
    }

    fn input(&self) -> Input {
        match &self.mask {
            Some(mask) => Input::Bert(mask.tensor.clone()),
            None => Input::Autoregressive,
        }
    }
}

/// The loss to report of a batch, still on the device: reading it waits for the computation.
#[derive(Debug)]
pub struct PendingLoss {
    /// Nats, times `times`.
    nats: Tensor<1>,
    times: f64,
    tokens: f64,
}

impl PendingLoss {
    /// Waits for it.
    pub fn read(self) -> LossSum {
        let nats = self.times * f64::from(self.nats.into_scalar::<f32>());
        LossSum { nats, tokens: self.tokens }
    }
}

/// The summed negative log-likelihood of predicted tokens, to be added up over batches. An image in
/// which nothing is masked does not count.
#[derive(Debug, Clone, Copy, Default)]
pub struct LossSum {
    nats: f64,
    tokens: f64,
}

impl LossSum {
    /// Adds another batch's.
    pub fn add(&mut self, other: Self) {
        self.nats += other.nats;
        self.tokens += other.tokens;
    }

    /// The sum of two batches'.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.add(other);
        self
    }

    /// Its nats and its tokens, to be passed between processes.
    pub fn parts(self) -> [f64; 2] {
        [self.nats, self.tokens]
    }

    /// What had these parts.
    pub fn from_parts([nats, tokens]: [f64; 2]) -> Self {
        Self { nats, tokens }
    }

    /// The mean in nats/token; none where no token was predicted.
    pub fn mean(self) -> Option<f64> {
        (self.tokens > 0.0).then(|| self.nats / self.tokens)
    }
}

impl Task {
    /// The task of an objective. For BERT `probability` is that of a mask, and evaluations draw theirs
    /// from `cx.stream("evaluation masks")`: under one seed every stage sees the same ones.
    pub fn new(objective: Objective, probability: f64, reduction: BertReduction, cx: &StageContext) -> Self {
        match objective {
            Objective::Autoregressive => Self::Autoregressive,
            Objective::Bert => {
                Self::Bert { probability, reduction, fixed: Box::new(cx.stream("evaluation masks")) }
            }
        }
    }

    /// The mask of a whole step of images of `positions` tokens, before it is split into
    /// micro-batches; `None` where there is none.
    ///
    /// # Errors
    /// If nothing at all is masked: the step would have no loss.
    pub fn mask(
        &self,
        masks: &Stream,
        step: u64,
        images: usize,
        positions: usize,
    ) -> Result<Option<Vec<f32>>, StageError> {
        let Self::Bert { probability, .. } = self else { return Ok(None) };
        let mask = bert_mask(masks, step, images * positions, *probability);
        loss::check_mask(&mask, positions, &format!("step {step}"))?;
        Ok(Some(mask))
    }

    /// How many of the `rows` images of `positions` tokens under `mask` the loss is a mean over: an
    /// image in which nothing is masked does not count in BERT's.
    pub fn images(&self, rows: usize, positions: usize, mask: Option<&[f32]>) -> usize {
        match (self, mask) {
            (Self::Bert { reduction, .. }, Some(mask)) => reduction.images(mask, positions),
            _ => rows,
        }
    }

    /// The gradients of the loss on `tokens` (B x T) under their `mask` (B x T), `share` times;
    /// and what to report of it. `recompute` takes a third more time and far less memory.
    #[expect(clippy::too_many_arguments, reason = "a step is made of that much")]
    pub fn gradients(
        &self,
        model: &Gpt,
        tokens: &[u16],
        mask: Option<&[f32]>,
        dropout: Option<&mut Dropout>,
        share: f64,
        recompute: bool,
        device: &Device,
    ) -> (GradientsParams, PendingLoss) {
        let batch = TokenBatch::new(self, tokens, model.config().n_positions, mask, device);
        let scaled = |loss: Tensor<1>| if share == 1.0 { loss } else { loss * share };
        if recompute {
            let mut pending = None;
            let gradients =
                model.gradients_by_block(batch.tokens.clone(), &batch.input(), dropout, |logits| {
                    let loss = self.loss(logits, batch.clone());
                    pending = Some(loss.pending);
                    scaled(loss.loss)
                });
            return (gradients, pending.expect("a loss was asked for"));
        }
        let logits = model.logits(batch.tokens.clone(), &batch.input(), dropout); // [B,T,V]
        let BatchLoss { loss, pending } = self.loss(logits, batch);
        (GradientsParams::from_grads(scaled(loss).backward(), model), pending)
    }

    /// The loss of logits `[B,T,V]`.
    fn loss(&self, logits: Tensor<3>, batch: TokenBatch) -> BatchLoss {
        let nll = loss::token_nll(logits, batch.tokens); // [B,T]
        match (self, batch.mask) {
            (Self::Bert { reduction, .. }, Some(Mask { tensor, masked, images })) => {
                let nats = (nll.clone().detach() * tensor.clone()).sum();
                let pending = PendingLoss { nats, times: 1.0, tokens: masked };
                BatchLoss { loss: loss::bert(nll, tensor, *reduction, images), pending }
            }
            _ => {
                let tokens = nll.shape().num_elements() as f64;
                let loss = loss::autoregressive(nll);
                let pending = PendingLoss { nats: loss.clone().detach(), times: tokens, tokens };
                BatchLoss { loss, pending }
            }
        }
    }

    /// The mean loss over all of `rows` in nats/token, in batches of `batch`; for BERT under one
    /// fixed mask for each row. `model` should be without automatic differentiation.
    ///
    /// # Errors
    /// [`StageError::Cancelled`] between batches; if the rows cannot be read; if no token was predicted, as
    /// no mask hides any.
    pub fn mean_loss(
        &self,
        model: &Gpt,
        rows: &Rows,
        batch: usize,
        device: &Device,
        cx: &StageContext,
    ) -> Result<f64, StageError> {
        let mut losses = Vec::new();
        for number in 0..rows.len().div_ceil(batch) {
            cx.check()?;
            losses.push(self.batch_loss(model, rows, batch, number, device)?);
        }
        Self::mean_of(losses, rows)
    }

    /// Of that mean the part of batch `number`.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub fn batch_loss(
        &self,
        model: &Gpt,
        rows: &Rows,
        batch: usize,
        number: usize,
        device: &Device,
    ) -> Result<LossSum, StageError> {
        let first = number * batch;
        let last = rows.len().min(first + batch);
        let mask = match self {
            Self::Autoregressive => None,
            Self::Bert { probability, fixed, .. } => Some(
                (first..last)
                    .flat_map(|row| bert_mask(fixed, row as u64, rows.positions(), *probability))
                    .collect::<Vec<f32>>(),
            ),
        };
        let tokens = rows.gather((first..last).map(|row| (row, 0)))?;
        let batch = TokenBatch::new(self, &tokens, rows.positions(), mask.as_deref(), device);
        let logits = model.logits(batch.tokens.clone(), &batch.input(), None); // [B,T,V]
        Ok(self.loss(logits, batch).pending.read())
    }

    /// The mean loss in nats/token from the parts of all batches, in their order.
    ///
    /// # Errors
    /// If no token was predicted, as no mask hides any.
    pub fn mean_of(batches: impl IntoIterator<Item = LossSum>, rows: &Rows) -> Result<f64, StageError> {
        let sum = batches.into_iter().fold(LossSum::default(), LossSum::plus);
        sum.mean().ok_or_else(|| {
            let what = format!(
                "evaluation: none of the {} tokens of each of {} images is masked",
                rows.positions(),
                rows.len()
            );
            StageError::new(what).hint("raise `mask_probability`, or look at more images")
        })
    }
}

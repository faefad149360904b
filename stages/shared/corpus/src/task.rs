//! The two objectives on batches of token rows: losses to train on and losses to report.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageContext, StageError, Stream};
use igpt_model::loss::{self, BertReduction};
use igpt_model::{Dropout, Gpt, Input, Objective, bert_mask};

use crate::rows::Rows;

/// What is predicted.
#[derive(Debug, Clone)]
pub enum Task {
    /// Each token from those before it.
    Autoregressive,
    /// Masked tokens from all others.
    Bert {
        /// With which probability a position is masked.
        probability: f64,
        /// How the trained loss puts positions together.
        reduction: BertReduction,
        /// The masks of evaluations, one for each row, the same at every evaluation.
        fixed: Box<Stream>,
    },
}

/// A batch's losses.
struct Losses {
    /// The objective, on the tape.
    loss: Tensor<1>,
    /// What to report of it.
    pending: Pending,
}

/// A batch on the device.
#[derive(Clone)]
struct Shown {
    /// `[B,T]`
    tokens: Tensor<2, Int>,
    mask: Option<Mask>,
}

/// What is masked of a batch.
#[derive(Clone)]
struct Mask {
    /// `[B,T]`
    tensor: Tensor<2>,
    /// How many tokens it masks.
    masked: f64,
    /// How many images the loss is a mean over.
    images: usize,
}

impl Shown {
    fn new(task: &Task, rows: &[&[u16]], mask: Option<&[f32]>, device: &Device) -> Self {
        let tokens = tokens(rows, device); // [B,T]
        let [_, positions] = tokens.dims();
        let mask = mask.map(|mask| Mask {
            tensor: Tensor::from_data(TensorData::new(mask.to_vec(), tokens.dims()), device),
            masked: mask.iter().map(|masked| f64::from(*masked)).sum(),
            images: task.images(rows.len(), positions, Some(mask)),
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

/// What to report of a batch, still on the device: whoever reads it waits until it is computed.
#[derive(Debug)]
pub struct Pending {
    /// Nats, times `times`.
    nats: Tensor<1>,
    times: f64,
    tokens: f64,
}

impl Pending {
    /// Waits for it.
    pub fn read(self) -> Told {
        let nats = self.times * f64::from(self.nats.into_scalar::<f32>());
        Told { nats, tokens: self.tokens }
    }
}

/// The negative log-likelihood of predicted tokens, ready to be added up over batches: an image in
/// which nothing is masked has no say in the mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    nats: f64,
    tokens: f64,
}

impl Told {
    /// Adds another batch's.
    pub fn add(&mut self, other: Self) {
        self.nats += other.nats;
        self.tokens += other.tokens;
    }

    /// Nats a predicted token; none where none was predicted.
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
    /// image in which nothing is masked has no say in BERT's.
    pub fn images(&self, rows: usize, positions: usize, mask: Option<&[f32]>) -> usize {
        match (self, mask) {
            (Self::Bert { reduction, .. }, Some(mask)) => reduction.images(mask, positions),
            _ => rows,
        }
    }

    /// The gradients of the loss on `rows` (B of T tokens) under their `mask` (B x T), `share` times;
    /// and what to report of it. `recompute` takes a third more time and far less memory.
    #[expect(clippy::too_many_arguments, reason = "a step is made of that much")]
    pub fn gradients(
        &self,
        model: &Gpt,
        rows: &[&[u16]],
        mask: Option<&[f32]>,
        dropout: Option<&mut Dropout>,
        share: f64,
        recompute: bool,
        device: &Device,
    ) -> (GradientsParams, Pending) {
        let shown = Shown::new(self, rows, mask, device);
        let scaled = |loss: Tensor<1>| if share == 1.0 { loss } else { loss * share };
        if recompute {
            let mut pending = None;
            let gradients =
                model.gradients_by_block(shown.tokens.clone(), &shown.input(), dropout, |logits| {
                    let losses = self.judge(logits, shown.clone());
                    pending = Some(losses.pending);
                    scaled(losses.loss)
                });
            return (gradients, pending.expect("a loss was asked for"));
        }
        let logits = model.logits(shown.tokens.clone(), &shown.input(), dropout); // [B,T,V]
        let Losses { loss, pending } = self.judge(logits, shown);
        (GradientsParams::from_grads(scaled(loss).backward(), model), pending)
    }

    /// The losses of logits `[B,T,V]`.
    fn judge(&self, logits: Tensor<3>, shown: Shown) -> Losses {
        let nll = loss::token_nll(logits, shown.tokens); // [B,T]
        match (self, shown.mask) {
            (Self::Bert { reduction, .. }, Some(Mask { tensor, masked, images })) => {
                let nats = (nll.clone().detach() * tensor.clone()).sum();
                let pending = Pending { nats, times: 1.0, tokens: masked };
                Losses { loss: loss::bert(nll, tensor, *reduction, images), pending }
            }
            _ => {
                let tokens = nll.shape().num_elements() as f64;
                let loss = loss::autoregressive(nll);
                let pending = Pending { nats: loss.clone().detach(), times: tokens, tokens };
                Losses { loss, pending }
            }
        }
    }

    /// The mean loss over all of `rows` in nats a predicted token, in batches of `batch`; for BERT under one
    /// fixed mask for each row. `model` should be off the tape.
    ///
    /// # Errors
    /// [`StageError::Cancelled`] between batches; if no token was predicted, as no mask hides any.
    pub fn mean_loss(
        &self,
        model: &Gpt,
        rows: &Rows,
        batch: usize,
        device: &Device,
        cx: &StageContext,
    ) -> Result<f64, StageError> {
        let mut sum = Told::default();
        for first in (0..rows.len()).step_by(batch) {
            cx.check()?;
            let last = rows.len().min(first + batch);
            let mask = match self {
                Self::Autoregressive => None,
                Self::Bert { probability, fixed, .. } => Some(
                    (first..last)
                        .flat_map(|row| bert_mask(fixed, row as u64, rows.positions(), *probability))
                        .collect::<Vec<f32>>(),
                ),
            };
            let batch: Vec<&[u16]> = (first..last).map(|row| rows.view(row, 0)).collect();
            let shown = Shown::new(self, &batch, mask.as_deref(), device);
            let logits = model.logits(shown.tokens.clone(), &shown.input(), None); // [B,T,V]
            sum.add(self.judge(logits, shown).pending.read());
        }
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

/// Rows of token ids as a tensor [B,T].
fn tokens(rows: &[&[u16]], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i32> = rows.iter().flat_map(|row| row.iter().map(|id| i32::from(*id))).collect();
    let shape = [rows.len(), ids.len() / rows.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}

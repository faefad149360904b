//! The two objectives on batches of token rows: losses to train on and losses to report.

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
#[derive(Debug)]
pub struct Losses {
    /// The objective, on the tape.
    pub loss: Tensor<1>,
    /// What to report of it.
    pub told: Told,
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

    /// Nats a predicted token; 0 where none was.
    pub fn mean(self) -> f64 {
        self.nats / self.tokens.max(1.0)
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

    /// The mask of a whole step, before it is split into micro-batches; `None` where there is none.
    pub fn mask(&self, masks: &Stream, step: u64, tokens: usize) -> Option<Vec<f32>> {
        match self {
            Self::Autoregressive => None,
            Self::Bert { probability, .. } => Some(bert_mask(masks, step, tokens, *probability)),
        }
    }

    /// The losses of `rows` (B of T tokens) under their `mask` (B x T).
    pub fn losses(
        &self,
        model: &Gpt,
        rows: &[&[u16]],
        mask: Option<&[f32]>,
        dropout: Option<&mut Dropout>,
        device: &Device,
    ) -> Losses {
        let tokens = tokens(rows, device); // [B,T]
        let (Self::Bert { reduction, .. }, Some(mask)) = (self, mask) else {
            let logits = model.logits(tokens.clone(), &Input::Autoregressive, dropout); // [B,T,V]
            let loss = loss::autoregressive(loss::token_nll(logits, tokens));
            let tokens = (rows.len() * model.config().n_positions) as f64;
            return Losses { told: Told { nats: tokens * scalar(loss.clone()), tokens }, loss };
        };
        let mask = Tensor::<2>::from_data(TensorData::new(mask.to_vec(), tokens.dims()), device); // [B,T]
        let logits = model.logits(tokens.clone(), &Input::Bert(mask.clone()), dropout); // [B,T,V]
        let nll = loss::token_nll(logits, tokens); // [B,T]
        let nats = scalar((nll.clone().detach() * mask.clone()).sum());
        let told = Told { nats, tokens: scalar(mask.clone().sum()) };
        Losses { loss: loss::bert(nll, mask, *reduction), told }
    }

    /// The mean loss over all of `rows` in nats a predicted token, in batches of `batch`; for BERT under one
    /// fixed mask for each row. `model` should be off the tape.
    ///
    /// # Errors
    /// [`StageError::Cancelled`] between batches.
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
            sum.add(self.losses(model, &batch, mask.as_deref(), None, device).told);
        }
        Ok(sum.mean())
    }
}

/// Rows of token ids as a tensor [B,T].
fn tokens(rows: &[&[u16]], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i32> = rows.iter().flat_map(|row| row.iter().map(|id| i32::from(*id))).collect();
    let shape = [rows.len(), ids.len() / rows.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}

fn scalar(value: Tensor<1>) -> f64 {
    f64::from(value.into_scalar::<f32>())
}

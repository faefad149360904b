//! One update of the weights: the losses of a batch, their gradients, Adam.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Int, Tensor, TensorData};
use igpt_contract::StageError;
use igpt_model::{Dropout, Gpt, Input, Objective, bert_mask, loss};
use igpt_optim::{Adam, EpochOrder, Schedule, clip_global_norm, micro_batches};

use crate::evaluate::token_tensor;
use crate::images::Batch;
use crate::params::Loss;
use crate::state::{StepLoss, Trial};
use crate::train::Training;

impl Training<'_> {
    /// One update of the weights; the trial's step is the one that is being done.
    pub(crate) fn step(
        &self,
        gpt: &mut Gpt,
        adam: &mut Adam,
        order: &mut EpochOrder,
        trial: &Trial,
    ) -> Result<StepLoss, StageError> {
        let params = self.params;
        let draws = order.batch(trial.step, params.batch);
        let batch = self.images.batch(&draws, trial.step, params.augment, &self.cx.stream("augment"))?;
        self.images.prefetch(&order.batch(trial.step + 1, params.batch));
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
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}

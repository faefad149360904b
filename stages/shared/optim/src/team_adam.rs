//! Adam of a team: whole in one process, in shards where there are several.

use std::borrow::Cow;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use igpt_contract::StageError;
use igpt_ranks::Team;

use crate::adam::{Adam, AdamParams};
use crate::clip::clip_global_norm;
use crate::sharded::ShardedAdam;

/// The optimizer of a team. The network and its updates have the same bits for any number of ranks.
#[derive(Debug)]
pub struct TeamAdam(Form);

#[derive(Debug)]
enum Form {
    Whole(Adam),
    Sharded(ShardedAdam),
}

impl TeamAdam {
    /// A fresh optimizer.
    pub fn new(params: AdamParams, team: &Team) -> Self {
        Self(match team.ranks() {
            1 => Form::Whole(Adam::new(params)),
            _ => Form::Sharded(ShardedAdam::new(params)),
        })
    }

    /// The optimizer that rank 0 has read, shared out; what others give counts for nothing. `model` is all
    /// ranks' network, on `device` where it is off the tape.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn shared_out<M: Module>(
        params: AdamParams,
        whole: Option<Adam>,
        model: &M,
        device: &Device,
        team: &Team,
    ) -> Result<Self, StageError> {
        match team.ranks() {
            1 => Ok(Self(Form::Whole(whole.unwrap_or_else(|| Adam::new(params))))),
            _ => ShardedAdam::shared_out(params, whole, model, device, team)
                .map(|adam| Self(Form::Sharded(adam))),
        }
    }

    /// One update from the sum of all ranks' gradients, see [`Adam::step`]. With `clip` it is at most that
    /// long, and its norm before that is returned.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        model: M,
        mut grads: GradientsParams,
        clip: Option<f64>,
        team: &Team,
    ) -> Result<(M, Option<f64>), StageError> {
        match &mut self.0 {
            Form::Whole(adam) => {
                let norm = clip.map(|clip| clip_global_norm(&model, &mut grads, Some(clip)));
                Ok((adam.step(learning_rate, model, grads), norm))
            }
            Form::Sharded(adam) => adam.step(learning_rate, model, grads, clip, team),
        }
    }

    /// The whole optimizer in rank 0, none in the others.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn whole(&self, team: &Team) -> Result<Option<Cow<'_, Adam>>, StageError> {
        match &self.0 {
            Form::Whole(adam) => Ok(Some(Cow::Borrowed(adam))),
            Form::Sharded(adam) => Ok(adam.whole(team)?.map(Cow::Owned)),
        }
    }
}

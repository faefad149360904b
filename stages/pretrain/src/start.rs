//! Where a training begins that goes on from a saved state: rank 0 reads it, and shares it out.

use burn::tensor::Device;
use igpt_contract::StageError;
use igpt_model::{Gpt, NamedTensor, assign_parameters, named_parameters};
use igpt_optim::{AdamParams, TeamAdam};
use igpt_ranks::Team;

use crate::log::{State, TrainingLog};

/// A training's state, as a rank has its share of it.
pub(crate) struct Start {
    pub(crate) step: u64,
    pub(crate) model: Gpt,
    pub(crate) adam: TeamAdam,
    pub(crate) log: TrainingLog,
}

impl Start {
    /// Each rank's share of the state that rank 0 has found, if it has found any. `model` gives the
    /// structure.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn shared(
        found: Option<State>,
        model: &Gpt,
        adam: AdamParams,
        device: &Device,
        team: &Team,
    ) -> Result<Option<Self>, StageError> {
        let (told, found) = match found {
            Some(State { step, model, adam, state }) => (Some((step, state)), Some((model, adam))),
            None => (None, None),
        };
        let told = match team.ranks() {
            1 => told,
            _ => {
                let text = serde_json::to_vec(&told).map_err(passing)?;
                serde_json::from_slice::<Option<(u64, TrainingLog)>>(&team.broadcast(text)?)
                    .map_err(passing)?
            }
        };
        let Some((step, log)) = told else { return Ok(None) };
        let (model, whole) = match found {
            Some((model, adam)) => (model, Some(adam)),
            None => (model.clone(), None),
        };
        let model = same_weights(model, team)?;
        let adam = TeamAdam::shared_out(adam, whole, &model, device, team)?;
        Ok(Some(Self { step, model, adam, log }))
    }
}

/// The network with the weights of rank 0.
fn same_weights(model: Gpt, team: &Team) -> Result<Gpt, StageError> {
    if team.ranks() == 1 {
        return Ok(model);
    }
    let mut weights: Vec<NamedTensor> = named_parameters(&model);
    weights.iter_mut().try_for_each(|tensor| team.broadcast_f32(&mut tensor.values))?;
    assign_parameters(model, weights)
        .map_err(|error| StageError::caused("the weights cannot be shared out", error))
}

fn passing(error: serde_json::Error) -> StageError {
    StageError::caused("the training's state cannot be passed on", error)
}

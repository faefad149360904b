//! Adam of several ranks: each keeps the moments of its shard of the parameters, and updates that (ZeRO, stage
//! 1; Rajbhandari et al. 2020).
//!
//! A step gives each rank the others' gradients of its shard, sums them by a tree, updates the shard and
//! gives it to all. That moves as many bytes as a ring that sums whole gradients, 2 (n - 1) / n of theirs
//! for each of n ranks, and its bits do not depend on n.

use std::ops::Range;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use igpt_contract::StageError;
use igpt_module::{NamedTensor, to_host};
use igpt_ranks::Team;

use crate::adam::{Adam, AdamParams, of_axes};
use crate::clip::{scale, sums_of_squares};
use crate::lanes::LaneTree;
use crate::shards::{Shards, assign, flatten, places, values};
use crate::update::{AdamTensors, UpdateQueue};

/// The optimizer of a rank, with the state of its shard.
#[derive(Debug)]
pub(crate) struct ShardedAdam {
    params: AdamParams,
    steps: u64,
    /// None before the first gradients, which show what is trained.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    shards: Shards,
    /// The running means of the gradient and of its square, for each block of this rank.
    moments: Vec<(Tensor<1>, Tensor<1>)>,
}

impl ShardedAdam {
    pub(crate) fn new(params: AdamParams) -> Self {
        Self { params, steps: 0, state: None }
    }

    /// One update from the sum of all ranks' gradients, clipped by their global norm, which it returns.
    pub(crate) fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        model: M,
        mut grads: GradientsParams,
        clip: Option<f64>,
        team: &Team,
    ) -> Result<(M, Option<f64>), StageError> {
        let (flat, places) = flatten(&model, &mut grads);
        drop(grads);
        let shards = match &self.state {
            Some(state) => state.shards.clone(),
            None => Shards::new(places, team.ranks()),
        };
        let elements = shards.elements(team.index());
        let parts = team.all_to_all(flat, &shards.lengths(), &vec![elements.len(); team.ranks()])?;
        let sum = tree(parts, elements.len());
        let blocks = shards.blocks(team.index());
        let before = values(&model, shards.places(), blocks);
        let device = before.first().map(Tensor::device);
        let on_device = |values: &[f32]| {
            let device = device.as_ref().expect("asked for only where there is a block");
            Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
        };
        let of_block = |range: &Range<usize>| range.start - elements.start..range.end - elements.start;
        let mut grads: Vec<Tensor<1>> =
            blocks.iter().map(|block| on_device(&sum[of_block(&block.elements)])).collect();
        drop(sum);
        let norm = clip.map(|_| global_norm(&grads, &shards, team)).transpose()?;
        if let Some(by) = clip.zip(norm).and_then(|(clip, norm)| scale(norm, clip)) {
            grads = grads.into_iter().map(|grad| grad.mul_scalar(by)).collect();
        }

        self.steps += 1;
        let rule = self.params.rule(self.steps, learning_rate);
        let moments = match self.state.take() {
            Some(state) => state.moments,
            None => grads.iter().map(|grad| (grad.zeros_like(), grad.zeros_like())).collect(),
        };
        let queue = UpdateQueue::default();
        let updates = before.into_iter().zip(moments).zip(grads).zip(blocks);
        let (updated, moments): (Vec<_>, Vec<_>) = updates
            .map(|(((value, (mean, square)), grad), block)| {
                let rule = of_axes(rule, shards.places()[block.place].rank);
                let AdamTensors { value, mean, square } =
                    AdamTensors { value, mean, square }.by(grad, rule, &queue);
                (value, (mean, square))
            })
            .unzip();
        queue.finish();

        let mine = updated.into_iter().flat_map(to_host).collect();
        let all = Gathered::new(mine, &shards, team)?;
        let model = assign(model, shards.places(), &mut |elements| all.read(elements));
        self.state = Some(State { shards, moments });
        Ok((model, norm))
    }

    /// The optimizer with all moments, in rank 0.
    pub(crate) fn whole(&self, team: &Team) -> Result<Option<Adam>, StageError> {
        let Some(State { shards, moments }) = &self.state else {
            return Ok(team.leads().then(|| Adam::new(self.params)));
        };
        let device = moments.first().map(|(mean, _)| mean.device());
        let mut tensors = Vec::new();
        for (suffix, of) in [("m", mean as fn(&_) -> _), ("v", square)] {
            let mine: Vec<f32> = moments.iter().map(of).flat_map(to_host).collect();
            let mut given = vec![0; team.ranks()];
            given[0] = mine.len();
            let taken = if team.leads() { shards.lengths() } else { vec![0; team.ranks()] };
            let all = team.all_to_all(mine, &given, &taken)?;
            if team.leads() {
                tensors.extend(shards.places().iter().map(|place| NamedTensor {
                    name: format!("{}.{suffix}", place.name),
                    shape: vec![place.elements.len()],
                    values: all[place.elements.clone()].to_vec(),
                }));
            }
        }
        if !team.leads() {
            return Ok(None);
        }
        let device = device.unwrap_or_else(Device::flex);
        Adam::restored(self.params, self.steps, tensors, &device)
            .map(Some)
            .map_err(|error| StageError::caused("the optimizer's state does not fit together", error))
    }

    /// The optimizer of each rank, from the whole one that rank 0 has.
    pub(crate) fn shared_out<M: Module>(
        params: AdamParams,
        whole: Option<Adam>,
        model: &M,
        device: &Device,
        team: &Team,
    ) -> Result<Self, StageError> {
        let steps = whole.as_ref().map_or(0, Adam::steps);
        let state = whole.map_or_else(Vec::new, |adam| adam.state());
        let names: Vec<&str> = state.iter().filter_map(|tensor| tensor.name.strip_suffix(".m")).collect();
        let told = serde_json::to_vec(&(steps, names)).map_err(passing)?;
        let (steps, names): (u64, Vec<String>) =
            serde_json::from_slice(&team.broadcast(told)?).map_err(passing)?;
        if names.is_empty() {
            return Ok(Self { params, steps, state: None });
        }
        let shards = Shards::new(places(model, &names), team.ranks());
        let mut halves = Vec::new();
        for suffix in ["m", "v"] {
            let mut flat = Vec::new();
            // Rank 0 alone has any; in the order of the parameters.
            for place in shards.places() {
                let name = format!("{}.{suffix}", place.name);
                flat.extend(state.iter().filter(|tensor| tensor.name == name).flat_map(|one| &one.values));
            }
            let given = if team.leads() { shards.lengths() } else { vec![0; team.ranks()] };
            let mut taken = vec![0; team.ranks()];
            taken[0] = shards.elements(team.index()).len();
            if team.leads() && flat.len() != given.iter().sum::<usize>() {
                return Err(StageError::new("the optimizer's state is not that of this network"));
            }
            halves.push(team.all_to_all(flat, &given, &taken)?);
        }
        let first = shards.elements(team.index()).start;
        let moments = shards.blocks(team.index()).iter().map(|block| {
            let range = block.elements.start - first..block.elements.end - first;
            let tensor = |half: &Vec<f32>| {
                let values = half[range.clone()].to_vec();
                Tensor::from_data(TensorData::new(values, [range.len()]), device)
            };
            (tensor(&halves[0]), tensor(&halves[1]))
        });
        let moments = moments.collect();
        Ok(Self { params, steps, state: Some(State { shards, moments }) })
    }
}

fn passing(error: serde_json::Error) -> StageError {
    StageError::caused("the optimizer's state cannot be passed on", error)
}

fn mean((mean, _): &(Tensor<1>, Tensor<1>)) -> Tensor<1> {
    mean.clone()
}

fn square((_, square): &(Tensor<1>, Tensor<1>)) -> Tensor<1> {
    square.clone()
}

/// The sum of parts of `length` numbers each, by a tree.
fn tree(parts: Vec<f32>, length: usize) -> Vec<f32> {
    let mut tree = LaneTree::default();
    let n = parts.len().checked_div(length).unwrap_or(0);
    for part in 0..n {
        let part = parts[part * length..][..length].to_vec();
        tree.push(part, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        });
    }
    tree.sum().unwrap_or_default()
}

/// The norm of all ranks' gradients, to the bit that of [`crate::clip_global_norm`].
fn global_norm(grads: &[Tensor<1>], shards: &Shards, team: &Team) -> Result<f64, StageError> {
    let mut sums = Vec::new();
    grads.iter().for_each(|grad| sums_of_squares(grad.clone(), &mut sums));
    let mut mine: Vec<f64> = match sums.is_empty() {
        true => Vec::new(),
        false => Tensor::cat(sums, 0).into_data().iter::<f64>().collect(),
    };
    let counts: Vec<usize> = (0..team.ranks()).map(|rank| shards.blocks(rank).len()).collect();
    let most = counts.iter().max().copied().unwrap_or(0);
    mine.resize(most, 0.0);
    let all = team.all_gather_f64(&mine)?;
    let of_ranks = counts.iter().enumerate().flat_map(|(rank, n)| &all[rank * most..][..*n]);
    Ok(of_ranks.sum::<f64>().sqrt())
}

/// Everybody's elements.
struct Gathered<'a> {
    shards: &'a Shards,
    /// Of each rank as many as the largest shard has.
    padded: Vec<f32>,
    most: usize,
}

impl<'a> Gathered<'a> {
    fn new(mut mine: Vec<f32>, shards: &'a Shards, team: &Team) -> Result<Self, StageError> {
        let most = shards.lengths().into_iter().max().unwrap_or(0);
        mine.resize(most, 0.0);
        Ok(Self { shards, padded: team.all_gather(&mine)?, most })
    }

    /// Neighbouring elements, which several ranks may have.
    fn read(&self, elements: Range<usize>) -> Vec<f32> {
        let mut found = Vec::with_capacity(elements.len());
        for rank in 0..self.shards.lengths().len() {
            let own = self.shards.elements(rank);
            let (first, end) = (elements.start.max(own.start), elements.end.min(own.end));
            if first < end {
                let at = rank * self.most + first - own.start;
                found.extend_from_slice(&self.padded[at..][..end - first]);
            }
        }
        found
    }
}

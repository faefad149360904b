//! What every training stage shares: learning-rate schedule, Adam, gradient clipping, the order of
//! the examples, checkpoints that resume exactly, and the watch for a loss that has diverged.
//!
//! Generic over burn modules: it knows parameters by their dotted path, and nothing of iGPT.
//!
//! ```text
//! order.batch(step) ─> loss, gradients ─> clip_global_norm ─> adam.step(schedule.at(step))
//!                                             spike.observe(loss) ─> checkpointer.save(step)
//! ```

mod adam;
mod checkpoint;
mod clip;
mod exact;
mod lanes;
mod order;
mod schedule;
mod sharded;
mod shards;
mod spike;
mod team_adam;
#[cfg_attr(feature = "tch", expect(deprecated, reason = "burn 0.22 is the last version with libtorch"))]
mod update;

pub use adam::{Adam, AdamParams};
pub use checkpoint::{CheckpointError, Checkpointer, TrainState};
pub use clip::clip_global_norm;
pub use exact::Exact;
pub use lanes::{LaneTree, add_gradients, splits};
pub use order::{Draw, EpochOrder, MOST_IMAGES, micro_batches};
pub use schedule::{Decay, Schedule};
pub use spike::{Diverged, SpikeWatch};
pub use team_adam::TeamAdam;

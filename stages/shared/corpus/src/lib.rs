//! Training data without labels: the token rows of one or several image sets, split into training,
//! held-out and test images, and the loss of a network on them in nats/token.
//!
//! Shared by the stage that trains and the stage that evaluates a checkpoint, so that their numbers
//! agree.

mod corpus;
mod rows;
mod selection;
mod split_sets;
mod task;

pub use corpus::Corpus;
pub use rows::Rows;
pub use selection::Selection;
pub use task::{LossSum, PendingLoss, Task};

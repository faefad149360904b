//! What a network is trained and measured on without labels: the token rows of one or several image
//! sets, split into training, held-out and test images, and its loss on them in nats a token.
//!
//! One code for the training stage and for the stage that measures a checkpoint, so that their
//! numbers agree.

mod corpus;
mod rows;
mod task;

pub use corpus::{Corpus, Selection};
pub use rows::Rows;
pub use task::{Pending, Task, Told};

//! Where results come from: the way back from a result to what it was made of, as the records tell.
//!
//! [`Trace`] follows records from steps down to archives and files outside the store. [`place`] finds the
//! steps that a digest or a file on disk belongs to. Both read the store and nothing else: they need no
//! pipeline, and the bytes of a result may be gone.

mod cells;
mod node;
pub mod place;
mod trace;

pub use cells::{Cell, CellColumn, CellRow, TableCells};
pub use node::{Input, Node, Source};
pub use trace::Trace;

#[cfg(test)]
mod tests;

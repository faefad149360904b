//! What training on LibTorch needs beyond the crate tch: the operations of aten, LibTorch's library of
//! tensor operations, that tch has no name for, and `kernels` of our own where aten takes several
//! passes over memory. And what several processes need that train together: `Group`, in which they exchange
//! numbers.
//!
//! Without the feature `tch` only [`AdamRule`] is there, which the update on the processor shares.

mod adam;
#[cfg(feature = "tch")]
mod group;
#[cfg(feature = "tch")]
pub mod kernels;
#[cfg(feature = "tch")]
mod text;
#[cfg(feature = "tch")]
mod torch;

pub use adam::AdamRule;
#[cfg(feature = "tch")]
pub use group::{Arrived, Exchanged, Group, GroupError};
#[cfg(feature = "tch")]
pub use torch::{AdamTensors, adam, gradients};

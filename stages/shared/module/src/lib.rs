//! The float parameters of a burn module by name: read to the host, and set from it.
//!
//! A name is the dotted path of the module's fields (`h.0.attn.qkv.weight`). Weights on disk, the
//! checkpoints of a training and the optimizer's state all use these names.

mod file;
mod path;
mod tensor;
mod walk;

pub use file::write_tensors;
pub use path::ModulePath;
pub use tensor::{NamedTensor, to_host};
pub use walk::{Mismatch, assign_parameters, named_parameters, with_values};

//! The iGPT model: the network, its losses, its weights on disk and the operations that compute it.
//!
//! Read `gpt.rs` first: it holds the whole network, with the shapes on each line. `config.rs` has
//! the structure of networks, `loss.rs` their losses, `decode.rs` generation, `weights.rs` the files.
//! `ops` holds fused forward and backward passes for the CPU and for LibTorch; `Ops::Plain` is
//! the same mathematics as a graph of plain tensor operations, the reference of the tests.

mod config;
mod decode;
mod device;
mod dropout;
mod error;
pub mod flops;
mod gpt;
mod init;
mod layers;
pub mod loss;
mod mask;
pub mod memory;
mod objective;
pub mod ops;
mod recompute;
mod tokens;
mod weights;

pub use config::{Activation, GptConfig, Init, ModelParams, Preset, Variant, param_count};
pub use decode::{Decoder, Decoding};
pub use device::{
    PickedDevice, pick_device, prepare, prepare_with, set_threads, single_torch_thread, tune_allocator,
};
pub use dropout::Dropout;
pub use error::ModelError;
pub use gpt::{ClassHead, Gpt, Input, JointLogits, LayerActivations};
pub use igpt_module::{NamedTensor, assign_parameters, named_parameters};
pub use mask::bert_mask;
pub use objective::Objective;
pub use ops::{Ops, Precision};
pub use weights::{ClassHeadCard, ModelCard, input_model, load_model, save_model, write_tensors};

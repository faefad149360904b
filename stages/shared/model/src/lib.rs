//! The iGPT model: the network, its losses, its weights on disk and the CPU operations that train it.
//!
//! Read `gpt.rs` first: it holds the whole network, with the shapes on each line. `config.rs` says
//! which networks there are, `loss.rs` what they are trained on, `decode.rs` how they draw images, `weights.rs` how they are kept.
//! `ops` holds fused forward and backward passes for the processor and for LibTorch; `Ops::Plain` is
//! the same mathematics as a graph of plain tensor operations, the reference of the tests.

mod config;
mod decode;
mod device;
mod dropout;
mod error;
mod gpt;
mod init;
pub mod loss;
mod mask;
mod objective;
pub mod ops;
mod recompute;
mod tokens;
mod weights;

pub use config::{Activation, GptConfig, Init, ModelParams, Preset, Variant, param_count};
pub use decode::{Decoder, Decoding};
pub use device::{PickedDevice, pick_device, prepare, set_threads, tune_allocator};
pub use dropout::Dropout;
pub use error::ModelError;
pub use gpt::{ClassHead, Gpt, Input, Joint, Layer};
pub use mask::bert_mask;
pub use igpt_module::{NamedTensor, assign_parameters, named_parameters};
pub use objective::Objective;
pub use ops::{Ops, Precision};
pub use weights::{ClassHeadCard, ModelCard, input_model, load_model, save_model, write_tensors};

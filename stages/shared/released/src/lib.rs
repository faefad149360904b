//! Networks as others keep them: the layout of Hugging Face's ImageGPT, read and written, and the
//! names of OpenAI's released code, read.
//!
//! `tensors.rs` reads files (safetensors, `.npz`, `.npy`) and knows no network; `transformers.rs`
//! and `openai.rs` say what their names mean; `read.rs` and `write.rs` put it together. Nothing is
//! guessed: a tensor that is missing, left over or of another shape is an error that names it.

mod config;
mod error;
mod openai;
mod read;
mod taker;
mod tensors;
mod transformers;
mod write;

pub use error::ReleasedError;
pub use read::{ReadOptions, Released, read};
pub use write::write;

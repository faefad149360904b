//! Networks in other formats: reads and writes the format of Hugging Face's ImageGPT, and reads the
//! tensor names of OpenAI's released code.
//!
//! `tensors.rs` reads files (safetensors, `.npz`, `.npy`); `transformers.rs` and `openai.rs` map tensor
//! names; `read.rs` and `write.rs` put them together. Nothing is guessed: a tensor that is missing,
//! unexpected or of another shape is an error that names it.

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

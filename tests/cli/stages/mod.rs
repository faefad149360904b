//! The binary with its stage crates, on drawn shapes and on the pipelines that are shipped.

mod experiments;
mod foreseen;
mod imagenet;
mod released;
mod resume;
mod shipped;
mod skipped;
mod templates;

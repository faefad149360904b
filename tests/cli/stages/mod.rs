//! The binary with its stage crates, on drawn shapes and on the pipelines that are shipped.

mod check;
mod citations;
mod docs;
mod experiments;
mod foreseen;
mod imagenet;
mod published;
mod quickstart;
mod ranks;
mod released;
mod resume;
mod shipped;
mod skipped;
mod templates;

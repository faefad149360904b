//! The binary with its stage crates, on drawn shapes and on the pipelines that are shipped.

mod docs;
mod experiments;
mod foreseen;
mod imagenet;
mod left_out;
mod published;
mod released;
mod resume;
mod shipped;

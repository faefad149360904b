//! The binary from outside, on pipelines of shell commands: no stage crate is needed.

mod failures;
mod hazards;
mod kill;
mod memo;
mod model;
mod support;
mod verbs;

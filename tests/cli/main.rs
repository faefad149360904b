//! The binary from outside, on pipelines of shell commands: no stage crate is needed.

mod codes;
mod failures;
mod gc;
mod hazards;
mod history;
mod include;
mod kill;
mod memo;
mod model;
mod plan;
mod support;
mod verbs;

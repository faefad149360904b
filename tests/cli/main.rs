//! The binary from outside. All but `stages` are pipelines of shell commands, which need no stage crate.

mod codes;
mod commands;
mod failures;
mod gc;
mod hazards;
mod history;
mod include;
mod kill;
mod limits;
mod memo;
mod model;
mod plan;
mod signals;
#[cfg(feature = "stages")]
mod stages;
mod support;
mod verbs;

//! The binary from outside. All but `stages` are pipelines of shell commands, which need no stage crate.

mod codes;
mod failures;
mod gc;
mod hazards;
mod history;
mod include;
mod kill;
mod language;
mod memo;
mod model;
mod plan;
#[cfg(feature = "stages")]
mod stages;
mod support;
mod verbs;

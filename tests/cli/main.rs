//! The binary from outside. All but `stages` are pipelines of shell commands, which need no stage crate.

mod audit;
mod bundle;
mod codes;
mod commands;
mod completion;
mod explain;
mod failures;
#[cfg(target_os = "linux")]
mod faults;
mod formats;
mod gc;
mod hazards;
mod help;
mod history;
mod include;
mod inputs;
mod kill;
mod language;
mod limits;
mod logs;
mod memo;
mod model;
mod paper;
mod plan;
mod provenance;
mod random;
mod remains;
#[cfg(feature = "remote")]
mod remote;
#[cfg(not(feature = "remote"))]
mod remote_absent;
mod rot;
mod signals;
#[cfg(target_os = "linux")]
mod slurm;
#[cfg(feature = "stages")]
mod stages;
#[cfg(target_os = "linux")]
mod storm;
mod support;
mod tangle;
mod templates;
mod terminal;
mod verbs;
mod view;

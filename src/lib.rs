//! igpt-flow: runs whole iGPT experiments from a YAML file and caches every stage by content.
//!
//! The orchestrator, apart from its stages: see ARCHITECTURE.md for the map.

pub mod bundle;
pub mod cli;
pub mod cluster;
pub mod engine;
pub mod event;
pub mod execute;
pub mod formats;
mod history;
pub mod key;
pub mod machine;
pub mod paper;
pub mod paths;
pub mod pipeline;
pub mod plan;
pub mod provenance;
mod real_paths;
pub mod rebuild;
pub mod registry;
pub mod remote;
pub mod remote_address;
pub mod report;
pub mod schedule;
mod step_name;
pub mod store;
mod view;

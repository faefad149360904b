//! The plan: a pipeline with every variable, matrix and edge resolved, ready to be scheduled.
//!
//! It is a printable value, apart from its execution. It must not know the store, the file system
//! or the clock.

mod build;
pub mod catalog;
pub mod command;
mod connect;
mod declared;
mod edges;
mod exports;
mod fan_in;
mod feedback;
pub mod globs;
mod instances;
mod known_checks;
mod known_outputs;
mod limits;
mod outputs;
mod params;
mod paths;
mod planner;
mod prune;
mod redaction;
mod remote;
mod retry;
pub(crate) mod schema;
mod search;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod topo_sort;
mod types;

pub use build::{plan, plan_placed};
pub use catalog::Catalog;
pub use remote::RemoteSetting;
pub use retry::Retry;
pub use types::{
    Command, Export, Invocation, Plan, PlannedInput, PlannedStep, Redaction, Search, Source, StepId, Work,
};

/// A kind with its article: `an image-set`, `tokens`.
fn with_article(kind: &str) -> String {
    match kind {
        "tokens" | "metrics" | "checkpoints" | "feature-layers" | "predictions" => kind.to_owned(),
        _ if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

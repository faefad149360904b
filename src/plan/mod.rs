//! The plan: a pipeline with every variable, matrix and edge resolved, ready to be scheduled.
//!
//! It is a printable value, apart from its execution. It must not know the store, the file system
//! or the clock.

#[cfg(test)]
mod bomb_tests;
mod build;
pub mod catalog;
pub mod command;
mod connect;
mod declared;
mod edges;
#[cfg(test)]
mod error_tests;
mod exports;
mod fan_in;
mod feedback;
#[cfg(test)]
mod fuzz_tests;
pub mod globs;
mod instances;
mod known_checks;
mod known_outputs;
#[cfg(test)]
mod known_tests;
mod limits;
mod outputs;
mod params;
#[cfg(test)]
mod path_tests;
mod paths;
mod planner;
mod redaction;
pub(crate) mod schema;
mod search;
#[cfg(test)]
mod secret_tests;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
mod topo_sort;
mod types;
#[cfg(test)]
mod value_error_tests;
#[cfg(test)]
mod yaml_error_tests;

pub use build::{plan, plan_placed};
pub use catalog::Catalog;
pub use types::{
    Command, Export, Invocation, Plan, PlannedInput, PlannedStep, Redaction, Retry, Search, Source, StepId,
    Work,
};

/// A kind with its article: `an image-set`, `tokens`.
fn with_article(kind: &str) -> String {
    match kind {
        "tokens" | "metrics" | "checkpoints" | "feature-layers" | "predictions" => kind.to_owned(),
        _ if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

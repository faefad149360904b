//! From the arguments to a plan, or to all of the pipeline's errors.

use std::io::IsTerminal as _;

use super::error::CliError;
use super::options::PipelineArgs;
use crate::pipeline::{Overrides, Pipeline, render};
use crate::plan::{Catalog, Plan, plan};
use crate::registry;

/// Reads and plans the pipeline.
pub(super) fn load(args: &PipelineArgs) -> Result<Plan, CliError> {
    let overrides = Overrides { sets: args.sets.clone(), profiles: args.profiles.clone() };
    let catalog = Catalog::new(registry::stages());
    let planned = Pipeline::read(&args.file).and_then(|pipeline| plan(&pipeline, &catalog, &overrides));
    planned.map_err(|errors| {
        let count = errors.len();
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut text = render(&errors, colour);
        if count > 1 {
            text.push_str(&format!("\n{count} errors\n"));
        }
        CliError::Pipeline(text)
    })
}

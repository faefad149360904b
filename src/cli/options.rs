//! Options that several verbs share.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

/// A pipeline file and what replaces its values.
#[derive(Debug, Args)]
pub(super) struct PipelineArgs {
    /// The pipeline file.
    pub(super) file: PathBuf,
    /// Replace a value: `vars.side=8`, `stages.pretrain.with.steps=100`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(super) sets: Vec<String>,
    /// Use a named set of variable values of the pipeline.
    #[arg(long = "profile", value_name = "NAME")]
    pub(super) profiles: Vec<String>,
}

/// A pipeline, or what some of its steps need, on a device: for verbs that run it or look ahead.
#[derive(Debug, Args)]
pub(super) struct SelectArgs {
    /// The pipeline.
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    /// Only these steps and what they need (names in the YAML, or `probe[layer=3]`).
    #[arg(value_name = "STEP")]
    pub(super) steps: Vec<String>,
    /// The device for the stages that compute on one: auto, cpu, cuda, cuda:1.
    #[arg(long, default_value = "auto")]
    pub(super) device: String,
}

impl SelectArgs {
    /// The named steps; empty: all of them.
    pub(super) fn targets(&self) -> BTreeSet<String> {
        self.steps.iter().cloned().collect()
    }
}

/// What `plan` shows.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// What would run.
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Show parameters that are left at their defaults too.
    #[arg(long)]
    pub(super) defaults: bool,
}

/// How a run is to go.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// What to run.
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Run this step although its result is there (repeatable).
    #[arg(long, value_name = "STEP")]
    pub(super) force: Vec<String>,
    /// Processor slots [default: the machine's].
    #[arg(long, short)]
    pub(super) jobs: Option<u32>,
    /// Memory budget, such as 8GiB [default: seven eighths of the machine's].
    #[arg(long, value_name = "SIZE")]
    pub(super) memory: Option<String>,
    /// After a failure go on with all that is not below it.
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Replace files of yours that are in the way of exports; they are kept beside as NAME.bak.
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Keep the scratch folder of a step that fails, and say where it is.
    #[arg(long)]
    pub(super) keep_failed: bool,
    /// Forbid the network.
    #[arg(long)]
    pub(super) offline: bool,
    /// Run this shell command when the run ends. Its environment has `IGPT_FLOW_STATUS`
    /// (`succeeded`, `failed`, `interrupted` or `error`), `IGPT_FLOW_RUN`, `IGPT_FLOW_PIPELINE` and
    /// `IGPT_FLOW_SECONDS`.
    #[arg(long, value_name = "CMD")]
    pub(super) notify: Option<String>,
}

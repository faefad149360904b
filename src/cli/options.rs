//! Options that several verbs share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::plan::Plan;
use crate::step_name;

/// A pipeline file and what replaces its values.
#[derive(Debug, Args)]
pub(super) struct PipelineArgs {
    /// The pipeline file (YAML).
    pub(super) file: PathBuf,
    /// Override a value, such as vars.side=8 or stages.pretrain.with.steps=100 (repeatable).
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(super) sets: Vec<String>,
    /// Use a profile of the pipeline (repeatable).
    #[arg(long = "profile", value_name = "NAME")]
    pub(super) profiles: Vec<String>,
}

/// A pipeline, or what some of its steps need, on a device: for verbs that run it or look ahead.
#[derive(Debug, Args)]
pub(super) struct SelectArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    /// Only these steps and their dependencies: `probe` selects all of its instances, `probe:layer=3` those with
    /// layer 3.
    #[arg(value_name = "STEP", value_parser = step_name::parse)]
    pub(super) steps: Vec<String>,
    /// Compute device for stages: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    pub(super) device: String,
    /// Settings of the cluster whose nodes compute the results
    /// [default with `--executor slurm`: cluster.yaml next to the pipeline].
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) cluster: Option<PathBuf>,
}

/// Where steps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExecutorKind {
    /// On this machine.
    Local,
    /// As Slurm jobs on a cluster.
    Slurm,
}

/// The device that results are of: this machine's, or those of a cluster's nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct On<'a> {
    pub(super) device: &'a str,
    pub(super) cluster: Option<&'a Path>,
}

impl<'a> On<'a> {
    /// A device of this machine.
    pub(super) fn device(device: &'a str) -> Self {
        Self { device, cluster: None }
    }
}

impl SelectArgs {
    /// The device that results are of.
    pub(super) fn on(&self) -> On<'_> {
        On { device: &self.device, cluster: self.cluster.as_deref() }
    }

    /// The steps of the plan that are named; empty: all of them.
    pub(super) fn targets(&self, plan: &Plan) -> BTreeSet<String> {
        plan.named(&self.steps)
    }
}

/// What `plan` shows.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Also show parameters with default values.
    #[arg(long)]
    pub(super) defaults: bool,
}

/// Where results are shared.
#[derive(Debug, Args)]
pub(super) struct RemoteArgs {
    /// Remote to use instead of the pipeline's `remote`: s3://bucket/prefix, gs://bucket/prefix,
    /// az://container/prefix or file:///folder; `none` disables it [env: IGPT_FLOW_REMOTE].
    #[arg(long, value_name = "URL")]
    pub(super) remote: Option<String>,
}

/// How a run is to go.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Run this step even if it is cached (repeatable).
    #[arg(long, value_name = "STEP", value_parser = step_name::parse)]
    pub(super) force: Vec<String>,
    /// Number of CPUs that running steps may use [default: all CPUs]; with `--executor slurm`, the largest
    /// number of steps submitted at once.
    #[arg(long, short)]
    pub(super) jobs: Option<u32>,
    /// Memory that running steps may use, such as 8GiB [default: 7/8 of the machine's].
    #[arg(long, value_name = "SIZE")]
    pub(super) memory: Option<String>,
    /// Where to run the steps.
    #[arg(long, value_enum, default_value = "local")]
    pub(super) executor: ExecutorKind,
    /// With `--executor slurm`: on Ctrl-C, leave the jobs running; the next run takes them over.
    #[arg(long)]
    pub(super) detach: bool,
    /// After a failure, continue with steps that do not depend on the failed step.
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Let exports replace files that igpt-flow did not write; keep the old ones as NAME.bak.
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Keep the working folder of a failed step and print its path.
    #[arg(long)]
    pub(super) keep_failed: bool,
    /// Exit with code 100 if a result misses an expectation (`expect`).
    #[arg(long)]
    pub(super) check: bool,
    /// Do not let stages or remotes use the network; commands are not restricted.
    #[arg(long)]
    pub(super) offline: bool,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
    /// Upload the results of this run to the remote, like `push: true`.
    #[arg(long)]
    pub(super) push: bool,
    /// Write the outcome of each step to this file, as JUnit XML for CI.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) junit: Option<PathBuf>,
    /// Run this shell command when the run ends. Its environment has `IGPT_FLOW_STATUS`
    /// (`succeeded`, `failed`, `interrupted` or `error`), `IGPT_FLOW_RUN`, `IGPT_FLOW_PIPELINE` and
    /// `IGPT_FLOW_SECONDS`.
    #[arg(long, value_name = "CMD")]
    pub(super) notify: Option<String>,
}

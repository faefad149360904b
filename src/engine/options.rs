//! What a run is told, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use igpt_contract::Digest;

use crate::event::RunStatus;
use crate::plan::StepId;
use crate::remote::Remote;
use crate::schedule::{Budget, OnFailure, Outcome};
use crate::store::Artifact;

/// How a run is to go.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run's id.
    pub run: String,
    /// The folder that paths in the pipeline are relative to.
    pub folder: PathBuf,
    /// Where the logs of steps go.
    pub logs: PathBuf,
    /// What may be used at once; on a cluster, a processor for each step that may be there at once.
    pub budget: Budget,
    /// What a failure stops.
    pub on_failure: OnFailure,
    /// Steps, by their whole names, that run although there is a record.
    pub force: BTreeSet<String>,
    /// Steps, by their whole names, that are wanted, with all above them; empty: every step.
    pub targets: BTreeSet<String>,
    /// The device for stages that ask for one.
    pub device: String,
    /// The numerics class of that device.
    pub numerics: String,
    /// What each step has where it runs, if that is not here.
    pub nodes: Option<Arc<Nodes>>,
    /// Whether the network is forbidden.
    pub offline: bool,
    /// Whether exports replace what is the user's, keeping it beside.
    pub overwrite: bool,
    /// Whether scratch folders of failed attempts are kept.
    pub keep_failed: bool,
    /// Do not look at inputs outside the store: the digests that records have of them stand in.
    pub off_disk: bool,
    /// Where results are shared.
    pub remote: Option<Arc<Remote>>,
}

/// The machines of a cluster, as far as the engine needs to know them: by the name of the step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nodes(pub BTreeMap<String, Node>);

/// What a step has on its node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The device for a stage that asks for one.
    pub device: String,
    /// The numerics class of that device there.
    pub numerics: String,
    /// Processors.
    pub cpus: u32,
}

impl Nodes {
    /// The numerics class of a step's device.
    pub(super) fn numerics(&self, step: &str) -> Option<&str> {
        self.0.get(step).map(|node| node.numerics.as_str())
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How it ended.
    pub status: RunStatus,
    /// Step name -> what became of it, and its key where it is known.
    pub steps: Vec<(String, Outcome, Option<Digest>)>,
    /// How many steps did work.
    pub executed: usize,
    /// How many were there already.
    pub reused: usize,
    /// What was results, by step.
    pub outputs: BTreeMap<StepId, BTreeMap<String, Artifact>>,
    /// The exports that are in place: where, and what.
    pub exports: Vec<(PathBuf, Artifact)>,
}

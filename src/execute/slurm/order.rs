//! What passes between the run and a node, as files in the job's folder.

use std::path::PathBuf;
use std::time::Duration;

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

use crate::execute::job::{Job, JobOutcome};

/// What a node needs to know of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) job: Job,
    /// Where the log goes.
    #[serde(with = "crate::paths::exact")]
    pub(super) log: PathBuf,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
    /// How many GPUs the cluster was asked for; it says itself which they are.
    pub(super) gpus: u32,
}

/// What one task of an array does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TaskOrder {
    #[serde(with = "crate::paths::exact")]
    pub(super) store: PathBuf,
    /// Where the run was started: relative paths in the environment are meant from there.
    #[serde(with = "crate::paths::exact")]
    pub(super) folder: PathBuf,
    /// The submission.
    pub(super) batch: String,
    /// The keys of its jobs, which are done one after another.
    pub(super) jobs: Vec<Digest>,
    /// Where the node is to say what it has: the device that is asked about.
    #[serde(default)]
    pub(super) check: Option<String>,
}

/// What came of an attempt on a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) outcome: JobOutcome,
    /// The attempt's name, which no other has.
    pub(super) attempt: String,
    /// Whether its work began.
    pub(super) begun: bool,
    /// The node.
    pub(super) node: String,
}

impl Ended {
    /// Whether this is the last word on the job: another attempt at it does nothing.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.outcome, JobOutcome::Committed(_) | JobOutcome::Failed(_) | JobOutcome::MissingInput(_))
    }
}

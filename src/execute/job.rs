//! The description of one attempt at one step, and what comes of it. Both travel as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use igpt_contract::{Digest, Labels, Signal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::KeyMaterial;
use crate::store::{Artifact, Cost, ExternalContent, ExternalPath, InputSource, StoreError};

/// Everything that an executor needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The store's folder, absolute.
    #[serde(with = "crate::paths::exact")]
    pub store: PathBuf,
    /// The store that inputs come from, where it is another.
    pub inputs_in: Option<PathBuf>,
    /// The step's key.
    pub key: Digest,
    /// What the key is made of; goes into the record.
    pub material: KeyMaterial,
    /// The pipeline's name, for display alone.
    pub pipeline: String,
    /// The step's name, for display alone.
    pub step: String,
    /// The run's id; goes into the record.
    pub run: String,
    /// What to do.
    pub work: JobWork,
    /// Every input, in the order in which it entered the key.
    pub inputs: Vec<JobInput>,
    /// Output ports.
    pub outputs: Vec<String>,
    /// Threads that the attempt may use.
    pub threads: usize,
    /// The GPUs that the attempt may use, as this run counts them from 0.
    pub gpus: Vec<u32>,
    /// The device: `auto`, `cpu`, `cuda`, `cuda:1`.
    pub device: String,
    /// Whether the network is forbidden.
    pub offline: bool,
    /// Whether the work is done although a record exists.
    pub force: bool,
    /// Whether the scratch folder of a failed attempt is kept.
    pub keep_failed: bool,
    /// The name of the attempt, where it may go on unseen beside the next one, as on a cluster: its
    /// scratch folder is its own.
    #[serde(default)]
    pub attempt: Option<String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobWork {
    /// A stage kind of the registry.
    Stage {
        /// The kind's name.
        kind: String,
        /// Its parameters, complete.
        params: Value,
        /// Its seed.
        seed: u64,
    },
    /// A command.
    Command {
        /// What is run.
        run: Invocation,
        /// The interpreter of a script and its arguments; the strict POSIX shell where it is empty.
        shell: Vec<String>,
        /// Input ports that are linked, not copied.
        link: Vec<String>,
        /// Output port -> relative path.
        outputs: Vec<(String, String)>,
        /// Variables with their values.
        env: Vec<(String, String)>,
        /// Variables passed through from the caller.
        pass_env: Vec<String>,
    },
}

/// What a command runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Invocation {
    /// A script for an interpreter.
    Script(String),
    /// A program and its arguments.
    Argv(Vec<String>),
}

/// One artifact that flows in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobInput {
    /// The port.
    pub port: String,
    /// Where the artifact is.
    pub from: InputFrom,
    /// Where it came from; goes into the record.
    pub source: InputSource,
    /// Its labels, for gathered ports.
    pub labels: Labels,
}

/// Where an input's bytes are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFrom {
    /// In the store.
    Store(Artifact),
    /// At a path outside the store, used in place.
    Disk(DiskInput),
}

/// An input outside the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskInput {
    /// Where it is.
    pub place: ExternalPath,
    /// What was there when the key was made.
    pub read: ExternalContent,
}

/// What comes of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// The outputs are committed.
    Committed(JobResult),
    /// The attempt failed.
    Failed(Failure),
    /// An input in the store is missing, or was damaged meanwhile; nothing was recorded.
    MissingInput(Failure),
    /// The attempt was told to stop and did.
    Cancelled,
    /// The machine had no process, thread or descriptor left for it: it did not begin.
    Exhausted(Failure),
}

/// The outputs of a committed step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// Output port -> artifact.
    pub outputs: BTreeMap<String, Artifact>,
    /// What the work cost.
    pub cost: Cost,
    /// Whether somebody else had committed the same step while this attempt waited.
    pub adopted: bool,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What was expected and what was found, causes included.
    pub error: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), hint: None }
    }

    /// A failure described by an error and its causes.
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text.push_str(&format!(": {source}"));
            cause = source.source();
        }
        Self::new(text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { hint: error.hint(), ..Self::from_error(&error) }
    }
}

/// Where an attempt's signals go.
pub type SignalSink<'a> = &'a (dyn Fn(Signal) + Send + Sync);

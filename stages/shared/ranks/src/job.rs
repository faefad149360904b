//! What a further rank is told, and what it answers. Both are a line of JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use igpt_contract::{LabelledInput, Rank};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The work of a further rank: that of rank 0, without its outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankJob {
    /// The stage's kind.
    pub kind: String,
    /// Its parameters, complete.
    pub params: Value,
    /// Input port -> artifacts.
    pub inputs: BTreeMap<String, Vec<LabelledInput>>,
    /// The step's seed.
    pub seed: u64,
    /// Threads that the ranks of the step may use, all together.
    pub threads: usize,
    /// The device.
    pub device: String,
    /// Whether the network is forbidden.
    pub offline: bool,
    /// A folder for what does not fit memory.
    pub scratch: PathBuf,
    /// Which rank it is.
    pub rank: Rank,
}

/// Why a rank failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RankFailure {
    /// What was expected and what was found, causes included.
    pub(crate) error: String,
    /// What the user can do about it.
    pub(crate) hint: Option<String>,
    /// Whether it only lost another rank, which is at fault.
    pub(crate) lost: bool,
}

/// Another rank is gone, or does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LostRank(pub(crate) String);

//! What a worker says to its parent: one JSON value a line.

use serde::{Deserialize, Serialize};

use super::job::JobOutcome;

/// One line from a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The lock is there and the work begins: a time-out counts from here.
    Began,
    Progress {
        done: u64,
        total: u64,
        unit: String,
    },
    Metric {
        name: String,
        x: f64,
        #[serde(with = "igpt_contract::float")]
        value: f64,
    },
    Note(String),
    /// Where it runs, when that is not where it was asked for.
    On(String),
    Outcome(Box<JobOutcome>),
}

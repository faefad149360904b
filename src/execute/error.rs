//! Why an attempt has no result.

use std::io;

use super::exhaustion::{RAISE, caused_by_exhaustion};
use super::job::{Failure, JobOutcome};
use crate::store::StoreError;

/// Why an attempt failed, or did not come to an end.
#[derive(Debug)]
pub(super) enum AttemptError {
    Cancelled,
    /// An input is no longer in the store.
    MissingInput(Failure),
    /// There was no process or thread for the work.
    Exhausted(Failure),
    Failed(Failure),
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Missing { .. }) {
            return Self::MissingInput(error.into());
        }
        let scarce = caused_by_exhaustion(&error);
        failed_or_exhausted(error.into(), scarce)
    }
}

impl From<std::io::Error> for AttemptError {
    fn from(error: std::io::Error) -> Self {
        failed_or_exhausted(
            Failure::new(format!("the step's scratch folder: {error}")),
            caused_by_exhaustion(&error),
        )
    }
}

impl From<AttemptError> for JobOutcome {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Cancelled => Self::Cancelled,
            AttemptError::MissingInput(failure) => Self::MissingInput(failure),
            AttemptError::Exhausted(failure) => Self::Exhausted(failure),
            AttemptError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// The machine has no room for what somebody wanted to do.
pub(super) fn exhausted(doing: &str, error: &io::Error) -> AttemptError {
    AttemptError::Exhausted(Failure {
        error: format!("cannot {doing}: {error}"),
        hint: Some(RAISE.to_owned()),
    })
}

/// A failure, which is no more than a wait where the system had nothing left.
fn failed_or_exhausted(failure: Failure, scarce: bool) -> AttemptError {
    if scarce {
        AttemptError::Exhausted(Failure { hint: Some(RAISE.to_owned()), ..failure })
    } else {
        AttemptError::Failed(failure)
    }
}

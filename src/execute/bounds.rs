//! What bounds an attempt in time, and what one that failed leaves behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use igpt_contract::Signal;

use super::error::AttemptError;
use super::job::{Failure, Job, SignalSink};
use crate::store::Store;

/// How long an attempt may go on: all of it, the hashing and keeping of its outputs too.
pub(super) struct Bounds<'a> {
    /// Set when the run is being stopped.
    pub(super) cancelled: &'a AtomicBool,
    pub(super) timeout: Option<Duration>,
    /// When the work began.
    pub(super) started: Instant,
}

impl Bounds<'_> {
    /// Whether the attempt may go on.
    pub(super) fn check(&self) -> Result<(), AttemptError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(AttemptError::Cancelled);
        }
        match self.timeout {
            Some(limit) if self.started.elapsed() > limit => {
                Err(AttemptError::Failed(timed_out(limit, "raise `timeout` of the step")))
            }
            _ => Ok(()),
        }
    }
}

/// The failure of an attempt that took too long.
pub(super) fn timed_out(limit: Duration, hint: &str) -> Failure {
    Failure { error: format!("timed out after {limit:?}"), hint: Some(hint.to_owned()) }
}

/// Clears the scratch folder of an attempt that failed or was stopped (a full disk must not stay full),
/// or keeps it for the user to look at.
pub(super) fn discard(store: &Store, job: &Job, stopped: &AttemptError, sink: SignalSink<'_>) {
    if job.keep_failed && matches!(stopped, AttemptError::Failed(_)) {
        sink(Signal::Note(match store.keep_scratch(&job.key, job.attempt.as_deref()) {
            Ok(path) => format!("its scratch folder was kept: {}", path.display()),
            Err(error) => format!("its scratch folder could not be kept: {}", Failure::from(error).error),
        }));
    }
    store.discard_scratch(&job.key, job.attempt.as_deref());
}

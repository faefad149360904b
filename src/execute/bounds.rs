//! What bounds an attempt in time, and what one that did not end well leaves behind.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use igpt_contract::Signal;

use super::attempt::AttemptError;
use super::guard::is_want_of_room;
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
    Failure { error: format!("took longer than its time-out of {limit:?}"), hint: Some(hint.to_owned()) }
}

/// Whether what is behind an error is that the system had no descriptor, process or memory left.
pub(super) fn is_scarcity(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|error| error.downcast_ref::<io::Error>()).any(is_want_of_room)
}

/// A failure, which is no more than a wait where the system had nothing left.
pub(super) fn failed_or_exhausted(failure: Failure, scarce: bool) -> AttemptError {
    if scarce {
        AttemptError::NoRoom(Failure { hint: Some(RAISE.to_owned()), ..failure })
    } else {
        AttemptError::Failed(failure)
    }
}

/// What the user can do where the system has nothing left.
pub(super) const RAISE: &str = "raise `ulimit -u` and `ulimit -n`, or run fewer steps at once (`--jobs`)";

/// Clears the scratch folder of an attempt that did not end well (a full disk must not stay full),
/// or keeps it for the user to look at.
pub(super) fn discard(store: &Store, job: &Job, stopped: &AttemptError, sink: SignalSink<'_>) {
    if job.keep_failed && matches!(stopped, AttemptError::Failed(_)) {
        sink(Signal::Note(match store.keep_scratch(&job.key) {
            Ok(path) => format!("its scratch folder is kept: {}", path.display()),
            Err(error) => format!("its scratch folder could not be kept: {}", Failure::from(error).error),
        }));
    }
    store.discard_scratch(&job.key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn want_of_descriptors_is_found_behind_an_error() {
        let error = |code| StoreError::Io {
            doing: "open",
            path: "x".into(),
            source: io::Error::from_raw_os_error(code),
        };
        assert!(is_scarcity(&error(libc::EMFILE)));
        assert!(!is_scarcity(&error(libc::ENOENT)));
    }
}

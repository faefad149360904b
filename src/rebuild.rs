//! *Whether* a step must run.
//!
//! It must not know the schedule, the executors or the graph: it sees one step at a time.

use std::ops::ControlFlow;

/// How records are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// A record is as good as the work.
    Memoize,
    /// A record is as good as the work where all that it names is there: somebody reads it.
    Restore,
    /// The work is done although there is a record (`--force`).
    Always,
    /// The work is done because there is a record, to compare them (`audit`).
    Verify,
}

/// Why a step must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No record with this key.
    NoRecord,
    /// Somebody needs outputs that are no longer in the store.
    OutputsMissing,
    /// The user asked for it.
    Forced,
    /// The record is to be compared with the work.
    Verified,
}

/// Breaks with the recorded outputs that stand for the work, or goes on with the reason to do it.
pub fn decide<T>(
    rebuild: Rebuild,
    look_up: impl FnOnce() -> Option<T>,
    is_there: impl FnOnce(&T) -> bool,
) -> ControlFlow<T, Reason> {
    match (rebuild, look_up()) {
        (Rebuild::Always, _) => ControlFlow::Continue(Reason::Forced),
        (_, None) => ControlFlow::Continue(Reason::NoRecord),
        (Rebuild::Verify, Some(_)) => ControlFlow::Continue(Reason::Verified),
        (Rebuild::Restore, Some(outputs)) if !is_there(&outputs) => {
            ControlFlow::Continue(Reason::OutputsMissing)
        }
        (Rebuild::Memoize | Rebuild::Restore, Some(outputs)) => ControlFlow::Break(outputs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stands_for_the_work_unless_its_outputs_are_needed_and_gone() {
        let with = |rebuild, record: Option<u8>, there| decide(rebuild, || record, |_| there);
        assert_eq!(with(Rebuild::Memoize, Some(1), false), ControlFlow::Break(1));
        assert_eq!(with(Rebuild::Restore, Some(1), true), ControlFlow::Break(1));
        assert_eq!(with(Rebuild::Restore, Some(1), false), ControlFlow::Continue(Reason::OutputsMissing));
        assert_eq!(with(Rebuild::Memoize, None, true), ControlFlow::Continue(Reason::NoRecord));
        assert_eq!(with(Rebuild::Always, Some(1), true), ControlFlow::Continue(Reason::Forced));
        assert_eq!(with(Rebuild::Verify, Some(1), true), ControlFlow::Continue(Reason::Verified));
        assert_eq!(with(Rebuild::Verify, None, true), ControlFlow::Continue(Reason::NoRecord));
    }
}

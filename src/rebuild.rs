//! *Whether* a step must run.
//!
//! It must not know the schedule, the executors or the graph: it sees one step at a time.

use std::ops::ControlFlow;

/// How records are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// A record is as good as the work.
    Memoize,
    /// The work is done although there is a record (`--force`).
    Always,
}

/// Why a step must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No record with this key, or its objects are gone.
    NoRecord,
    /// The user asked for it.
    Forced,
}

/// Breaks with the recorded outputs that stand for the work, or goes on with the reason to do it.
pub fn decide<T>(rebuild: Rebuild, look_up: impl FnOnce() -> Option<T>) -> ControlFlow<T, Reason> {
    match rebuild {
        Rebuild::Always => ControlFlow::Continue(Reason::Forced),
        Rebuild::Memoize => match look_up() {
            Some(outputs) => ControlFlow::Break(outputs),
            None => ControlFlow::Continue(Reason::NoRecord),
        },
    }
}

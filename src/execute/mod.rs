//! *How* a step runs: one job description in, one result out, whatever the executor.
//!
//! - [`job`]: the description, the same for every executor (and for a cluster's)
//! - [`attempt`]: the one life of an attempt: lock, look again, scratch, work, commit
//! - `inputs`: what a step is given, and that it stays what its key says
//! - [`local`]: the executor of a single machine
//! - [`process`]: a worker process of this binary, and the worker's side of it
//! - [`command`]: a shell command, without a worker
//! - [`guard`]: guardians, which end everything that a step started
//! - [`pool`]: the threads that hash
//! - `limits`: what bounds an attempt in time, and what it leaves behind
//! - `step_log`: what a stage says, as lines of its step's log
//! - `shell`: which interpreter runs a command's text, and how strictly
//!
//! It must not know the graph, the schedule or the pipeline.

pub mod attempt;
pub mod command;
pub mod fan_in;
pub mod guard;
mod inputs;
pub mod job;
mod limits;
pub mod local;
pub mod pool;
pub mod process;
mod shell;
mod step_log;

pub use job::{Failure, Job, JobInput, JobOutcome, JobResult, JobWork, Outlet};
use process::Watch;

/// Runs one job somewhere.
pub trait Executor: Sync {
    /// Runs the job to its end; signals go to `outlet` on the way.
    fn execute(&self, job: &Job, watch: &Watch<'_>, outlet: Outlet<'_>) -> JobOutcome;
}

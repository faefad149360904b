//! *How* a step runs: one job description in, one result out, whatever the executor.
//!
//! - [`job`]: the description, the same for every executor (and for a cluster's)
//! - `supervision`: what an executor is told besides: log, time-out, grace period
//! - [`attempt`]: the life of an attempt: lock, look-up, scratch folder, work, commit
//! - `inputs`: what a step is given, and that it stays what its key says
//! - [`local`]: the executor of a single machine; [`slurm`]: that of a cluster
//! - [`process`], [`worker`]: a stage in a worker process of this binary, seen from either side; `message`
//!   is what passes between them, `stage` the call of the stage itself
//! - [`command`]: a command, without a worker; `shell` says which interpreter runs its script
//! - [`guard`]: guardians, which end everything that a step started
//! - [`pool`]: the threads that hash
//! - `bounds`: what bounds an attempt in time, and what it leaves behind
//! - `error`, `exhaustion`: why an attempt has no result, and whether trying again may help
//! - `usage`: what processes use of the machine
//! - `step_log`: what a stage says, as lines of its step's log
//!
//! It must not know the graph, the schedule or the pipeline.

pub mod attempt;
mod bounds;
pub mod command;
mod error;
mod exhaustion;
pub mod fan_in;
pub mod guard;
mod inputs;
pub mod job;
pub mod local;
mod message;
pub mod pool;
pub mod process;
mod shell;
pub mod slurm;
mod stage;
mod step_log;
mod supervision;
mod usage;
pub mod worker;

pub use job::{Failure, Job, JobInput, JobOutcome, JobResult, JobWork, SignalSink};
pub use supervision::Supervision;

/// Runs one job somewhere.
pub trait Executor: Sync {
    /// Runs the job to its end; signals go to `sink` on the way.
    fn execute(&self, job: &Job, watch: &Supervision<'_>, sink: SignalSink<'_>) -> JobOutcome;

    /// Nothing more is to begin, because a step has failed: what waits somewhere may be dropped, and is then
    /// [`JobOutcome::Cancelled`]. What runs goes on.
    fn drop_waiting(&self) {}
}

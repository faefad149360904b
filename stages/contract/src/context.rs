//! What a running stage can ask its surroundings, and report to them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::StageError;
use crate::rng::{Stream, stream};

/// What a stage reports while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// `done` of `total` units of work (`total` 0: unknown).
    Progress {
        /// Units done.
        done: u64,
        /// Units in total; 0 if unknown.
        total: u64,
        /// The unit's name in the plural: `images`, `steps`.
        unit: &'static str,
    },
    /// A number for the live view; results belong in a metrics artifact.
    Metric {
        /// The metric's dotted name.
        name: String,
        /// Its position on the curve, such as the training step.
        x: f64,
        /// The value, which may be not-a-number.
        value: f64,
    },
    /// A line for the user and for the step's log.
    Note(String),
    /// A line for the step's log only: a detail that a note sums up.
    Log(String),
    /// What the step read from outside, for its record, such as an archive's address and digest.
    Fact {
        /// The fact's name.
        name: String,
        /// The fact.
        value: serde_json::Value,
    },
}

/// A process's place among several that compute one step together, each with a share of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rank {
    /// Which of them it is, from 0. Rank 0 is the step's own process: it alone writes and reports.
    pub index: usize,
    /// How many there are.
    pub ranks: usize,
    /// On how many machines they are.
    pub machines: usize,
    /// The file through which they find each other.
    pub meeting: PathBuf,
}

/// A running step's surroundings. Reporting cannot fail and must not slow the stage.
pub struct StageContext {
    seed: u64,
    threads: usize,
    device: String,
    gpus: usize,
    offline: bool,
    rank: Option<Rank>,
    rank_commands: Vec<Vec<OsString>>,
    checkpoints: PathBuf,
    cancelled: Arc<AtomicBool>,
    sink: Box<dyn Fn(Signal) + Send + Sync>,
}

impl StageContext {
    /// A context for a step: its seed, how many threads it may use (at least 1), the folder of its
    /// checkpoints, and the sink of its signals.
    pub fn new(
        seed: u64,
        threads: usize,
        checkpoints: PathBuf,
        sink: impl Fn(Signal) + Send + Sync + 'static,
    ) -> Self {
        Self {
            seed,
            threads: threads.max(1),
            device: "auto".to_owned(),
            gpus: 0,
            offline: false,
            rank: None,
            rank_commands: Vec::new(),
            checkpoints,
            cancelled: Arc::default(),
            sink: Box::new(sink),
        }
    }

    /// The same context on a device: `auto`, `cpu`, `cuda`, `cuda:1`.
    #[must_use]
    pub fn on_device(mut self, device: impl Into<String>) -> Self {
        self.device = device.into();
        self
    }

    /// The same context with so many GPUs of its own.
    #[must_use]
    pub fn with_gpus(mut self, gpus: usize) -> Self {
        self.gpus = gpus;
        self
    }

    /// The same context as that of a further rank.
    #[must_use]
    pub fn as_rank(mut self, rank: Rank) -> Self {
        self.rank = Some(rank);
        self
    }

    /// The same context, in which further ranks of the step are started by these command lines: one for each
    /// machine that the step has, the first of which is this one.
    #[must_use]
    pub fn ranks_by(mut self, commands: Vec<Vec<OsString>>) -> Self {
        self.rank_commands = commands;
        self
    }

    /// The same context, with the network forbidden or not.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// The same context, cancelled when the flag is set.
    #[must_use]
    pub fn cancelled_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancelled = flag;
        self
    }

    /// The step's seed. Prefer [`Self::stream`] for drawing random numbers.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The random stream for a purpose (`data`, `init`, `masks`).
    pub fn stream(&self, purpose: &str) -> Stream {
        stream(self.seed, purpose)
    }

    /// How many threads the step may use on this machine. Results must not depend on it.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// A pool of [`Self::threads`] threads, for a stage that works in parallel.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn thread_pool(&self) -> Result<rayon::ThreadPool, StageError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .map_err(|error| StageError::caused("cannot start the threads", error))
    }

    /// The requested device: `auto`, `cpu`, `cuda`, `cuda:1`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The GPUs that the schedule set aside for the step; 0 where it counts none.
    pub fn gpus(&self) -> usize {
        self.gpus
    }

    /// Which further rank of the step this process is; none in the step's own process.
    pub fn rank(&self) -> Option<&Rank> {
        self.rank.as_ref()
    }

    /// The command lines that start a further rank of the step, one for each of its machines; empty where none can
    /// be started.
    pub fn rank_commands(&self) -> &[Vec<OsString>] {
        &self.rank_commands
    }

    /// How many machines the step has.
    pub fn machines(&self) -> usize {
        self.rank.as_ref().map_or(self.rank_commands.len(), |rank| rank.machines).max(1)
    }

    /// How many threads each process of the step may use, where it has so many on all of its machines.
    pub fn threads_of_each(&self, processes: usize) -> usize {
        (self.threads * self.machines()).div_ceil(processes.max(1))
    }

    /// Whether the network must not be used.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// A folder for this cache key's checkpoints. It survives a crash and is deleted once the step's
    /// result is committed; what it holds at the start is from an earlier attempt at the same work.
    pub fn checkpoint_dir(&self) -> &Path {
        &self.checkpoints
    }

    /// Reports the progress of the work.
    pub fn progress(&self, done: u64, total: u64, unit: &'static str) {
        (self.sink)(Signal::Progress { done, total, unit });
    }

    /// Reports a number for the live view.
    pub fn metric(&self, name: &str, x: f64, value: f64) {
        (self.sink)(Signal::Metric { name: name.to_owned(), x, value });
    }

    /// Reports a line to the user; it is also written to the step's log.
    pub fn note(&self, text: impl Into<String>) {
        (self.sink)(Signal::Note(text.into()));
    }

    /// Writes a line to the step's log only.
    pub fn log(&self, text: impl Into<String>) {
        (self.sink)(Signal::Log(text.into()));
    }

    /// Reports what the step read from outside. It is kept in the step's record and affects neither the
    /// cache key nor the outputs.
    pub fn fact(&self, name: &str, value: serde_json::Value) {
        (self.sink)(Signal::Fact { name: name.to_owned(), value });
    }

    /// Whether the stage should stop soon; see [`Self::check`].
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Fails if the run is being stopped. Call this between units of work.
    ///
    /// # Errors
    /// [`StageError::Cancelled`]: write a checkpoint and return the error.
    pub fn check(&self) -> Result<(), StageError> {
        if self.is_cancelled() { Err(StageError::Cancelled) } else { Ok(()) }
    }
}

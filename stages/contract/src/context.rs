//! What a running stage may ask of and say to the world around it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::StageError;
use crate::rng::{Stream, stream};

/// What a stage says while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// `done` of `total` units of work (`total` 0: unknown).
    Progress {
        /// Units done.
        done: u64,
        /// Units in all; 0 where nobody knows.
        total: u64,
        /// The unit's name in the plural: `images`, `steps`.
        unit: &'static str,
    },
    /// A number on the way, for people who watch; the results belong into a metrics artifact.
    Metric {
        /// The metric's dotted name.
        name: String,
        /// Where on its curve (a training step, say).
        x: f64,
        /// The value; may be not-a-number.
        value: f64,
    },
    /// A line for people and for the step's log.
    Note(String),
    /// A line for the step's log alone: one of many, of which a note tells the sum.
    Log(String),
    /// What the step read from outside, for its record: an archive's address and digest, say.
    Fact {
        /// The fact's name.
        name: String,
        /// The fact.
        value: serde_json::Value,
    },
}

/// A running step's surroundings. Saying something cannot fail and must not slow the stage.
pub struct StageContext {
    seed: u64,
    threads: usize,
    device: String,
    offline: bool,
    checkpoints: PathBuf,
    cancelled: Arc<AtomicBool>,
    sink: Box<dyn Fn(Signal) + Send + Sync>,
}

impl StageContext {
    /// A context for a step: its seed, how many threads it may use (at least 1), the folder of its
    /// checkpoints, and where its signals go.
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
            offline: false,
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

    /// The same context, with the network forbidden or not.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// The same context, cancelled through that flag.
    #[must_use]
    pub fn cancelled_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancelled = flag;
        self
    }

    /// The step's seed. Take streams from [`Self::stream`], not from this, where you can.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The random stream of a purpose (`data`, `init`, `masks`).
    pub fn stream(&self, purpose: &str) -> Stream {
        stream(self.seed, purpose)
    }

    /// How many threads the step may use; results must not depend on it.
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

    /// The device that was asked for: `auto`, `cpu`, `cuda`, `cuda:1`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Whether the network must not be used.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// A folder that belongs to the step's key, outlives a crash and is deleted once the step's
    /// result is committed. What is in it at the start was left by an earlier attempt at the very
    /// same work.
    pub fn checkpoint_dir(&self) -> &Path {
        &self.checkpoints
    }

    /// Says how far the work is.
    pub fn progress(&self, done: u64, total: u64, unit: &'static str) {
        (self.sink)(Signal::Progress { done, total, unit });
    }

    /// Says a number on the way, for people who watch.
    pub fn metric(&self, name: &str, x: f64, value: f64) {
        (self.sink)(Signal::Metric { name: name.to_owned(), x, value });
    }

    /// Says a line to people; the step's log has it too.
    pub fn note(&self, text: impl Into<String>) {
        (self.sink)(Signal::Note(text.into()));
    }

    /// Writes a line into the step's log alone.
    pub fn log(&self, text: impl Into<String>) {
        (self.sink)(Signal::Log(text.into()));
    }

    /// Says what the step read from outside. It is kept in the step's record, beside the key and the
    /// outputs, and changes neither.
    pub fn fact(&self, name: &str, value: serde_json::Value) {
        (self.sink)(Signal::Fact { name: name.to_owned(), value });
    }

    /// Whether the stage should stop soon; see [`Self::check`].
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Call this between units of work.
    ///
    /// # Errors
    /// [`StageError::Cancelled`] once the run is being stopped: write a checkpoint and return it.
    pub fn check(&self) -> Result<(), StageError> {
        if self.is_cancelled() { Err(StageError::Cancelled) } else { Ok(()) }
    }
}

//! A stage under test: temporary inputs and outputs, and the checks that every stage must pass. For
//! tests alone.
//!
//! ```no_run
//! # fn write_images(_: &std::path::Path) {}
//! # fn check(stage: impl igpt_contract::DynStage) {
//! let mut trial = igpt_testing::Trial::new(stage);
//! write_images(&trial.input("images"));
//! trial.check(&serde_json::json!({"side": 8}));
//! # }
//! ```

mod checks;
pub mod latex;
mod outputs;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use igpt_contract::{DynStage, LabelledInput, Labels, Signal, StageContext, StageError, StageIo};
use serde_json::Value;
use tempfile::TempDir;

pub use outputs::Outputs;

/// A stage with its inputs, in a temporary folder of its own.
pub struct Trial {
    stage: Box<dyn DynStage>,
    inputs: Vec<(String, LabelledInput)>,
    seed: u64,
    threads: usize,
    dir: TempDir,
}

impl Trial {
    /// A stage without inputs, with the seed 0 and one thread.
    ///
    /// # Panics
    /// If there is no room for a temporary folder.
    pub fn new(stage: impl DynStage) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self { stage: Box::new(stage), inputs: Vec::new(), seed: 0, threads: 1, dir }
    }

    /// Adds an input to a port, and answers the empty folder for the test to fill.
    ///
    /// # Panics
    /// If the folder cannot be made.
    pub fn input(&mut self, port: &str) -> PathBuf {
        self.labelled_input(port, Labels::new())
    }

    /// As [`Self::input`], of a step with these axis values.
    ///
    /// # Panics
    /// If the folder cannot be made.
    pub fn labelled_input(&mut self, port: &str, labels: Labels) -> PathBuf {
        let path = self.dir.path().join(format!("in-{}-{port}", self.inputs.len()));
        std::fs::create_dir(&path).expect("a new folder");
        self.inputs.push((port.to_owned(), LabelledInput { path: path.clone(), labels }));
        path
    }

    /// Adds a file or folder that is there already.
    pub fn input_at(&mut self, port: &str, path: &Path) {
        let input = LabelledInput { path: path.to_owned(), labels: Labels::new() };
        self.inputs.push((port.to_owned(), input));
    }

    /// The same stage with another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same stage on that many threads.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Runs the stage once on the processor, from no checkpoint, into new folders.
    ///
    /// # Errors
    /// The stage's; a parameter that it refuses is an error with its path.
    ///
    /// # Panics
    /// If the folders cannot be made.
    pub fn run(&self, params: &Value) -> Result<Outputs, StageError> {
        self.run_on(params, self.threads)
    }

    fn run_on(&self, params: &Value, threads: usize) -> Result<Outputs, StageError> {
        let params = self
            .stage
            .complete(params)
            .map_err(|error| StageError::new(format!("{}: {}", error.path, error.what)))?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut io = StageIo::default();
        for (port, input) in &self.inputs {
            io.inputs.entry(port.clone()).or_default().push(input.clone());
        }
        for port in self.stage.spec().outputs {
            let folder = dir.path().join(format!("out-{}", port.name));
            std::fs::create_dir(&folder).expect("a new folder");
            io.outputs.insert(port.name.to_owned(), folder);
        }
        let signals = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&signals);
        let say = move |signal: Signal| sink.lock().expect("no test panics with it").push(signal);
        let cx = StageContext::new(self.seed, threads, dir.path().join("checkpoints"), say).on_device("cpu");
        self.stage.run(&params, &io, &cx)?;
        drop(cx);
        let signals = std::mem::take(&mut *signals.lock().expect("no test panics with it"));
        Ok(Outputs::new(dir, io.outputs, signals))
    }
}

//! The steps of a run, and what they made.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::engine::logs::{self, file_name, of_attempt};
use crate::store::{Record, RunFolder, StepRecord, Store};

/// The pipeline's name and the steps of a run; of one that did not end, as far as its events tell.
pub(crate) fn steps_of(run: &RunFolder) -> (String, Vec<StepRecord>) {
    if let Some(record) = run.record() {
        return (record.pipeline, record.steps);
    }
    #[derive(Deserialize)]
    struct Line {
        event: String,
        pipeline: Option<String>,
        step: Option<String>,
        key: Option<igpt_contract::Digest>,
    }
    let (mut pipeline, mut steps) = (String::new(), Vec::<StepRecord>::new());
    let text = std::fs::read_to_string(run.events_path()).unwrap_or_default();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        pipeline = line.pipeline.unwrap_or(pipeline);
        let Some(name) = line.step else { continue };
        let outcome = match &*line.event {
            "step_started" => "started",
            "step_reused" | "step_succeeded" => "done",
            "step_failed" => "failed",
            "step_skipped" => "skipped",
            _ => continue,
        };
        let log = file_name(&name);
        match steps.iter_mut().find(|step| step.name == name) {
            Some(step) => {
                step.outcome = outcome.to_owned();
                step.key = line.key.or(step.key);
            }
            None => steps.push(StepRecord { name, key: line.key, outcome: outcome.to_owned(), log }),
        }
    }
    (pipeline, steps)
}

/// The record behind a step of a run, whether or not its objects are still there.
pub(crate) fn record_of(store: &Store, step: &StepRecord) -> Option<Record> {
    store.record(&step.key?)
}

/// The logs of a step's attempts in a run, the first one's first; `log` is as in [`StepRecord::log`].
pub(crate) fn attempts(run: &RunFolder, log: &str) -> Vec<PathBuf> {
    let folder = run.logs_dir();
    let path = |attempt| folder.join(format!("{}.log", of_attempt(log, attempt)));
    (1..).map(path).take_while(|path| path.is_file()).collect()
}

/// What the logs of a step are called; see [`StepRecord::log`].
pub(crate) fn log_name(step: &str) -> String {
    file_name(step)
}

/// The last lines of a log, at most so many of at most so many characters.
pub(crate) fn log_end(log: &Path, lines: usize, longest: usize) -> Vec<String> {
    logs::end(log, lines, longest)
}

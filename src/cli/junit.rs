//! What became of a run's steps, as JUnit XML: for `run --junit` and `metrics --junit`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::error::CliError;
use super::history::steps_of;
use crate::event::{Event, Numbered};
use crate::formats::{Case, Outcome, Suite, junit};
use crate::report::clean::lines;
use crate::store::RunFolder;

/// How many bytes of a failed step's log are told, from its end.
const OUTPUT: usize = 64 << 10;

/// Writes the file of a run, which may still be going on.
pub(super) fn write(run: &RunFolder, path: &Path) -> Result<(), CliError> {
    fs::write(path, junit(&suite(run))).map_err(CliError::file("write", path))
}

fn suite(run: &RunFolder) -> Suite {
    let (pipeline, steps) = steps_of(run);
    let (mut seconds, mut failures, mut reasons) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut began, mut exports) = (String::new(), Vec::new());
    let text = fs::read_to_string(run.events_path()).unwrap_or_default();
    for Numbered { time, event, .. } in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        if began.is_empty() {
            began = time;
        }
        match event {
            Event::StepSucceeded { step, cost, adopted: false, .. } => {
                seconds.insert(step, cost.wall_s);
            }
            Event::StepFailed { step, error, log, retried: false, .. } => {
                failures.insert(step, (error, log));
            }
            Event::StepSkipped { step, reason } => {
                reasons.insert(step, reason);
            }
            Event::ExportFailed { path, error, .. } => exports.push((path, error)),
            _ => {}
        }
    }
    let mut case = |name: String, outcome: &str| {
        let outcome = match (failures.remove(&name), outcome) {
            (Some((error, log)), _) => Outcome::Failed {
                error,
                output: end_of(&run.logs_dir().join(log.file_name().unwrap_or_default())),
            },
            (None, "done") => Outcome::Passed,
            (None, outcome) => {
                Outcome::Skipped { reason: reasons.remove(&name).unwrap_or_else(|| outcome.to_owned()) }
            }
        };
        Case { seconds: seconds.get(&name).copied().unwrap_or(0.0), name, outcome }
    };
    let mut cases: Vec<Case> = steps.into_iter().map(|step| case(step.name, &step.outcome)).collect();
    cases.extend(exports.into_iter().map(|(path, error)| Case {
        name: format!("export to {}", path.display()),
        seconds: 0.0,
        outcome: Outcome::Failed { error, output: String::new() },
    }));
    // `2026-01-02T03:04:05.678Z` without the fraction.
    let timestamp = began.split(['.', 'Z']).next().unwrap_or_default().to_owned();
    Suite { name: pipeline, timestamp, cases }
}

/// The last part of a log, as a terminal would show it.
fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let end = &bytes[bytes.len().saturating_sub(OUTPUT)..];
    lines(&String::from_utf8_lossy(end)).into_owned()
}

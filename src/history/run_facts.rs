//! What is known of a run: from its record, its events, and what it was made of.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::made_of::MadeOf;
use super::steps::steps_of;
use crate::store::{RunFolder, Store};

/// A run, for a list of them.
pub(crate) struct RunFacts {
    pub(crate) id: String,
    pub(crate) pipeline: String,
    /// `succeeded`, `failed`, `interrupted`, `running`, or `unfinished` where nobody saw the end.
    pub(crate) status: String,
    pub(crate) started: Option<Timestamp>,
    pub(crate) counts: Counts,
    pub(crate) profiles: Vec<String>,
    /// What `--set` changed.
    pub(crate) sets: Vec<String>,
    /// How many steps are done, and how many there are.
    done: usize,
    steps: usize,
    finished: Option<Timestamp>,
    file: Option<PathBuf>,
    folder: PathBuf,
    arguments: Vec<String>,
}

/// How many steps of a run came to which end, and how long it took.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) executed: usize,
    pub(crate) reused: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// None of a run that did not end.
    pub(crate) wall_s: Option<f64>,
}

impl RunFacts {
    pub(crate) fn of(store: &Store, run: &RunFolder) -> Self {
        let record = run.record();
        let (pipeline, steps) = match &record {
            Some(record) => (record.pipeline.clone(), record.steps.clone()),
            None => steps_of(run),
        };
        let made_of = MadeOf::read(store, run).unwrap_or_default();
        Self {
            id: run.id().to_owned(),
            pipeline,
            status: match &record {
                Some(record) => record.status.clone(),
                None if run.is_running() => "running".to_owned(),
                None => "unfinished".to_owned(),
            },
            started: began(run.id()),
            counts: counts(&run.events_path()),
            profiles: made_of.profiles,
            sets: made_of.sets,
            done: steps.iter().filter(|step| step.outcome == "done").count(),
            steps: steps.len(),
            finished: record.as_ref().map(|record| record.finished),
            file: record.as_ref().map(|record| record.file.clone()),
            folder: run.path().to_owned(),
            arguments: record.map(|record| record.arguments).unwrap_or_default(),
        }
    }

    pub(crate) fn as_json(&self) -> Value {
        let Counts { executed, reused, failed, skipped, wall_s } = self.counts;
        json!({
            "run": self.id, "pipeline": self.pipeline, "status": self.status, "done": self.done,
            "steps": self.steps, "executed": executed, "reused": reused, "failed": failed,
            "skipped": skipped, "started": self.started.map(|time| time.to_string()),
            "finished": self.finished.map(|time| time.to_string()), "wall_s": wall_s,
            "profiles": self.profiles, "sets": self.sets, "arguments": self.arguments,
            "file": self.file, "folder": self.folder,
        })
    }

    /// What the command line changed of the pipeline, as it was typed.
    pub(crate) fn overrides(&self) -> String {
        let profiles = self.profiles.iter().map(|name| format!("--profile {name}"));
        let sets = self.sets.iter().map(|set| format!("--set {set}"));
        profiles.chain(sets).collect::<Vec<_>>().join(" ")
    }
}

/// When a run began: its id says so.
pub(crate) fn began(id: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%d-%H%M%S", id.get(..15)?).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The counts of a run: those of its last event, or of all where it did not end.
fn counts(events: &Path) -> Counts {
    #[derive(Deserialize)]
    struct Said {
        event: String,
        #[serde(default)]
        adopted: bool,
        #[serde(default)]
        retried: bool,
        #[serde(flatten)]
        counts: Value,
    }
    let said = |line: &str| serde_json::from_str::<Said>(line).ok();
    if let Some(last) = last_line(events).as_deref().and_then(said)
        && last.event == "run_finished"
    {
        return serde_json::from_value(last.counts).unwrap_or_default();
    }
    let mut counts = Counts::default();
    let text = std::fs::read_to_string(events).unwrap_or_default();
    for said in text.lines().filter_map(said) {
        match &*said.event {
            "step_succeeded" if !said.adopted => counts.executed += 1,
            "step_succeeded" | "step_reused" => counts.reused += 1,
            "step_failed" if !said.retried => counts.failed += 1,
            "step_skipped" => counts.skipped += 1,
            _ => {}
        }
    }
    counts
}

/// The last line of a file, where it is not too long to be that of a run's end.
fn last_line(path: &Path) -> Option<String> {
    const LONGEST: u64 = 4096;
    let mut file = File::open(path).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    String::from_utf8_lossy(&bytes).trim_end().lines().next_back().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_says_when_a_run_began() {
        assert_eq!(began("20261127-180541-319").unwrap().to_string(), "2026-11-27T18:05:41Z");
        assert_eq!(began("else"), None);
    }

    #[test]
    fn a_run_without_an_end_is_counted_by_its_events() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let events = r#"{"event":"step_reused","step":"a"}
{"event":"step_failed","step":"b","retried":true}
{"event":"step_succeeded","step":"b","adopted":false}
{"event":"step_succeeded","step":"c","adopted":true}
{"event":"step_fai"#;
        std::fs::write(&path, events).unwrap();
        let expected = Counts { executed: 1, reused: 2, ..Counts::default() };
        assert_eq!(counts(&path), expected);
        let end = r#"{"event":"run_finished","status":"failed","executed":7,"reused":1,"failed":2,"skipped":3,"wall_s":1.5}"#;
        std::fs::write(&path, format!("{}\n{end}\n", "x".repeat(9999))).unwrap();
        let expected = Counts { executed: 7, reused: 1, failed: 2, skipped: 3, wall_s: Some(1.5) };
        assert_eq!(counts(&path), expected);
    }
}

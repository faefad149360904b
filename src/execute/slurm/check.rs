//! A tiny job that looks at a node: whether it sees the store, whether locks hold between it and us, whether the
//! program runs there, what it computes with, and what time it is.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::allocation::{Allocation, common};
use super::client::{self, Failed, Row};
use super::order::TaskOrder;
use super::states::{Blocked, Phase, blocked, phase};
use crate::execute::job::Failure;
use crate::machine;
use crate::store::{Batch, Program, Store, list_folder};

/// How often the report is looked for, and the queue.
const TICK: Duration = Duration::from_millis(100);
const QUEUE: Duration = Duration::from_secs(3);

/// The file in the folder of the submission.
const REPORT: &str = "report.json";

/// What a node says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The node.
    pub node: String,
    /// The program that ran there.
    pub version: String,
    /// The numerics class of the device, or why there is none.
    pub numerics: Result<String, String>,
    /// GPUs that it was given.
    pub gpus: u32,
    /// Whether it noticed our lock.
    pub locks: bool,
    /// Its time.
    pub time: String,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What the node says.
    pub report: Report,
    /// How long the job took from its submission to its report.
    pub took: Duration,
    /// By how many seconds the node's clock is ahead of ours, to about half a second.
    pub ahead_s: f64,
}

/// Submits the job and waits for its report, for so long at most.
///
/// # Errors
/// What keeps the job from running, or the node from reporting.
pub fn check(
    store: &Store,
    program: &Path,
    allocation: &Allocation,
    device: &str,
    limit: Duration,
    cancelled: &AtomicBool,
    mut say: impl FnMut(&str),
) -> Result<Checked, Failure> {
    let program = store.keep_program(program)?;
    let name = format!("check-{}-{}", std::process::id(), Timestamp::now().as_millisecond());
    let batch = store.batch(&name);
    let order = TaskOrder {
        store: store.root().to_owned(),
        folder: batch.path().to_owned(),
        batch: name.clone(),
        jobs: Vec::new(),
        check: Some(device.to_owned()),
    };
    batch.create(&[order])?;
    let asked = Asked { name: format!("igpt-flow.{name}"), folder: batch.path() };
    let answer = batch.lock().map_err(Failure::from).and_then(|_lock| {
        let mut options = common(&asked.name, "igpt-flow cluster check", batch.path(), 1);
        let own = allocation.options(1, Duration::from_secs(1)).into_iter().map(OsString::from);
        options.splice(0..0, own);
        let arguments = [program.into_os_string(), "attempt".into(), batch.path().as_os_str().to_owned()];
        let submitted = client::submit(&options, &allocation.script(), &arguments);
        submitted.map_err(|failed| match failed {
            Failed::Unreachable(said) => Failure::new(format!("Slurm does not answer: {said}")),
            Failed::Full(said) | Failed::Refused(said) => {
                Failure::new(format!("Slurm refuses the job: {said}"))
            }
        })?;
        asked.wait(limit, cancelled, &mut say)
    });
    batch.remove();
    answer
}

/// A job that was asked for.
struct Asked<'a> {
    name: String,
    folder: &'a Path,
}

impl Asked<'_> {
    fn wait(
        &self,
        limit: Duration,
        cancelled: &AtomicBool,
        say: &mut dyn FnMut(&str),
    ) -> Result<Checked, Failure> {
        let (since, mut looked, mut said) = (Instant::now(), Instant::now(), String::new());
        loop {
            list_folder(self.folder);
            if let Some(report) = Batch::read::<Report>(&self.folder.join(REPORT)) {
                let ahead = report.time.parse::<Timestamp>().map(|time| time.as_millisecond());
                let ahead_s = ahead.unwrap_or(0).saturating_sub(Timestamp::now().as_millisecond());
                return Ok(Checked { report, took: since.elapsed(), ahead_s: ahead_s as f64 / 1000.0 });
            }
            let is_over = since.elapsed() > limit || cancelled.load(Ordering::Relaxed);
            if looked.elapsed() > QUEUE || is_over {
                let row =
                    client::queue().ok().and_then(|rows| rows.into_iter().find(|row| row.name == self.name));
                looked = Instant::now();
                if let Some(failure) = row.as_ref().and_then(|row| self.end(row, is_over)) {
                    let _ = client::cancel(&Vec::from_iter(row.map(|row| row.id)), false);
                    return Err(failure);
                }
                let state = row.map_or("Slurm does not list the job".to_owned(), |row| {
                    let reason =
                        if row.reason == "None" { String::new() } else { format!(" ({})", row.reason) };
                    format!("job {} is {}{reason}", row.id, row.state.to_lowercase())
                });
                if is_over {
                    return Err(Failure::new(format!("no report: {state}")));
                }
                if state != said {
                    say(&state);
                    said = state;
                }
            }
            std::thread::sleep(TICK);
        }
    }

    /// Why there will be no report.
    fn end(&self, row: &Row, is_over: bool) -> Option<Failure> {
        let text = std::fs::read_to_string(self.folder.join("0.log")).unwrap_or_default();
        let printed = text.trim().lines().collect::<Vec<_>>().join("; ");
        match (phase(&row.state), blocked(&row.reason)) {
            (Phase::Over(_), _) => Some(Failure {
                error: format!(
                    "job {} ended on {} without a report ({}): {printed}",
                    row.id, row.node, row.state
                ),
                hint: Some(
                    "is the store on a disk that the nodes share, under the same path? Does `prelude` work?"
                        .to_owned(),
                ),
            }),
            (Phase::Pending, Some(Blocked::Never(hint))) => Some(Failure {
                error: format!("job {} can never start: {}", row.id, row.reason),
                hint: Some(hint.to_owned()),
            }),
            (Phase::Pending, _) if is_over => Some(Failure {
                error: format!("job {} still waits ({}); it was cancelled", row.id, row.reason),
                hint: Some("the cluster is busy: try again, or raise `--limit`".to_owned()),
            }),
            _ => None,
        }
    }
}

/// The node's side.
pub(super) fn report(folder: &Path, node: String, numerics: Result<String, String>) {
    let report = Report {
        node,
        version: Program::this().version,
        numerics,
        gpus: machine::budget(None, None).gpus,
        locks: Batch::is_locked(folder),
        time: Timestamp::now().to_string(),
    };
    // Whoever waits is told by what the cluster says of the job.
    let _ = Batch::write(&folder.join(REPORT), &report);
}

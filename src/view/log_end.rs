//! The end of a step's log, which is read when the step is told.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::progress::State;
use super::run::{Run, Step};
use crate::history::{attempts, log_name};
use crate::report::clean;
use crate::store::RunFolder;

/// How many lines of a log are shown, and from how many bytes at its end.
const LOG_LINES: usize = 40;
const LOG_BYTES: u64 = 64 << 10;

impl Run {
    /// The last lines of a step's log: of its last attempt, or of the run that made what is reused.
    pub(crate) fn log(&self, step: &Step) -> Vec<String> {
        let of = |folder: &RunFolder, step: &str| last_lines(attempts(folder, &log_name(step)).last()?);
        match (step.seen.state, &step.record) {
            (State::Waiting | State::Skipped | State::Adopted, _) => None,
            (State::Reused, None) => None,
            // It may have had another name in the run that made it.
            (State::Reused, Some(record)) => {
                self.store.run(&record.run).ok().and_then(|run| of(&run, &record.step))
            }
            _ => of(&self.folder, &step.name),
        }
        .unwrap_or_default()
    }
}

fn last_lines(path: &Path) -> Option<Vec<String>> {
    let mut file = File::open(path).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(LOG_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    Some(last.iter().map(|line| cut(clean::last_state(line))).collect())
}

/// A line as long as is shown of it.
fn cut(mut line: String) -> String {
    const LONGEST: usize = 400;
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

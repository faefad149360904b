//! `logs --follow`: a step's log while it is written, until the step ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::CliError;
use super::log_files::{attempts, put};
use super::print_error;
use crate::store::{RunFolder, StepRecord, Store};

/// How often the files are looked at.
const POLL: Duration = Duration::from_millis(200);

/// Prints what comes into the log from a place in it, attempt after attempt, until the step ends or
/// nobody runs it any more.
pub(super) fn follow(
    store: &Store,
    run: &RunFolder,
    step: &StepRecord,
    from: Option<(PathBuf, u64)>,
    raw: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut events = Tail::new(run.events_path(), 0);
    let mut log: Option<Tail> = from.map(|(path, offset)| Tail::new(path, offset));
    let mut is_told = false;
    loop {
        // In this order: what is in the log when the step has ended is all that there will be.
        let is_alive = store.is_in_use();
        let is_over = ends(&mut events, &step.name)? || run.record().is_some() || !is_alive;
        let logs = attempts(run, step);
        loop {
            if let Some(log) = &mut log {
                log.read(is_over, |line| put(line, raw, out))?;
            }
            let at = log.as_ref().and_then(|log| logs.iter().position(|path| *path == log.path));
            let Some(next) = logs.get(at.map_or(0, |at| at + 1)) else { break };
            // The rest of the attempt before, which has ended.
            if let Some(mut before) = log.take() {
                before.read(true, |line| put(line, raw, out))?;
                writeln!(out, "==> attempt {} <==", at.map_or(1, |at| at + 2))?;
            }
            log = Some(Tail::new(next.clone(), 0));
        }
        out.flush()?;
        if is_over {
            if !is_alive && run.record().is_none() {
                print_error("the run died before the step ended\n");
            }
            return Ok(());
        }
        if log.is_none() && !is_told {
            print_error(&format!("waiting for `{}` to start\n", step.name));
            is_told = true;
        }
        std::thread::sleep(POLL);
    }
}

/// Whether the events that came since say that the step is over.
fn ends(events: &mut Tail, step: &str) -> Result<bool, CliError> {
    #[derive(Deserialize)]
    struct Said {
        event: String,
        step: Option<String>,
        #[serde(default)]
        retried: bool,
    }
    let mut is_over = false;
    events.read(false, |line| {
        let Ok(said) = serde_json::from_slice::<Said>(line) else { return Ok(()) };
        let is_its = said.step.as_deref() == Some(step);
        match &*said.event {
            "run_finished" => is_over = true,
            "step_reused" | "step_succeeded" | "step_skipped" if is_its => is_over = true,
            "step_failed" if is_its => is_over = !said.retried,
            // Its outputs were needed once more.
            "step_started" if is_its => is_over = false,
            _ => {}
        }
        Ok(())
    })?;
    Ok(is_over)
}

/// A file that grows, read line by line.
struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    fn new(path: PathBuf, offset: u64) -> Self {
        Self { path, offset }
    }

    /// Passes on the lines that came since, without one that has not ended unless it is the `last`.
    fn read(
        &mut self,
        last: bool,
        mut line: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(CliError::file("read", &self.path)(error)),
        };
        file.seek(SeekFrom::Start(self.offset)).map_err(CliError::file("read", &self.path))?;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = file.read_until(b'\n', &mut bytes).map_err(CliError::file("read", &self.path))?;
            if read == 0 || !(last || bytes.ends_with(b"\n")) {
                return Ok(());
            }
            self.offset += read as u64;
            line(&bytes)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(path.clone(), 0);
        let mut read = |last| {
            let mut lines = Vec::new();
            tail.read(last, |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            })
            .unwrap();
            lines
        };
        assert!(read(false).is_empty(), "not there yet");
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(read(false), ["one\n"]);
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        assert_eq!(read(false), ["two\n"]);
        assert_eq!(read(true), ["thr"]);
        assert!(read(true).is_empty());
    }

    #[test]
    fn the_step_is_over_when_its_last_event_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        for (event, over) in [
            (r#"{"event":"step_started","step":"s"}"#, false),
            (r#"{"event":"step_failed","step":"s","retried":true}"#, false),
            (r#"{"event":"step_failed","step":"t","retried":false}"#, false),
            (r#"{"event":"step_failed","step":"s","retried":false}"#, true),
            (r#"{"event":"step_succeeded","step":"s"}"#, true),
            (r#"{"event":"run_finished"}"#, true),
        ] {
            std::fs::write(&path, format!("{event}\n")).unwrap();
            assert_eq!(ends(&mut Tail::new(path.clone(), 0), "s").unwrap(), over, "{event}");
        }
    }
}

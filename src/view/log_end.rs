//! The end of a step's log, which is read when the step is first told.

use super::progress::State;
use super::run::{Run, Step};
use crate::history::{attempts, log_end, log_name};
use crate::store::RunFolder;

/// How many lines of a log are shown, and how many characters of each.
const LINES: usize = 40;
const LONGEST: usize = 400;

impl Run {
    /// The last lines of a step's log: of its last attempt, or of the run that made what is reused.
    pub(crate) fn log<'a>(&self, step: &'a Step) -> &'a [String] {
        step.log.get_or_init(|| self.read_log(step).unwrap_or_default())
    }

    fn read_log(&self, step: &Step) -> Option<Vec<String>> {
        let of = |folder: &RunFolder, step: &str| {
            Some(log_end(attempts(folder, &log_name(step)).last()?, LINES, LONGEST))
        };
        match (step.seen.state, &step.record) {
            (State::Waiting | State::Skipped | State::Adopted, _) => None,
            (State::Reused, None) => None,
            // It may have had another name in the run that made it.
            (State::Reused, Some(record)) => {
                self.store.run(&record.run).ok().and_then(|run| of(&run, &record.step))
            }
            _ => of(&self.folder, &step.name),
        }
    }
}

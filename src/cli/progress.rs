//! What `-q` and `-v` change of what a run prints.

use std::io::Write;
use std::path::PathBuf;

use super::terminal::Verbosity;
use crate::engine::logs::{file_name, of_attempt};
use crate::event::{Consumer, Event, Numbered};
use crate::report::clean::one_line;

/// A consumer that prints as much as was asked for: `plain` prints lines, those of `-v` go to `out`.
pub(super) fn with_verbosity(
    verbosity: Verbosity,
    plain: Box<dyn Consumer>,
    out: impl Write + Send + 'static,
    logs: PathBuf,
) -> Box<dyn Consumer> {
    match verbosity {
        Verbosity::Quiet => Box::new(FailuresAndWarnings(plain)),
        Verbosity::Normal => plain,
        Verbosity::Verbose => Box::new(WithLogs { plain, out, logs }),
    }
}

/// Passes on failures, and what is to be known of the run as a whole: damage, exports that are not the results.
struct FailuresAndWarnings(Box<dyn Consumer>);

impl Consumer for FailuresAndWarnings {
    fn take(&mut self, event: &Numbered) {
        if matches!(
            event.event,
            Event::StepFailed { .. } | Event::ExportFailed { .. } | Event::RunNoted { .. }
        ) {
            self.0.take(event);
        }
    }

    fn pause(&mut self) {
        self.0.pause();
    }
}

/// Adds the cached steps, and the log of every step that starts.
struct WithLogs<W> {
    plain: Box<dyn Consumer>,
    out: W,
    logs: PathBuf,
}

impl<W: Write + Send> Consumer for WithLogs<W> {
    fn take(&mut self, event: &Numbered) {
        self.plain.take(event);
        let line = match &event.event {
            Event::StepReused { step, key } => format!("cached {} (key {})", one_line(step), key.short()),
            Event::StepStarted { step, attempt, .. } => {
                let log = self.logs.join(format!("{}.log", of_attempt(&file_name(step), *attempt)));
                format!("       log {}", one_line(&log.to_string_lossy()))
            }
            _ => return,
        };
        // A closed pipe ends the output, not the run.
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    fn pause(&mut self) {
        self.plain.pause();
    }
}

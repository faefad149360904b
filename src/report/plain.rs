//! Plain lines, for logs and pipes: a line for each turn in a step's life, and now and then one for
//! its progress.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use super::clean::one_line;
use super::{Style, line};
use crate::event::{Consumer, Event, Numbered};

/// A step's progress is told at most this often.
const PROGRESS: Duration = Duration::from_secs(15);

/// The plain consumer.
pub struct Plain<W> {
    out: W,
    style: Style,
    told: BTreeMap<String, Instant>,
}

impl<W: Write + Send> Plain<W> {
    /// Lines into `out`.
    pub fn new(out: W) -> Self {
        Self { out, style: Style::plain(), told: BTreeMap::new() }
    }
}

impl<W: Write + Send> Consumer for Plain<W> {
    fn take(&mut self, event: &Numbered) {
        let text = match &event.event {
            Event::StepStarted { step, .. } => {
                self.told.insert(step.clone(), Instant::now());
                line(&event.event, self.style)
            }
            Event::StepProgressed { step, done, total, unit } => {
                let due = self.told.get(step).is_none_or(|at| at.elapsed() >= PROGRESS);
                due.then(|| {
                    self.told.insert(step.clone(), Instant::now());
                    let of = if *total == 0 { String::new() } else { format!(" of {total}") };
                    format!("  ...  {}: {done}{of} {}", one_line(step), one_line(unit))
                })
            }
            other => line(other, self.style),
        };
        if let Some(text) = text {
            // A closed pipe ends the output, not the run.
            let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        }
    }
}

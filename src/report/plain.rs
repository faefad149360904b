//! Plain lines, for logs and pipes: a line for each turn in a step's life, and now and then one for
//! its progress.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use super::clean::one_line;
use super::{Style, line, number};
use crate::event::{Consumer, Event, Numbered};

/// A step's progress is told at most this often.
const PROGRESS: Duration = Duration::from_secs(15);

/// The plain consumer.
pub struct Plain<W> {
    out: W,
    style: Style,
    told: BTreeMap<String, Instant>,
    /// The latest loss of each step.
    losses: BTreeMap<String, (String, f64)>,
}

impl<W: Write + Send> Plain<W> {
    /// Lines into `out`, in this style.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, told: BTreeMap::new(), losses: BTreeMap::new() }
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
                    let loss = self.losses.get(step);
                    let loss = loss.map(|(name, value)| format!(", {} {}", one_line(name), number(*value)));
                    let loss = loss.unwrap_or_default();
                    format!("  ...  {}: {done}{of} {}{loss}", one_line(step), one_line(unit))
                })
            }
            Event::MetricLogged { step, name, value, .. } => {
                // That of the validation would hide it most of the time: it comes more seldom.
                let known = self.losses.get(step).is_none_or(|(known, _)| known == name);
                if name.starts_with("loss") && known {
                    self.losses.insert(step.clone(), (name.clone(), *value));
                }
                None
            }
            other => line(other, self.style),
        };
        if let Some(text) = text {
            // A closed pipe ends the output, not the run.
            let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_comes_with_the_loss() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out, Style::default());
        let progressed =
            |done| Event::StepProgressed { step: "s".into(), done, total: 9, unit: "steps".into() };
        let metric =
            |name: &str, value| Event::MetricLogged { step: "s".into(), name: name.into(), x: 0.0, value };
        let events = [
            metric("learning_rate", 0.1),
            metric("loss.train", 2.5),
            metric("loss.valid", 9.0),
            progressed(3),
            progressed(4),
        ];
        for event in events {
            plain.take(&Numbered { n: 0, time: String::new(), event });
        }
        assert_eq!(String::from_utf8(out).unwrap(), "  ...  s: 3 of 9 steps, loss.train 2.500\n");
    }
}

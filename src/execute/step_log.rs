//! What a stage says, as lines of its step's log: every note, and now and then how far it is with its
//! latest numbers. Each line begins with the time since the step's.

use std::time::Duration;

use igpt_contract::Signal;

use crate::report::{number, to_the_minute};

/// The time between two lines of progress; in a long step a hundredth of the time that it has taken, so
/// that the log of a week is as easy to read as that of an hour.
const EVERY: Duration = Duration::from_secs(10);
const SHARE: u32 = 100;

/// The first line comes sooner.
const FIRST: Duration = Duration::from_secs(1);

/// What was said and is not in the log yet.
#[derive(Debug, Default)]
pub(super) struct StepLog {
    /// How much is done, of how much, of what.
    progress: Option<(u64, u64, &'static str)>,
    /// The latest value of each metric, in the order in which they came.
    metrics: Vec<(String, f64)>,
    written: Option<Duration>,
}

impl StepLog {
    /// Takes what the stage said at a time since its beginning; answers a line for the log, or more
    /// than one where the text has more.
    pub(super) fn take(&mut self, now: Duration, signal: &Signal) -> Option<String> {
        match signal {
            Signal::Progress { done, total, unit } => self.progress = Some((*done, *total, unit)),
            Signal::Metric { name, value, .. } => match self.metrics.iter_mut().find(|(of, _)| of == name) {
                Some((_, latest)) => *latest = *value,
                None => self.metrics.push((name.clone(), *value)),
            },
            Signal::Note(text) => return Some(stamped(now, text)),
            Signal::Log(text) => return Some(text.clone()),
            Signal::Fact { .. } => return None,
        }
        let is_due = match self.written {
            None => now >= FIRST,
            Some(written) => now.saturating_sub(written) >= EVERY.max(now / SHARE),
        };
        if is_due { self.rest(now) } else { None }
    }

    /// A line of what is not in the log yet; none where there is nothing.
    pub(super) fn rest(&mut self, now: Duration) -> Option<String> {
        let progress = self.progress.take().map(|(done, total, unit)| match total {
            0 => format!("{done} {unit}"),
            total => format!("{done} of {total} {unit}"),
        });
        let metrics = self.metrics.drain(..).map(|(name, value)| format!("{name} {}", number(value)));
        let said: Vec<String> = progress.into_iter().chain(metrics).collect();
        if said.is_empty() {
            return None;
        }
        self.written = Some(now);
        Some(stamped(now, &said.join(", ")))
    }
}

fn stamped(now: Duration, text: &str) -> String {
    format!("[{:>11}] {text}", to_the_minute(now.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(seconds: impl Iterator<Item = u64>) -> Vec<String> {
        let mut log = StepLog::default();
        let mut lines = Vec::new();
        for second in seconds {
            let now = Duration::from_secs(second);
            let loss =
                Signal::Metric { name: "loss.train".into(), x: 0.0, value: 4.0 - 1e-6 * second as f64 };
            let progress = Signal::Progress { done: second, total: 500_000, unit: "steps" };
            lines.extend(log.take(now, &progress).into_iter().chain(log.take(now, &loss)));
        }
        lines.extend(log.rest(Duration::from_secs(500_000)));
        lines
    }

    #[test]
    fn progress_and_numbers_come_at_intervals_and_the_last_ones_always() {
        let lines = lines(0..=25);
        assert_eq!(
            lines,
            [
                "[      1.0 s] 1 of 500000 steps, loss.train 4.000",
                "[     11.0 s] 11 of 500000 steps, loss.train 4.000",
                "[     21.0 s] 21 of 500000 steps, loss.train 4.000",
                "[138 h 53 min] 25 of 500000 steps, loss.train 4.000",
            ]
        );
    }

    #[test]
    fn the_log_of_a_week_stays_short() {
        assert!((100..2000).contains(&lines(0..500_000).len()), "{}", lines(0..500_000).len());
    }

    #[test]
    fn notes_are_written_at_once_and_a_quick_step_has_one_line() {
        let mut log = StepLog::default();
        let now = Duration::from_millis(300);
        let note = log.take(now, &Signal::Note("2 images are damaged".into()));
        assert_eq!(note.unwrap(), "[     0.30 s] 2 images are damaged");
        assert_eq!(log.take(now, &Signal::Progress { done: 7, total: 0, unit: "images" }), None);
        assert_eq!(log.rest(now).unwrap(), "[     0.30 s] 7 images");
        assert_eq!(log.rest(now), None);
    }
}

//! A step that runs, as far as its events tell: how far it is, how fast, and its latest numbers.

use std::collections::VecDeque;

/// The speed is that of the last so many seconds.
const WINDOW: f64 = 30.0;

/// A speed needs this many seconds at least.
const SHORTEST: f64 = 1.0;

/// A running step. Times are seconds since the run began.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    pub(super) name: String,
    pub(super) since: f64,
    /// Where it is, if it does not run here.
    pub(super) place: Option<String>,
    pub(super) progress: Option<Progress>,
    /// The latest value of each metric, in the order in which they first came.
    pub(super) metrics: Vec<(String, f64)>,
    /// How many notes came, and the latest.
    pub(super) notes: (u64, String),
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Progress {
    pub(super) done: u64,
    /// None where nobody knows.
    pub(super) total: Option<u64>,
    pub(super) unit: String,
    /// When how much was done.
    samples: VecDeque<(f64, u64)>,
}

impl Running {
    pub(super) fn new(name: &str, since: f64) -> Self {
        Self {
            name: name.to_owned(),
            since,
            place: None,
            progress: None,
            metrics: Vec::new(),
            notes: (0, String::new()),
        }
    }

    /// It has come to another place. Its time counts from there: it waited before.
    pub(super) fn moved(&mut self, now: f64, place: &str) {
        self.place = Some(place.to_owned());
        self.since = now;
    }

    /// The step said how far it is. What is counted in other units, or from the beginning, is
    /// another part of its work.
    pub(super) fn progressed(&mut self, now: f64, done: u64, total: u64, unit: &str) {
        let total = (total > 0).then_some(total);
        match &mut self.progress {
            Some(progress) if progress.unit == unit && progress.total == total && progress.done <= done => {
                progress.done = done;
                progress.samples.push_back((now, done));
                while progress.samples.len() > 2 && progress.samples[1].0 < now - WINDOW {
                    progress.samples.pop_front();
                }
            }
            _ => {
                let samples = VecDeque::from([(now, done)]);
                self.progress = Some(Progress { done, total, unit: unit.to_owned(), samples });
            }
        }
    }

    /// The step said a number.
    pub(super) fn measured(&mut self, name: &str, value: f64) {
        match self.metrics.iter_mut().find(|(known, _)| known == name) {
            Some((_, latest)) => *latest = value,
            None => self.metrics.push((name.to_owned(), value)),
        }
    }

    /// The seconds that are left by the speed so far.
    pub(super) fn left(&self, now: f64) -> Option<f64> {
        let progress = self.progress.as_ref()?;
        let to_do = progress.total?.saturating_sub(progress.done) as f64;
        let (latest, _) = progress.samples.back()?;
        Some((to_do / progress.speed()? - (now - latest)).max(0.0))
    }
}

impl Progress {
    /// Units a second.
    pub(super) fn speed(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let took = to - from;
        (took >= SHORTEST && after > before).then(|| (after - before) as f64 / took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_while_and_the_rest_follows_from_it() {
        let mut step = Running::new("s", 0.0);
        step.progressed(0.0, 5_000, 10_000, "steps");
        assert_eq!(step.left(0.0), None, "one look tells no speed");
        // Slow at first, then ten a second.
        step.progressed(50.0, 5_001, 10_000, "steps");
        for second in 51..=100_u64 {
            step.progressed(second as f64, 5_001 + (second - 50) * 10, 10_000, "steps");
        }
        let speed = step.progress.as_ref().unwrap().speed().unwrap();
        assert!((speed - 10.0).abs() < 0.01, "{speed}");
        let left = step.left(103.0).unwrap();
        assert!((left - (449.9 - 3.0)).abs() < 0.5, "{left}");
        assert_eq!(step.left(10_000.0), Some(0.0));
    }

    #[test]
    fn another_part_of_the_work_has_a_speed_of_its_own() {
        let mut step = Running::new("s", 0.0);
        step.progressed(0.0, 0, 100, "images");
        step.progressed(2.0, 100, 100, "images");
        assert!(step.left(2.0).is_some());
        step.progressed(3.0, 1, 50, "iterations");
        assert_eq!(step.left(3.0), None);
        step.progressed(9.0, 0, 0, "iterations");
        assert_eq!(step.progress.unwrap().total, None);
    }
}

//! What the live view knows of a run: its state after the events so far.

use std::collections::{HashMap, HashSet};

use super::step::Running;
use crate::event::Event;
use crate::report::eta::{Outlook, Task, total};
use crate::step_name::base;

/// How often the end of the run is estimated anew, in seconds.
const REHEARSE: f64 = 1.0;

/// A step of the run, and how long it should take by what is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The step's name.
    pub name: String,
    /// The search that it is a candidate of.
    pub search: Option<String>,
    /// How long it should take from its beginning, and what it waits for.
    pub task: Task,
}

/// The state. Times are seconds since the view began.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The steps of the run.
    pub(super) steps: usize,
    pub(super) running: Vec<Running>,
    pub(super) reused: usize,
    pub(super) failed: usize,
    /// The latest note: of which step, and its text.
    pub(super) note: Option<(String, String)>,
    /// Whether the run was told to stop.
    pub(super) stopping: bool,
    settled: HashSet<String>,
    left_out: usize,
    /// Searches that are decided: their other candidates will not run.
    decided: HashSet<String>,
    expected: Vec<Expected>,
    /// What steps took in this run: by the name without labels, how many and how long together.
    took: HashMap<String, (u32, f64)>,
    /// When the run should be done: as estimated at a time.
    outlook: Option<(f64, Outlook)>,
}

impl View {
    /// What happened.
    pub(super) fn take(&mut self, now: f64, event: &Event) {
        match event {
            Event::RunStarted { steps, .. } => self.steps = *steps,
            Event::StepStarted { step, .. } => {
                self.settled.remove(step);
                // One that waited for room is started anew.
                self.running.retain(|running| running.name != *step);
                self.running.push(Running::new(step, now));
            }
            Event::StepMoved { step, standing } => {
                if let Some(running) = self.running(step) {
                    running.moved(now, &standing.state);
                }
            }
            Event::StepProgressed { step, done, total, unit } => {
                if let Some(running) = self.running(step) {
                    running.progressed(now, *done, *total, unit);
                }
            }
            Event::MetricLogged { step, name, value, .. } => {
                if let Some(running) = self.running(step) {
                    running.measured(name, *value);
                }
            }
            Event::StepNoted { step, text } => {
                if let Some(running) = self.running(step) {
                    running.notes = (running.notes.0 + 1, text.clone());
                    self.note = Some((step.clone(), text.clone()));
                }
            }
            Event::StepReused { step, .. } => {
                self.reused += 1;
                self.settle(step);
            }
            Event::StepSucceeded { step, cost, adopted, .. } => {
                if *adopted {
                    self.reused += 1;
                } else {
                    let (count, seconds) = self.took.entry(base(step).to_owned()).or_default();
                    *count += 1;
                    *seconds += cost.wall_s;
                }
                self.settle(step);
            }
            Event::StepFailed { step, retried: true, .. } => {
                self.running.retain(|running| running.name != *step);
            }
            Event::StepFailed { step, .. } => {
                self.failed += 1;
                self.settle(step);
            }
            Event::StepSkipped { step, .. } => self.settle(step),
            Event::SearchSettled { step, tried, .. } => {
                self.left_out += tried.1.saturating_sub(tried.0);
                self.decided.insert(step.clone());
                self.outlook = None;
            }
            Event::RunNoted { .. }
            | Event::Exported { .. }
            | Event::ExportFailed { .. }
            | Event::RunFinished { .. } => {}
        }
    }

    fn settle(&mut self, step: &str) {
        self.running.retain(|running| running.name != step);
        if self.note.as_ref().is_some_and(|(of, _)| of == step) {
            self.note = None;
        }
        self.settled.insert(step.to_owned());
    }

    fn running(&mut self, step: &str) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.name == *step)
    }

    /// How many notes a running step has had, and the latest; none of a step that does not run.
    pub(super) fn notes(&self, step: &str) -> Option<&(u64, String)> {
        self.running.iter().find(|running| running.name == step).map(|running| &running.notes)
    }

    /// How many steps are settled, of how many.
    pub(super) fn settled(&self) -> (usize, usize) {
        let of = self.steps.saturating_sub(self.left_out);
        (self.settled.len().min(of), of)
    }

    /// What is known of the run's steps. Indices in it are those of the list.
    pub(super) fn expect(&mut self, expected: Vec<Expected>) {
        self.expected = expected;
        self.outlook = None;
    }

    /// How long a step should take from its beginning: by its record, or by its like in this run.
    pub(super) fn expected(&self, step: &str) -> Option<f64> {
        let one = self.expected.iter().find(|one| one.name == step)?;
        one.task.seconds.or_else(|| self.like(step))
    }

    fn like(&self, step: &str) -> Option<f64> {
        let (count, seconds) = self.took.get(base(step))?;
        Some(seconds / f64::from(*count))
    }

    /// Estimates the end of the run anew, where the last estimate is old.
    pub(super) fn rehearse(&mut self, now: f64, slots: u32) {
        let is_fresh = self.outlook.is_some_and(|(at, _)| now - at < REHEARSE);
        if self.expected.is_empty() || is_fresh {
            return;
        }
        let running: HashMap<&str, &Running> =
            self.running.iter().map(|running| (running.name.as_str(), running)).collect();
        let is_open = |one: &Expected| {
            let is_left_out = one.search.as_ref().is_some_and(|search| self.decided.contains(search));
            running.contains_key(one.name.as_str()) || !(is_left_out || self.settled.contains(&one.name))
        };
        let open: Vec<usize> =
            (0..self.expected.len()).filter(|step| is_open(&self.expected[*step])).collect();
        let place: HashMap<usize, usize> = open.iter().enumerate().map(|(n, step)| (*step, n)).collect();
        let tasks = open.iter().map(|step| {
            let Expected { name, task, .. } = &self.expected[*step];
            let whole = task.seconds.or_else(|| self.like(name));
            let seconds = match running.get(name.as_str()) {
                None => whole,
                Some(step) => step.left(now).or_else(|| {
                    // Longer than it should have: nothing is known of the rest.
                    whole.map(|whole| whole - (now - step.since)).filter(|left| *left > 0.0)
                }),
            };
            let after = task.after.iter().filter_map(|before| place.get(before).copied()).collect();
            Task { seconds, after, cpus: task.cpus }
        });
        let tasks: Vec<Task> = tasks.collect();
        self.outlook = Some((now, total(&tasks, slots)));
    }

    /// How long the run should still take; none where nothing at all is known.
    pub(super) fn left(&self, now: f64) -> Option<Outlook> {
        let (at, outlook) = self.outlook?;
        let seconds = (outlook.seconds - (now - at)).max(0.0);
        (outlook.seconds > 0.0 || outlook.unknown == 0).then_some(Outlook { seconds, ..outlook })
    }
}

//! What the events of a run say, gathered line by line: of a run that ended, or while it goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use igpt_contract::{Curve, Digest};
use jiff::Timestamp;

use crate::event::{Event, Numbered, RunStatus, Standing};

/// How many notes of a step are kept.
const NOTES: usize = 50;

/// What is known of a run by its events.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The pipeline's name.
    pub(crate) pipeline: String,
    /// What the run said that is about no single step.
    pub(crate) notes: Vec<String>,
    /// What was exported, and whether that worked: the path, or the path with an error.
    pub(crate) exports: Vec<(String, Option<String>)>,
    /// How it ended, and after how many seconds.
    pub(crate) ended: Option<(RunStatus, f64)>,
    /// Every step that the events name.
    pub(crate) steps: HashMap<String, StepProgress>,
    /// When something was last said, in seconds since the run began.
    pub(crate) last_s: f64,
    /// Whether names of nodes are left out, which are names of machines.
    pub(crate) hides_nodes: bool,
    began: Option<Timestamp>,
    /// The steps of which something was said since the last look.
    touched: BTreeSet<String>,
}

/// What is known of a step by the events.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepProgress {
    pub(crate) state: State,
    pub(crate) key: Option<Digest>,
    /// Why it ran.
    pub(crate) reason: Option<String>,
    /// The attempt that it came to.
    pub(crate) attempt: u32,
    /// When its last attempt began and ended, in seconds since the run began.
    pub(crate) began_s: Option<f64>,
    pub(crate) ended_s: Option<f64>,
    /// Units done, in all, and what they are.
    pub(crate) units: Option<(u64, u64, String)>,
    pub(crate) notes: Vec<String>,
    /// The error, a hint, and the last lines of its log.
    pub(crate) failure: Option<(String, Option<String>, Vec<String>)>,
    /// The numbers that it said, by the name of their curve.
    pub(crate) curves: BTreeMap<String, Curve>,
    /// Where it is or was, if that is a cluster.
    pub(crate) place: Option<Standing>,
}

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum State {
    /// Nothing is known of it yet.
    #[default]
    Waiting,
    /// It was given to a cluster, and waits there.
    Queued,
    /// It runs.
    Running,
    /// It ran and succeeded.
    Done,
    /// Its result was there already.
    Reused,
    /// Another run made its result meanwhile.
    Adopted,
    /// It failed.
    Failed,
    /// It did not run.
    Skipped,
    /// It was running when the run ended.
    Stopped,
}

impl State {
    /// The word for it, which is a class of the pages as well.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Reused => "reused",
            Self::Adopted => "adopted",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
        }
    }

    /// A sign beside the word, so that colour is not all that tells states apart.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Waiting => "○",
            Self::Queued => "◌",
            Self::Running => "◐",
            Self::Done => "✓",
            Self::Reused | Self::Adopted => "↺",
            Self::Failed => "✗",
            Self::Skipped => "–",
            Self::Stopped => "■",
        }
    }

    /// Whether its result is there.
    pub(crate) fn is_there(self) -> bool {
        matches!(self, Self::Done | Self::Reused | Self::Adopted)
    }
}

impl Progress {
    /// Takes the next line of `events.jsonl`. One that cannot be read is ignored: another version may
    /// have written it.
    pub(crate) fn take(&mut self, line: &[u8]) {
        let Ok(Numbered { time, event, .. }) = serde_json::from_slice(line) else { return };
        let time: Option<Timestamp> = time.parse().ok();
        self.began = self.began.or(time);
        let now = self.since(time);
        self.last_s = now.unwrap_or(self.last_s);
        match event {
            Event::RunStarted { pipeline, .. } => self.pipeline = pipeline,
            Event::RunNoted { text } => self.notes.push(text),
            Event::Exported { path, .. } => self.exports.push((path.to_string_lossy().into(), None)),
            Event::ExportFailed { path, error, .. } => {
                self.exports.push((path.to_string_lossy().into(), Some(error)));
            }
            Event::RunFinished { status, wall_s, .. } => {
                self.ended = Some((status, wall_s));
                let is_open = |step: &&mut StepProgress| matches!(step.state, State::Running | State::Queued);
                let running = self.steps.values_mut().filter(is_open);
                running.for_each(|step| step.state = State::Stopped);
            }
            Event::SearchSettled { step, value, tried } => {
                let (tried, of) = tried;
                self.notes.push(format!("{step}: chose {value} ({tried} of {of} tried)"));
            }
            Event::StepStarted { step, key, reason, attempt } => {
                let step = self.step(step);
                *step = StepProgress {
                    state: State::Running,
                    key: Some(key),
                    reason: Some(reason),
                    attempt,
                    began_s: now,
                    notes: std::mem::take(&mut step.notes),
                    failure: step.failure.take(),
                    ..StepProgress::default()
                };
            }
            Event::StepReused { step, key } => {
                let step = self.step(step);
                (step.state, step.key) = (State::Reused, Some(key));
            }
            // Its time counts from there: before, it waited in a queue.
            Event::StepMoved { step, standing } => {
                let hides_nodes = self.hides_nodes;
                let step = self.step(step);
                step.began_s = now;
                step.state = if standing.node.is_some() { State::Running } else { State::Queued };
                step.place = Some(match hides_nodes {
                    true => Standing { state: without_nodes(standing.state), node: None, ..standing },
                    false => standing,
                });
            }
            Event::StepProgressed { step, done, total, unit } => {
                self.step(step).units = Some((done, total, unit));
            }
            Event::MetricLogged { step, name, x, value } => {
                self.step(step).curves.entry(name).or_default().push((x, value));
            }
            Event::StepNoted { step, text } => {
                let notes = &mut self.step(step).notes;
                if notes.len() < NOTES {
                    notes.push(text);
                }
            }
            Event::StepSucceeded { step, key, adopted, .. } => {
                let step = self.step(step);
                step.state = if adopted { State::Adopted } else { State::Done };
                (step.key, step.ended_s, step.units, step.failure) = (Some(key), now, None, None);
            }
            Event::StepFailed { step, error, hint, tail, attempt, retried, .. } => {
                let step = self.step(step);
                step.state = if retried { State::Waiting } else { State::Failed };
                (step.attempt, step.ended_s, step.units) = (attempt, now, None);
                step.failure = Some((error, hint, tail));
            }
            Event::StepSkipped { step, reason } => {
                let step = self.step(step);
                (step.state, step.reason) = (State::Skipped, Some(reason));
            }
        }
    }

    /// How many steps are in these states.
    pub(crate) fn count(&self, is: impl Fn(State) -> bool) -> usize {
        self.steps.values().filter(|step| is(step.state)).count()
    }

    /// The steps of which something was said since this was last asked.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.touched)
    }

    fn step(&mut self, name: String) -> &mut StepProgress {
        self.touched.insert(name.clone());
        self.steps.entry(name).or_default()
    }

    fn since(&self, time: Option<Timestamp>) -> Option<f64> {
        Some(time?.duration_since(self.began?).as_secs_f64())
    }
}

/// A reason of Slurm's without what may follow it: `queued (ReqNodeNotAvail, UnavailableNodes:n2)`.
fn without_nodes(state: String) -> String {
    match state.split_once(',') {
        Some((reason, _)) if reason.contains('(') => format!("{reason})"),
        _ => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_states_times_and_curves() {
        let key = Digest::of(b"k");
        let at = |s: u32, event: &str| format!(r#"{{"n":0,"time":"2026-01-01T00:00:{s:02}Z",{event}}}"#);
        let mut progress = Progress::default();
        for line in [
            at(0, r#""event":"run_started","run":"r","pipeline":"p","store":"/s","steps":3"#),
            at(1, &format!(r#""event":"step_started","step":"a","key":"{key}","reason":"new","attempt":1"#)),
            at(2, r#""event":"metric_logged","step":"a","name":"loss","x":1.0,"value":"NaN""#),
            at(2, r#""event":"something_new","step":"a""#),
            at(3, r#""event":"step_progressed","step":"a","done":1,"total":2,"unit":"steps""#),
            "{".to_owned(),
        ] {
            progress.take(line.as_bytes());
        }
        assert_eq!(progress.take_touched().len(), 1);
        assert!(progress.take_touched().is_empty());
        let a = &progress.steps["a"];
        assert_eq!((a.state, a.began_s, a.attempt), (State::Running, Some(1.0), 1));
        assert!(a.curves["loss"][0].1.is_nan());
        let failed =
            r#""event":"step_failed","step":"a","error":"e","hint":null,"log":"l","attempt":1,"retried":"#;
        progress.take(at(4, &format!("{failed}true")).as_bytes());
        assert_eq!(progress.steps["a"].state, State::Waiting);
        progress.take(at(5, &format!("{failed}false")).as_bytes());
        assert_eq!((progress.steps["a"].state, progress.steps["a"].ended_s), (State::Failed, Some(5.0)));
        progress.take(at(6, &format!(r#""event":"step_reused","step":"b","key":"{key}""#)).as_bytes());
        assert_eq!(progress.count(State::is_there), 1);
    }

    #[test]
    fn a_step_on_a_cluster_says_where_it_is_and_was() {
        let key = Digest::of(b"k");
        let started =
            format!(r#""event":"step_started","step":"a","key":"{key}","reason":"new","attempt":1"#);
        let moved = |more: &str| format!(r#""event":"step_moved","step":"a",{more}"#);
        let cost = r#"{"wall_s":1.0,"cpu_s":1.0,"peak_memory_mib":1.0}"#;
        let done = format!(
            r#""event":"step_succeeded","step":"a","key":"{key}","outputs":{{}},"cost":{cost},"adopted":false"#
        );
        let waits = moved(r#""state":"queued (ReqNodeNotAvail, UnavailableNodes:n2)","job":"7_0""#);
        let runs = moved(r#""state":"running on n1","job":"7_0","node":"n1""#);
        let told = |hides_nodes: bool| {
            let mut progress = Progress { hides_nodes, ..Progress::default() };
            let mut said = Vec::new();
            for event in
                [&started, &moved(r#""state":"queued as job 7_0","job":"7_0""#), &waits, &runs, &done]
            {
                progress.take(format!(r#"{{"n":0,"time":"2026-01-01T00:00:00Z",{event}}}"#).as_bytes());
                said.push(progress.steps["a"].words());
            }
            assert_eq!(progress.steps["a"].state, State::Done);
            (said, progress.steps["a"].place.clone().unwrap())
        };
        let (said, place) = told(false);
        let right = [
            "running",
            "queued as job 7_0",
            "queued (ReqNodeNotAvail, UnavailableNodes:n2), job 7_0",
            "running on n1",
            "done",
        ];
        assert_eq!(said, right);
        assert_eq!((place.job.as_deref(), place.node.as_deref()), (Some("7_0"), Some("n1")));
        let (said, place) = told(true);
        assert_eq!(said[2..4], ["queued (ReqNodeNotAvail), job 7_0", "running"]);
        assert_eq!((place.job.as_deref(), place.node), (Some("7_0"), None));
    }
}

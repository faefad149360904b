//! A run as the pages show it.

use std::collections::{BTreeMap, HashMap};

use igpt_contract::Digest;
use std::sync::OnceLock;

use jiff::Timestamp;

use super::masks::Mask;
use super::planned::Param;
use super::progress::{State, StepProgress};
use crate::event::Standing;
use crate::history::MadeOf;
use crate::report::eta::{Task, critical_path};
use crate::store::{Program, Record, RunFolder, Store};

/// A run with its steps.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) folder: RunFolder,
    /// What it is read from, with the remote behind it that the run has.
    pub(crate) store: Store,
    pub(crate) pipeline: String,
    pub(crate) description: String,
    /// `succeeded`, `failed`, `interrupted`, `running`, or `unfinished` where nobody saw the end.
    pub(crate) status: String,
    pub(crate) started: Option<Timestamp>,
    pub(crate) wall_s: Option<f64>,
    /// When something was last said, in seconds since it began.
    pub(crate) last_s: f64,
    pub(crate) program: Option<Program>,
    pub(crate) made_of: MadeOf,
    /// Every step, each after all that it reads.
    pub(crate) steps: Vec<Step>,
    /// The steps as the YAML has them.
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) notes: Vec<String>,
    pub(crate) exports: Vec<(String, Option<String>)>,
    /// What is shown of the machine, where it is.
    pub(crate) machine: Vec<(String, String)>,
    pub(crate) mask: Mask,
}

/// A step of a run.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// The node of it.
    pub(crate) node: usize,
    pub(crate) kind: String,
    pub(crate) seen: StepProgress,
    /// What its key led to, as the store has it now.
    pub(crate) record: Option<Record>,
    /// Every parameter with where it came from; of a run without a plan, those that differ from their
    /// defaults.
    pub(crate) params: Vec<Param>,
    /// The steps that it reads.
    pub(crate) reads: Vec<usize>,
    pub(crate) inputs: Vec<Input>,
    /// The last lines of its log, once they are read: see [`Run::log`].
    pub(crate) log: OnceLock<Vec<String>>,
}

/// An input of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub(crate) port: String,
    pub(crate) labels: String,
    /// The step of this run that made it.
    pub(crate) step: Option<usize>,
    /// What it is, in words: `pretrain.model`, a path.
    pub(crate) text: String,
    pub(crate) digest: Option<Digest>,
}

/// A step of the YAML with all of its instances.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Its instances, by their places among the steps.
    pub(crate) steps: Vec<usize>,
    /// What it reads from the disk.
    pub(crate) outside: Vec<String>,
}

/// One node reads another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Run {
    /// Whether somebody works on it.
    pub(crate) fn is_running(&self) -> bool {
        self.status == "running"
    }

    /// How many steps are in these states.
    pub(crate) fn count(&self, is: impl Fn(State) -> bool) -> usize {
        self.steps.iter().filter(|step| is(step.seen.state)).count()
    }

    /// A text as the pages have it.
    pub(crate) fn text<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        self.mask.text(text)
    }

    /// The chain of executed steps, each reading the one before it, that took longest, and its seconds.
    pub(crate) fn critical_path(&self) -> (Vec<usize>, f64) {
        let ran: Vec<usize> =
            (0..self.steps.len()).filter(|step| self.steps[*step].took_s().is_some()).collect();
        let place: HashMap<usize, usize> = ran.iter().enumerate().map(|(n, step)| (*step, n)).collect();
        let task = |step: &usize| {
            let step = &self.steps[*step];
            let after = step.reads.iter().filter_map(|read| place.get(read).copied()).collect();
            Task { seconds: step.took_s(), after, cpus: 1 }
        };
        let tasks: Vec<Task> = ran.iter().map(task).collect();
        let (path, outlook) = critical_path(&tasks);
        (path.into_iter().map(|task| ran[task]).collect(), outlook.seconds)
    }
}

impl Step {
    /// How long its last attempt took in this run.
    pub(crate) fn took_s(&self) -> Option<f64> {
        Some((self.seen.ended_s? - self.seen.began_s?).max(0.0))
    }

    /// Its curves: those of its result, or what it said so far.
    pub(crate) fn curves(&self) -> &BTreeMap<String, igpt_contract::Curve> {
        match &self.record {
            Some(record) if self.seen.state.is_there() && !record.metrics.curves.is_empty() => {
                &record.metrics.curves
            }
            _ => &self.seen.curves,
        }
    }
}

impl Node {
    /// What became of its instances, in words, and the state that matters most.
    pub(crate) fn state(&self, steps: &[Step]) -> (State, String) {
        state_of(&self.steps, |step| &steps[step].seen)
    }
}

/// What became of these steps by what is known of each, in words, and the state that matters most.
pub(crate) fn state_of<'a>(steps: &[usize], seen: impl Fn(usize) -> &'a StepProgress) -> (State, String) {
    let mut counts: BTreeMap<State, usize> = BTreeMap::new();
    steps.iter().for_each(|step| *counts.entry(seen(*step).state).or_default() += 1);
    let order = [
        State::Failed,
        State::Running,
        State::Queued,
        State::Stopped,
        State::Waiting,
        State::Done,
        State::Adopted,
        State::Reused,
        State::Skipped,
    ];
    let state = order.into_iter().find(|state| counts.contains_key(state)).unwrap_or_default();
    if let [step] = steps[..] {
        return (state, seen(step).brief());
    }
    let text: Vec<String> =
        order.iter().filter_map(|state| Some(format!("{} {}", counts.get(state)?, state.word()))).collect();
    (state, text.join(", "))
}

impl StepProgress {
    /// The state in few words: how far it is in percent.
    fn brief(&self) -> String {
        match (&self.units, self.state) {
            (Some((done, total, _)), State::Running) if *total > 0 => {
                format!("running, {:.0} %", *done as f64 / *total as f64 * 100.0)
            }
            _ => self.words(),
        }
    }

    /// The state in words, with where and how far it is.
    pub(crate) fn words(&self) -> String {
        let place = self.place.as_ref();
        let node = place.and_then(|place| place.node.as_ref());
        let running = node.map_or_else(|| "running".to_owned(), |node| format!("running on {node}"));
        match (&self.units, self.state) {
            (Some((done, 0, unit)), State::Running) => format!("{running}: {done} {unit}"),
            (Some((done, total, unit)), State::Running) => format!("{running}: {done} of {total} {unit}"),
            (None, State::Running) => running,
            (_, State::Queued) => place.map_or_else(|| self.state.word().to_owned(), waits),
            _ => self.state.word().to_owned(),
        }
    }
}

/// Where a step waits, with the number of its job.
fn waits(place: &Standing) -> String {
    match place.job.as_ref().filter(|job| !place.state.contains(job.as_str())) {
        Some(job) => format!("{}, job {job}", place.state),
        None => place.state.clone(),
    }
}

/// How many steps are in which state, in words.
pub(crate) fn tally(count: impl Fn(fn(State) -> bool) -> usize) -> String {
    let counts = [
        (count(|state| state == State::Done), "executed"),
        (count(|state| matches!(state, State::Reused | State::Adopted)), "reused"),
        (count(|state| state == State::Running), "running"),
        (count(|state| state == State::Queued), "queued"),
        (count(|state| state == State::Failed), "failed"),
        (count(|state| state == State::Skipped), "skipped"),
    ];
    let said: Vec<String> =
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if said.is_empty() { "nothing has begun".to_owned() } else { said.join(", ") }
}

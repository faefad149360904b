//! From the store to a run that pages can show: its records, its events, and the plan where there is one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use igpt_contract::Digest;
use serde_json::Value;

use super::masks::Mask;
use super::page::Medium;
use super::planned::{Param, PlannedRun};
use super::progress::{Progress, State, StepProgress};
use super::run::{Edge, Input, Node, Run, Step};
use crate::event::RunStatus;
use crate::history::{MadeOf, began, steps_of};
use crate::step_name::base;
use crate::store::{InputSource, Record, RunFolder, RunRecord, StepRecord, Store};

impl Run {
    /// Reads a run for pages of this kind. `with_machine` shows paths, the host and the command line.
    pub(crate) fn read(
        store: &Store,
        folder: &RunFolder,
        planned: Option<PlannedRun>,
        medium: Medium,
        with_machine: bool,
    ) -> Self {
        // A page that is handed on names no machine; who is served has its store.
        let hides_nodes = medium == Medium::File && !with_machine;
        let mut progress = Progress::default();
        progress.hides_nodes = hides_nodes;
        let text = std::fs::read(folder.events_path()).unwrap_or_default();
        text.split(|byte| *byte == b'\n').for_each(|line| progress.take(line));
        let record = folder.record();
        let made_of = MadeOf::read(store, folder).unwrap_or_default();
        let (pipeline, recorded) = steps_of(folder);
        let (description, mut steps, outside) = match planned {
            Some(planned) => from_plan(planned),
            None => (String::new(), recorded.iter().map(bare).collect(), BTreeMap::new()),
        };
        add_missing(&mut steps, &recorded);
        let ended = progress.ended.is_some() || record.is_some();
        join(store, &mut steps, &recorded, &mut progress, ended);
        let mut nodes = nodes(&mut steps);
        for (node, paths) in nodes.iter_mut().zip(outside.into_values().chain(std::iter::repeat(vec![]))) {
            node.outside = paths;
        }
        wire(store, &mut steps);
        let hosts = steps.iter().filter_map(|step| Some(step.record.as_ref()?.host.clone()));
        let mask = match with_machine {
            true => Mask::whole(),
            false => {
                let nodes: BTreeSet<&String> =
                    steps.iter().filter_map(|step| step.seen.place.as_ref()?.node.as_ref()).collect();
                Mask::of(hosts.chain([crate::store::host()]).filter(|host| !nodes.contains(host)))
            }
        };
        let edges = edges(&steps);
        Self {
            id: folder.id().to_owned(),
            folder: folder.clone(),
            store: store.clone(),
            pipeline: if made_of.pipeline.is_empty() { pipeline } else { made_of.pipeline.clone() },
            description,
            status: status(record.as_ref(), &progress, folder),
            started: began(folder.id()),
            wall_s: progress.ended.map(|(_, wall_s)| wall_s),
            last_s: progress.last_s,
            program: record.as_ref().map(|record| record.program.clone()),
            made_of,
            machine: if with_machine { machine(store, record.as_ref(), &steps) } else { Vec::new() },
            steps,
            nodes,
            edges,
            notes: progress.notes,
            exports: progress.exports,
            mask,
        }
    }
}

fn status(record: Option<&RunRecord>, progress: &Progress, folder: &RunFolder) -> String {
    match (record, progress.ended) {
        (Some(record), _) => record.status.clone(),
        (None, Some((RunStatus::Succeeded, _))) => "succeeded".to_owned(),
        (None, Some((RunStatus::Failed, _))) => "failed".to_owned(),
        (None, Some((RunStatus::Interrupted, _))) => "interrupted".to_owned(),
        (None, None) if folder.is_running() => "running".to_owned(),
        (None, None) => "unfinished".to_owned(),
    }
}

fn machine(store: &Store, record: Option<&RunRecord>, steps: &[Step]) -> Vec<(String, String)> {
    let mut facts = vec![("store".to_owned(), store.root().display().to_string())];
    if let Some(record) = record {
        facts.push(("pipeline file".to_owned(), record.file.display().to_string()));
        facts.push(("command".to_owned(), record.arguments.join(" ")));
    }
    let hosts: BTreeSet<&str> =
        steps.iter().filter_map(|step| Some(step.record.as_ref()?.host.as_str())).collect();
    if !hosts.is_empty() {
        facts.push(("results made on".to_owned(), hosts.into_iter().collect::<Vec<_>>().join(", ")));
    }
    facts
}

fn step(name: String, kind: String) -> Step {
    let seen = StepProgress::default();
    let (params, reads, inputs) = (Vec::new(), Vec::new(), Vec::new());
    Step { name, node: 0, kind, seen, record: None, params, reads, inputs, log: OnceLock::new() }
}

fn bare(recorded: &StepRecord) -> Step {
    step(recorded.name.clone(), String::new())
}

type FromPlan = (String, Vec<Step>, BTreeMap<usize, Vec<String>>);

/// The description, the steps, and what each of the nodes reads from the disk.
fn from_plan(planned: PlannedRun) -> FromPlan {
    let mut order: Vec<String> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut outside: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let names: Vec<String> = planned.steps.iter().map(|step| step.name.clone()).collect();
    let mut steps = Vec::with_capacity(names.len());
    for one in planned.steps {
        let node = *seen.entry(one.base.clone()).or_insert_with(|| {
            order.push(one.base.clone());
            order.len() - 1
        });
        let paths = outside.entry(node).or_default();
        for (_, path) in &one.outside {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        let mut reads: Vec<usize> = one.reads.iter().map(|(step, ..)| *step).collect();
        reads.sort_unstable();
        reads.dedup();
        let from = |(other, port, output): &(usize, String, String)| Input {
            port: port.clone(),
            labels: String::new(),
            step: Some(*other),
            text: format!("{}.{output}", names[*other]),
            digest: None,
        };
        let path = |(port, path): &(String, String)| Input {
            port: port.clone(),
            labels: String::new(),
            step: None,
            text: path.clone(),
            digest: None,
        };
        let inputs = one.reads.iter().map(from).chain(one.outside.iter().map(path)).collect();
        steps.push(Step { params: one.params, reads, inputs, ..step(one.name, one.kind) });
    }
    (planned.description, steps, outside)
}

/// Adds the steps that the run had and the plan has not: another version of this program planned it.
fn add_missing(steps: &mut Vec<Step>, recorded: &[StepRecord]) {
    let known: BTreeSet<String> = steps.iter().map(|step| step.name.clone()).collect();
    steps.extend(recorded.iter().filter(|step| !known.contains(&step.name)).map(bare));
}

/// Joins the steps with what the events and the records say of them.
fn join(store: &Store, steps: &mut [Step], recorded: &[StepRecord], progress: &mut Progress, ended: bool) {
    let recorded: HashMap<&str, &StepRecord> =
        recorded.iter().map(|step| (step.name.as_str(), step)).collect();
    for step in steps {
        step.seen = progress.steps.remove(&step.name).unwrap_or_default();
        let recorded = recorded.get(step.name.as_str());
        let key = recorded.and_then(|recorded| recorded.key).or(step.seen.key);
        step.seen.key = key;
        if step.seen.state == State::Waiting && ended {
            step.seen.state = match recorded.map(|recorded| recorded.outcome.as_str()) {
                Some("done") => State::Reused,
                Some("failed") => State::Failed,
                _ => State::Skipped,
            };
        }
        if step.seen.state.is_there() {
            step.record = key.and_then(|key| store.record(&key));
        }
        let Some(record) = &step.record else { continue };
        if step.kind.is_empty() {
            step.kind.clone_from(&record.material.stage);
        }
        if step.params.is_empty() {
            let param = |(name, value): (&String, &Value)| Param {
                name: name.clone(),
                value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                from: String::new(),
            };
            step.params = record.material.params.iter().map(param).collect();
        }
    }
}

/// The steps of the YAML, in the order in which they are first named.
fn nodes(steps: &mut [Step]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (place, step) in steps.iter_mut().enumerate() {
        let name = base(&step.name);
        step.node = *known.entry(name.to_owned()).or_insert_with(|| {
            let (kind, outside) = (step.kind.clone(), Vec::new());
            nodes.push(Node { name: name.to_owned(), kind, steps: Vec::new(), outside });
            nodes.len() - 1
        });
        let node = &mut nodes[step.node];
        if node.kind.is_empty() {
            node.kind.clone_from(&step.kind);
        }
        node.steps.push(place);
    }
    nodes
}

/// Where inputs came from, by the records: they know the digests.
fn wire(store: &Store, steps: &mut [Step]) {
    let by_key: HashMap<Digest, usize> =
        steps.iter().enumerate().filter_map(|(place, step)| Some((step.seen.key?, place))).collect();
    let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
    for step in steps {
        let Some(record) = &step.record else { continue };
        let inputs = inputs(store, record, &by_key, &names);
        if inputs.is_empty() {
            continue;
        }
        if step.reads.is_empty() {
            let reads: BTreeSet<usize> = inputs.iter().filter_map(|input| input.step).collect();
            step.reads = reads.into_iter().collect();
        }
        step.inputs = inputs;
    }
}

fn inputs(store: &Store, record: &Record, by_key: &HashMap<Digest, usize>, names: &[String]) -> Vec<Input> {
    let mut found = Vec::new();
    for (port, inputs) in &record.material.inputs {
        let sources = record.sources.get(port).map_or(&[][..], Vec::as_slice);
        for (n, input) in inputs.iter().enumerate() {
            let labels: Vec<String> =
                input.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let (step, text) = match sources.get(n) {
                Some(InputSource::Step { key, port, part }) => {
                    let step = by_key.get(key).copied();
                    let name = match step {
                        Some(step) => names[step].clone(),
                        None => store.record(key).map_or_else(|| key.short(), |record| record.step),
                    };
                    let part = part.as_ref().map(|part| format!(".{part}")).unwrap_or_default();
                    (step, format!("{name}.{port}{part}"))
                }
                Some(InputSource::Choice { tried }) => {
                    let step = tried.last().and_then(|key| by_key.get(key).copied());
                    (step, format!("the choice among {} candidates", tried.len()))
                }
                Some(InputSource::Outside { path }) => (None, path.clone()),
                None => (None, "unknown".to_owned()),
            };
            let (port, digest) = (port.clone(), Some(input.digest));
            found.push(Input { port, labels: labels.join(", "), step, text, digest });
        }
    }
    found
}

fn edges(steps: &[Step]) -> Vec<Edge> {
    let edges: BTreeSet<Edge> = steps
        .iter()
        .flat_map(|step| step.reads.iter().map(|read| Edge { from: steps[*read].node, to: step.node }))
        .filter(|edge| edge.from != edge.to)
        .collect();
    edges.into_iter().collect()
}

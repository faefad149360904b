//! The way back from steps to all that they were made of.

use std::collections::{HashMap, HashSet};

use igpt_contract::Digest;
use rayon::prelude::*;

use super::node::{Input, Node, Source};
use crate::store::{InputSource, Record, Store};

/// The way back from some steps: every step that they were made of, each once.
///
/// A step stands before all that it reads, so that a list of the nodes reads from the result down to the
/// data. The order follows from the records alone: the same records give the same trace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// The steps that were asked for, by their places in `nodes`, in the order in which they were asked for.
    pub starts: Vec<usize>,
    /// All steps, readers before what they read.
    pub nodes: Vec<Node>,
}

impl Trace {
    /// Traces the steps with these keys back. A key without a record is a node without one.
    pub fn of(store: &Store, keys: &[Digest]) -> Self {
        Self::linked(load(store, keys, usize::MAX), keys)
    }

    /// The same no further than to the steps that these read from; of those the inputs are left out.
    pub fn nearest(store: &Store, keys: &[Digest]) -> Self {
        let mut records = load(store, keys, 2);
        let read = records.iter_mut().filter(|(key, _)| !keys.contains(key));
        for record in read.filter_map(|(_, record)| record.as_mut()) {
            record.material.inputs.clear();
        }
        Self::linked(records, keys)
    }

    fn linked(mut records: Records, keys: &[Digest]) -> Self {
        let (order, circular) = order(keys, &records);
        let places: HashMap<Digest, usize> = order.iter().enumerate().map(|(at, key)| (*key, at)).collect();
        let starts = keys.iter().filter_map(|key| places.get(key).copied()).collect();
        let linked = Linked { records: &records, places: &places, circular: &circular };
        let inputs: Vec<Vec<Input>> = order.iter().map(|key| linked.inputs(key)).collect();
        let nodes = order.into_iter().zip(inputs).map(|(key, inputs)| {
            let record = records.remove(&key).flatten();
            Node { key, record, inputs }
        });
        Self { starts, nodes: nodes.collect() }
    }

    /// The node of a key.
    pub fn node(&self, key: &Digest) -> Option<&Node> {
        self.nodes.iter().find(|node| node.key == *key)
    }

    /// The nodes whose records the store does not have.
    pub fn missing(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.record.is_none())
    }

    /// Whether the way back is known to its end: every record is there, and says where its inputs came from.
    pub fn is_whole(&self) -> bool {
        let known = |node: &Node| node.inputs.iter().all(|input| input.source != Source::Unknown);
        self.nodes.iter().all(|node| node.record.is_some() && known(node))
    }

    /// The part of the trace that some inputs of one node lead to: the node with those inputs alone, and
    /// what they were made of. For a number that only some inputs of a step contributed to.
    #[must_use]
    pub fn narrowed(&self, start: usize, keep: impl Fn(usize, &Input) -> bool) -> Self {
        let mut kept = vec![false; self.nodes.len()];
        let mut nodes: Vec<Node> = Vec::new();
        let mut places = vec![0; self.nodes.len()];
        let wanted = |at: usize, node: &Node| -> Vec<Input> {
            let inputs = node.inputs.iter().enumerate();
            let inputs = inputs.filter(|(n, input)| at != start || keep(*n, input));
            inputs.map(|(_, input)| input.clone()).collect()
        };
        if let Some(start) = kept.get_mut(start) {
            *start = true;
        }
        // Readers stand first: who is kept is known before what they read is looked at.
        for (at, node) in self.nodes.iter().enumerate() {
            if kept[at] {
                places[at] = nodes.len();
                let inputs = wanted(at, node);
                inputs.iter().flat_map(|input| input.source.nodes()).for_each(|read| kept[*read] = true);
                nodes.push(Node { inputs, ..node.clone() });
            }
        }
        for source in nodes.iter_mut().flat_map(|node| &mut node.inputs).map(|input| &mut input.source) {
            match source {
                Source::Step { node, .. } => *node = places[*node],
                Source::Choice { tried } => tried.iter_mut().for_each(|node| *node = places[*node]),
                Source::Outside { .. } | Source::Unknown => {}
            }
        }
        Self { starts: if nodes.is_empty() { vec![] } else { vec![0] }, nodes }
    }

    /// For every node, the nodes that read it, in the order of `nodes`.
    pub fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.nodes.len()];
        for (reader, node) in self.nodes.iter().enumerate() {
            for read in node.reads() {
                readers[read].push(reader);
            }
        }
        readers
    }
}

type Records = HashMap<Digest, Option<Record>>;

/// The records of these keys and of all that they name, a wave at a time, for so many waves.
fn load(store: &Store, keys: &[Digest], waves: usize) -> Records {
    let mut records = Records::new();
    let mut wave: Vec<Digest> = keys.to_vec();
    for _ in 0..waves {
        if wave.is_empty() {
            break;
        }
        let mut seen = HashSet::new();
        wave.retain(|key| !records.contains_key(key) && seen.insert(*key));
        let read: Vec<(Digest, Option<Record>)> =
            wave.par_iter().map(|key| (*key, store.record(key))).collect();
        wave = read.iter().filter_map(|(_, record)| record.as_ref()).flat_map(named).collect();
        records.extend(read);
    }
    records
}

/// The keys that a record names as its sources, in the order of its inputs.
fn named(record: &Record) -> Vec<Digest> {
    let sources = record.sources.iter().filter(|(port, _)| record.material.inputs.contains_key(*port));
    let keys = sources.flat_map(|(_, sources)| sources).flat_map(|source| match source {
        InputSource::Step { key, .. } => std::slice::from_ref(key),
        InputSource::Choice { tried } => tried,
        InputSource::Outside { .. } => &[],
    });
    keys.copied().collect()
}

/// From a step to a step.
type Edge = (Digest, Digest);

/// All keys, readers first, and the edges that would close a circle. Keys of real steps never do; sources
/// are no part of a key, though, and a damaged store can say anything.
fn order(keys: &[Digest], records: &Records) -> (Vec<Digest>, HashSet<Edge>) {
    let children = |key: &Digest| -> Vec<Digest> {
        let mut children = records.get(key).and_then(Option::as_ref).map(named).unwrap_or_default();
        // The last is finished first, and stands last.
        children.reverse();
        children
    };
    let (mut finished, mut open) = (HashSet::new(), HashSet::new());
    let (mut order, mut circular) = (Vec::new(), HashSet::new());
    for start in keys.iter().rev() {
        let mut path: Vec<(Digest, std::vec::IntoIter<Digest>)> = Vec::new();
        let mut next = Some(*start);
        loop {
            if let Some(key) = next.take()
                && !finished.contains(&key)
                && !open.contains(&key)
            {
                open.insert(key);
                path.push((key, children(&key).into_iter()));
            }
            let Some((key, rest)) = path.last_mut() else { break };
            match rest.next() {
                Some(child) if open.contains(&child) => drop(circular.insert((*key, child))),
                Some(child) => next = Some(child),
                None => {
                    let key = *key;
                    open.remove(&key);
                    finished.insert(key);
                    order.push(key);
                    path.pop();
                }
            }
        }
    }
    order.reverse();
    (order, circular)
}

/// Records whose places in the trace are known.
struct Linked<'a> {
    records: &'a Records,
    places: &'a HashMap<Digest, usize>,
    circular: &'a HashSet<Edge>,
}

impl Linked<'_> {
    fn inputs(&self, key: &Digest) -> Vec<Input> {
        let Some(Some(record)) = self.records.get(key) else { return Vec::new() };
        let mut inputs = Vec::new();
        for (port, read) in &record.material.inputs {
            let sources = record.sources.get(port).map_or(&[][..], Vec::as_slice);
            for (at, one) in read.iter().enumerate() {
                let source = match sources.get(at) {
                    Some(source) => self.source(key, source, &one.digest),
                    None => Source::Unknown,
                };
                let (port, labels) = (port.clone(), one.labels.clone());
                inputs.push(Input { port, labels, digest: one.digest, source });
            }
        }
        inputs
    }

    fn source(&self, reader: &Digest, source: &InputSource, digest: &Digest) -> Source {
        let place = |key: &Digest| {
            let place = self.places.get(key).copied();
            place.filter(|_| !self.circular.contains(&(*reader, *key)))
        };
        match source {
            InputSource::Outside { path } => Source::Outside { path: path.clone() },
            InputSource::Choice { tried } => tried
                .iter()
                .map(place)
                .collect::<Option<_>>()
                .map_or(Source::Unknown, |tried| Source::Choice { tried }),
            InputSource::Step { key, port, part } => {
                let Some(node) = place(key) else { return Source::Unknown };
                let record = self.records.get(key).and_then(Option::as_ref);
                let now = record.and_then(|record| record.outputs.get(port));
                let replaced = part.is_none() && now.is_some_and(|now| now.digest != *digest);
                Source::Step { node, port: port.clone(), part: part.clone(), replaced }
            }
        }
    }
}

//! What a trace consists of: steps, and where each of their inputs comes from.

use igpt_contract::{Digest, Labels};

use crate::store::Record;

/// A step of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The step's key.
    pub key: Digest,
    /// What the key led to: step, kind, version, parameters, seed, outputs, facts, cost, program, time.
    /// None where the store has no such record (any more): the trace ends here without an answer.
    pub record: Option<Record>,
    /// What flowed in, by port, and in a port in the order of the key material.
    pub inputs: Vec<Input>,
}

impl Node {
    /// The step's name with its labels; where its record is gone, its key.
    pub fn name(&self) -> String {
        self.record.as_ref().map_or_else(|| format!("key {}", self.key.short()), |record| record.step.clone())
    }

    /// The nodes that this one reads, each once, in the order of its inputs.
    pub fn reads(&self) -> Vec<usize> {
        let mut seen = std::collections::HashSet::new();
        let nodes = self.inputs.iter().flat_map(|input| input.source.nodes());
        nodes.copied().filter(|node| seen.insert(*node)).collect()
    }
}

/// One artifact that a step read.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The port of the step that read it.
    pub port: String,
    /// Its labels, in a gathered port.
    pub labels: Labels,
    /// Its digest, as it was read.
    pub digest: Digest,
    /// Where it came from.
    pub source: Source,
}

/// Where an input came from. Nodes are named by their places in [`Trace::nodes`](super::Trace::nodes).
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The output of a step.
    Step {
        /// The step.
        node: usize,
        /// Its output port.
        port: String,
        /// The part of that output, where one was read.
        part: Option<String>,
        /// Whether the step's record has another output there by now: it was made again, with other
        /// bytes, after this was read. Not known of parts.
        replaced: bool,
    },
    /// The decision of a search.
    Choice {
        /// The candidates that were tried, in their order.
        tried: Vec<usize>,
    },
    /// A file, folder or pattern outside the store. What it held is known by the input's digest.
    Outside {
        /// The path or the patterns, as the pipeline has them.
        path: String,
    },
    /// The record does not say: a version of the program wrote it that did not keep that.
    Unknown,
}

impl Source {
    /// The nodes that it names.
    pub fn nodes(&self) -> &[usize] {
        match self {
            Self::Step { node, .. } => std::slice::from_ref(node),
            Self::Choice { tried } => tried,
            Self::Outside { .. } | Self::Unknown => &[],
        }
    }
}

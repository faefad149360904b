//! Where a running stage finds its inputs and puts its outputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::port::{In, Many, Opt, Out};

/// The matrix axis values of a step or an input, by axis name.
pub type Labels = BTreeMap<String, serde_json::Value>;

/// One artifact of an input port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelledInput {
    /// The artifact's folder (or file, for paths on disk). Read-only.
    pub path: PathBuf,
    /// The axis values of the step that produced it; empty outside a matrix.
    pub labels: Labels,
}

/// The folders of a running step. Inputs are read-only; each output folder exists and is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageIo {
    /// Input port -> artifacts, in their order in the cache key.
    pub inputs: BTreeMap<String, Vec<LabelledInput>>,
    /// Output port -> the folder to fill.
    pub outputs: BTreeMap<String, PathBuf>,
}

impl StageIo {
    /// The folder of a required input.
    ///
    /// # Panics
    /// If the port is not in the stage's spec. The planner has checked the rest.
    pub fn input<K: Kind>(&self, port: &In<K>) -> &Path {
        &self.inputs[port.name][0].path
    }

    /// The folder of an optional input, if it is connected.
    pub fn optional<K: Kind>(&self, port: &Opt<K>) -> Option<&Path> {
        Some(&self.inputs.get(port.name)?.first()?.path)
    }

    /// The artifacts of a port that takes many.
    pub fn many<K: Kind>(&self, port: &Many<K>) -> &[LabelledInput] {
        self.inputs.get(port.name).map_or(&[], Vec::as_slice)
    }

    /// The empty folder for an output's files.
    ///
    /// # Panics
    /// If the port is not in the stage's spec.
    pub fn output<K: Kind>(&self, port: &Out<K>) -> &Path {
        &self.outputs[port.name]
    }
}

//! What a run was made of: the pipeline's text, its variables, and what the command line changed.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::store::{RunFolder, Store};

/// What a run was made of; see `cli::load`, which writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MadeOf {
    /// The pipeline's name.
    pub(crate) pipeline: String,
    /// The pipeline's files, its own first, then those that it includes.
    pub(crate) files: Vec<PipelineText>,
    /// The profiles that were chosen.
    pub(crate) profiles: Vec<String>,
    /// What `--set` changed.
    pub(crate) sets: Vec<String>,
    /// The variables with the values that they had.
    pub(crate) vars: Map<String, Value>,
    /// The remote that the run was to use, as people write it.
    pub(crate) remote: Option<String>,
}

/// A file of the pipeline.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PipelineText {
    /// Its path, relative to the folder of the pipeline.
    pub(crate) name: String,
    /// What it says; secrets are hidden.
    pub(crate) text: String,
}

impl MadeOf {
    /// Reads what a run was made of; none where it was not noted or is gone.
    pub(crate) fn read(store: &Store, run: &RunFolder) -> Option<Self> {
        let text = std::fs::read(store.path_of_file(&run.plan()?)).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

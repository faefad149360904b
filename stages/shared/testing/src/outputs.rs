//! What a stage wrote and said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, Signal};
use tempfile::TempDir;

/// The outputs of one run of a stage, for as long as this lives.
#[derive(Debug)]
pub struct Outputs {
    folders: BTreeMap<String, PathBuf>,
    signals: Vec<Signal>,
    // Deleted with it.
    _dir: TempDir,
}

impl Outputs {
    pub(crate) fn new(dir: TempDir, folders: BTreeMap<String, PathBuf>, signals: Vec<Signal>) -> Self {
        Self { folders, signals, _dir: dir }
    }

    /// The folder of an output port.
    ///
    /// # Panics
    /// If the stage has no such port.
    #[must_use]
    pub fn folder(&self, port: &str) -> &Path {
        &self.folders[port]
    }

    /// The bytes of every file by `port/path`.
    ///
    /// # Panics
    /// If a file cannot be read.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (port, folder) in &self.folders {
            collect(folder, port, &mut files);
        }
        files
    }

    /// One digest of all files, their names included.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut all = Vec::new();
        for (name, bytes) in self.files() {
            all.extend(format!("{name} {}\n", Digest::of(&bytes)).into_bytes());
        }
        Digest::of(&all).to_string()
    }

    /// What the stage said, in its order.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// The notes among it.
    #[must_use]
    pub fn notes(&self) -> Vec<&str> {
        let notes = self.signals.iter().filter_map(|signal| match signal {
            Signal::Note(text) => Some(text.as_str()),
            _ => None,
        });
        notes.collect()
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder of outputs") {
        let path = entry.expect("a folder of outputs").path();
        let name = format!("{prefix}/{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, files);
        } else {
            files.insert(name, std::fs::read(&path).expect("a file of outputs"));
        }
    }
}

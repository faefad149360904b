//! Files and folders outside the store that steps read: which, and what was found there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

use super::Result;
use super::artifact::Artifact;
use super::scan::{OutwardLinks, Scan, scan, scan_named};

/// A place outside the store that a step reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalPath {
    /// The file or folder.
    #[serde(with = "crate::paths::exact")]
    pub path: PathBuf,
    /// The names in the folder that are read, where patterns chose some.
    #[serde(with = "crate::paths::exact_names")]
    pub names: Option<Vec<PathBuf>>,
    /// Real paths below it that are left out.
    #[serde(with = "crate::paths::exact_set")]
    pub without: Arc<BTreeSet<PathBuf>>,
}

impl ExternalPath {
    pub(super) fn scan(&self) -> Result<Scan> {
        match &self.names {
            None => scan(&self.path, OutwardLinks::Followed, &self.without),
            Some(names) => scan_named(&self.path, names),
        }
    }
}

/// What was read at a path outside the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalContent {
    /// The content.
    pub artifact: Artifact,
    /// What identifies the files and folders that hold it, and all on the way to them.
    pub identity: Digest,
    /// Before when it was read: nanoseconds since 1970 on this machine's clock.
    pub hashed: u64,
}

//! What is kept: artifacts by content, records by key. Files are the truth; the index is a help.
//!
//! ```text
//! artifacts/
//!   objects-v1/ab/cdef…        a file's bytes, or a tree's manifest, under its BLAKE3 digest; read-only
//!   records-v2/ab/<key>.json   key -> outputs, material, metrics, cost; with a checksum
//!   runs-v2/<run id>/          events, run.json and logs (written by the engine)
//!   work-v1/<key>/             the scratch of a step under way
//!   work-v1/<key>.checkpoints/ what an unfinished step goes on from
//!   work-v1/…@<attempt>/       the same of an attempt on a cluster
//!   jobs-v1/<key>/             a step that was given to a cluster: its job, what it says, its outcome
//!   bin-v1/<digest>/igpt-flow  this program, for the cluster's nodes
//!   locks-v1/<key>             the advisory lock of a step that somebody is working on
//!   locks-v1/live              held shared by everybody who uses the store, exclusively by `gc`
//!   foreign-v1/<key>             says that a record was taken over from another store
//!   tmp-v1/                    files on their way into place
//!   quarantine-v1/             what was found damaged, for the user to look at
//!   exports-v2.jsonl           which paths outside were written, and with what
//!   index.sled, index.snapshot the stat cache; may be deleted at any moment
//! ```
//!
//! The order of a commit is: objects' bytes synced, objects renamed into place; then the record,
//! written aside, renamed and synced (a step of less than half a second does not wait for that). A
//! kill at any point leaves either a whole record with all of its objects, or none. A record stands
//! without its objects afterwards: where one is gone that somebody reads, its step makes it again. Only
//! [`KeyLock::commit`] writes records; one that replaces a record (`--force`) is synced before it is
//! renamed, so that a good record gives way to a whole one only.
//!
//! Of a power cut: an object's bytes are on disk before its name is, so an object is never torn. A
//! record's sync, the last of a commit, takes the names made before it along on file systems with
//! an ordered journal (ext4, XFS, btrfs); that is why no folder is synced. Where that does not hold,
//! a record may be torn or lack an object. Both are noticed and are misses: the step runs again.

mod artifact;
mod caches;
mod checkout;
mod checksum;
mod durable;
mod error;
mod export;
mod export_conflict;
mod export_exchange;
mod export_notes;
mod export_provenance;
mod export_target;
mod export_write;
mod external;
mod gc;
mod index;
mod index_database;
mod insert;
mod jobs;
mod lock;
mod manifest;
mod migrate;
mod objects;
mod prefetch;
mod provenance_file;
mod receive;
mod record;
mod remove;
mod runs;
mod scan;
mod stat_cache;
mod step_keys;
mod supply;
mod verify;
mod walk;
mod work;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use igpt_contract::Digest;

pub use artifact::{Artifact, Content, Form, TreeEntry};
pub use caches::Caches;
pub use checkout::{LinkedObjects, copy_external, link_external};
pub use error::StoreError;
pub use export::Exported;
pub use export_provenance::ExportOrigin;
pub use external::{ExternalContent, ExternalPath};
pub use gc::{Collector, Garbage, GarbageItem, Roots};
pub use index_database::silence_expected_panics;
pub use jobs::{Batch, JobFolder, JobNews, Place, list_folder};
pub use lock::{KeyLock, host};
pub use manifest::files as read_manifest;
pub use prefetch::Prefetch;
pub use provenance_file::is_export_provenance;
pub use receive::Absent;
pub use record::{Cost, InputSource, Program, Record};
pub use runs::{RunFolder, RunRecord, StepRecord};
pub use stat_cache::StatCache;
pub use supply::{Supply, Whereabouts};
pub use verify::{Damage, Verification};

/// What the store returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A store on disk. Cloning is cheap; every clone is the same store.
#[derive(Debug, Clone)]
pub struct Store {
    root: Arc<Path>,
    /// What was quarantined and has not been reported yet.
    set_aside: Arc<Mutex<Vec<PathBuf>>>,
    /// Who has bytes that are not here, for verbs that look back. A run brings them by itself.
    supply: Option<Arc<dyn Supply>>,
}

/// Says that a run is using the store: `gc` waits for no one, it refuses. Dies with its process.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

impl Store {
    /// Opens the store at a folder, making what is missing.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where the folder cannot be made or written.
    pub fn open(root: &Path) -> Result<Self> {
        let unusable = |source| StoreError::Unusable { path: root.to_owned(), source };
        let root = std::path::absolute(root).map_err(unusable)?;
        // The last one makes it a store: see `open_existing`.
        for folder in ["objects-v1", "runs-v2", "work-v1", "locks-v1", "tmp-v1", "records-v2"] {
            let folder = root.join(folder);
            if !folder.is_dir() {
                fs::create_dir_all(folder).map_err(unusable)?;
            }
        }
        let store = Self::at(&root)?;
        store.migrate()?;
        Ok(store)
    }

    /// Opens a store that is there. Writes nothing, so that it does for a store that is read-only.
    ///
    /// # Errors
    /// [`StoreError::Absent`] where the folder is not a store; else as [`Self::open`].
    pub fn open_existing(root: &Path) -> Result<Self> {
        if root.join("records-v2").is_dir() {
            Self::at(root)
        } else {
            Err(StoreError::Absent { path: root.to_owned() })
        }
    }

    fn at(root: &Path) -> Result<Self> {
        // Links into the store are absolute and must mean the same from every folder.
        let unusable = |source| StoreError::Unusable { path: root.to_owned(), source };
        let root = root.canonicalize().map_err(unusable)?;
        Ok(Self { root: root.into(), set_aside: Arc::default(), supply: None })
    }

    /// The store's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the folders of runs are.
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("runs-v2")
    }

    /// Marks the store as in use until the returned value is dropped, so that nothing is collected
    /// during a run. Any number of processes may hold it; while `gc` deletes this waits.
    ///
    /// # Errors
    /// Where the lock file cannot be opened or locked.
    pub fn hold(&self) -> Result<Hold> {
        let path = self.live_path();
        let file = durable::lock_file(&path)?;
        file.lock_shared().map_err(|e| StoreError::io("lock", &path, e))?;
        Ok(Hold { _file: file })
    }

    /// Whether a process, this one or another, has said that it uses the store.
    pub fn is_in_use(&self) -> bool {
        let file = File::open(self.live_path());
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Removes what killed processes left on its way into place, and locks that nobody holds. Does
    /// nothing while anybody else uses the store.
    fn sweep_if_alone(&self) {
        // Locks of a cluster's nodes may not be seen from here.
        if !self.jobs().is_empty() {
            return;
        }
        let Ok(alone) = durable::lock_file(&self.live_path()) else { return };
        if alone.try_lock().is_err() {
            return;
        }
        for item in fs::read_dir(self.tmp_dir()).into_iter().flatten().flatten() {
            let _ = remove::remove_tree(&item.path());
        }
        for item in fs::read_dir(self.root.join("locks-v1")).into_iter().flatten().flatten() {
            let path = item.path();
            // A command that outlives its killed orchestrator holds its own still.
            let is_free = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if path != self.live_path() && is_free() {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// The same for somebody who only reads; `None` in a read-only store that has no lock file yet.
    fn hold_to_read(&self) -> Option<Hold> {
        let path = self.live_path();
        let file = File::open(&path).or_else(|_| durable::lock_file(&path)).ok()?;
        file.lock_shared().ok()?;
        Some(Hold { _file: file })
    }

    fn live_path(&self) -> PathBuf {
        self.root.join("locks-v1/live")
    }

    fn object_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.spread("objects-v1", &hex[..2], &[&hex[2..]])
    }

    fn record_path(&self, key: &Digest) -> PathBuf {
        let hex = key.to_string();
        self.spread("records-v2", &hex[..2], &[&hex, ".json"])
    }

    /// `<root>/<folder>/<first two digits>/<name>`, in one allocation: this is made for every
    /// look-up of a run.
    fn spread(&self, folder: &str, digits: &str, name: &[&str]) -> PathBuf {
        let mut path = OsString::with_capacity(self.root.as_os_str().len() + 96);
        path.push(self.root.as_os_str());
        for part in ["/", folder, "/", digits, "/"].iter().chain(name) {
            path.push(part);
        }
        path.into()
    }

    fn tmp_dir(&self) -> PathBuf {
        self.root.join("tmp-v1")
    }

    /// Moves something damaged out of the way, where the user can look at it.
    fn quarantine(&self, path: &Path) -> Result<PathBuf> {
        let folder = self.root.join("quarantine-v1");
        fs::create_dir_all(&folder).map_err(|e| StoreError::io("create", &folder, e))?;
        let parts: Vec<_> = path
            .strip_prefix(&*self.root)
            .unwrap_or(path)
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let to = folder.join(parts.join("-"));
        fs::rename(path, &to).map_err(|e| StoreError::io("move", path, e))?;
        self.set_aside.lock().unwrap_or_else(PoisonError::into_inner).push(to.clone());
        Ok(to)
    }

    /// Where damaged objects and records are that this process quarantined since the last call.
    pub fn take_quarantined(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.set_aside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;

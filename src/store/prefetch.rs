//! Look-ups made ahead: while a pipeline is still being read, a thread looks up what its last run led
//! to. Where nothing changed, the run finds every record read already.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use igpt_contract::Digest;

use super::{Artifact, Hold, RunRecord, Store};

/// Of the newest runs, how many are asked whether they were of the pipeline.
const ASKED: usize = 4;

/// Output port -> what came out.
type Outputs = BTreeMap<String, Artifact>;

/// Key -> what it led to; none where the run has asked already, and nobody need look any more.
pub(super) type Prefetched = Mutex<HashMap<Digest, Option<Outputs>>>;

/// What was found so far. The store is in use, as by [`Store::hold`], until it is dropped.
#[derive(Debug, Default)]
pub struct Prefetch {
    found: Arc<Prefetched>,
    _live: Option<Hold>,
}

impl Prefetch {
    /// Begins to look up what the steps of the pipeline `file` (absolute) led to in its last run.
    /// Finds nothing where there is no store yet, or no such run. What killed runs left in the store is
    /// removed before, where nobody else uses it.
    pub fn begin(root: &Path, file: &Path) -> Self {
        let Ok(store) = Store::open_existing(root) else { return Self::default() };
        store.sweep_if_alone();
        let Ok(live) = store.hold() else { return Self::default() };
        let found = Arc::default();
        let (into, file) = (Arc::clone(&found), file.to_owned());
        // It ends by itself, and nobody waits for it: what it has not found, or had no thread to
        // look for, is looked up by the run.
        let _ = std::thread::Builder::new().spawn(move || look_up(&store, &file, &into));
        Self { found, _live: Some(live) }
    }

    /// What a key led to, as [`Store::outputs`], where that was looked up already; once.
    pub fn take(&self, key: &Digest) -> Option<Outputs> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, None).flatten()
    }
}

pub(super) fn look_up(store: &Store, file: &Path, into: &Prefetched) {
    let into = || into.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(past) = last_run(store, file) else { return };
    for key in past.steps.iter().filter_map(|step| step.key) {
        if into().contains_key(&key) {
            continue;
        }
        if let Some(outputs) = store.outputs(&key) {
            into().entry(key).or_insert(Some(outputs));
        }
    }
}

/// The last run of the pipeline among the newest runs of the store.
fn last_run(store: &Store, file: &Path) -> Option<RunRecord> {
    let newest = store.runs().ok()?.into_iter().rev().take(ASKED);
    newest.filter_map(|run| run.record()).find(|record| record.file == file)
}

//! Re-hashing the whole store, and setting aside what is not what its name says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use igpt_contract::Digest;
use rayon::prelude::*;

use super::disk::{hash_file, walk};
use super::{Result, Store, StoreError};

/// Objects from this size on are hashed by all cores, one after another; smaller ones side by side.
const LARGE: u64 = 64 << 20;

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Objects hashed.
    pub objects: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// What was not as it should be; moved into `quarantine-v1/` where the store can be written.
    pub damage: Vec<Damage>,
    /// Keys whose records lack a sound object: their steps run again when they are next needed.
    pub lost_records: Vec<Digest>,
}

/// A damaged object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// What the object should have been; none where even its name makes no sense.
    pub digest: Option<Digest>,
    /// What was found.
    pub what: String,
    /// Where it is now: in its place where it could not be moved, or only not be read.
    pub moved_to: PathBuf,
}

impl Store {
    /// Hashes every object, sets aside those that are not what their names say, and then looks which
    /// records that costs. `progress` is told the bytes done and the bytes in all. Runs may go on
    /// meanwhile; `gc` may not. In a read-only store nothing is set aside, only said.
    ///
    /// # Errors
    /// Where the store's folders cannot be read. A file that cannot be read counts as damaged.
    pub fn verify(&self, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Verification> {
        let _live = self.live_to_read();
        let folder = self.root().join("objects-v1");
        let files: Vec<(PathBuf, u64)> =
            walk(&folder)?.into_iter().map(|(name, meta)| (name, meta.len())).collect();
        let total = files.iter().map(|(_, size)| size).sum();
        let done = AtomicU64::new(0);
        let progress = Mutex::new(progress);
        let check = |(name, size): &(PathBuf, u64)| {
            let found = self.check_object(&folder, name);
            let done = done.fetch_add(*size, Ordering::Relaxed) + size;
            // Whoever finds the reporter busy has nothing to add.
            if let Ok(mut progress) = progress.try_lock() {
                progress(done, total);
            }
            found
        };
        let (large, small): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|(_, size)| *size >= LARGE);
        let mut damage: Vec<Damage> = large.iter().filter_map(check).collect();
        damage.extend(small.par_iter().filter_map(check).collect::<Vec<_>>());
        damage.sort();
        // What could not be set aside is still in its place, and looks sound without its hash.
        let damaged: BTreeSet<Digest> = damage.iter().filter_map(|found| found.digest).collect();
        let lost = |key: &Digest| self.record(key).is_none() || self.names_any(key, &damaged);
        let lost_records = self.keys()?.into_iter().filter(lost).collect();
        Ok(Verification { objects: files.len() as u64, bytes: total, damage, lost_records })
    }

    fn check_object(&self, folder: &Path, name: &Path) -> Option<Damage> {
        let path = folder.join(name);
        let hex: String = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let digest: Option<Digest> = hex.parse().ok();
        let found = hash_file(&path).map(|(found, _)| found);
        // Gone meanwhile: nothing is damaged, the record look-up tells.
        if !path.exists() {
            return None;
        }
        let (what, aside) = match (digest, found) {
            (None, _) => ("its name is not a digest".to_owned(), true),
            (Some(digest), Ok(found)) if found == digest => return None,
            (Some(_), Ok(found)) => (format!("its content is {}", found.short()), true),
            (Some(_), Err(StoreError::Io { source, .. })) => {
                // The disk lost it. Any other refusal may be ours: too many files, no rights.
                let lost = source.raw_os_error() == Some(libc::EIO);
                (format!("it cannot be read: {source}"), lost)
            }
            (Some(_), Err(other)) => (other.to_string(), false),
        };
        let moved = if aside { self.quarantine(&path).ok() } else { None };
        Some(Damage { digest, what, moved_to: moved.unwrap_or(path) })
    }

    /// Whether a record needs one of these objects.
    fn names_any(&self, key: &Digest, objects: &BTreeSet<Digest>) -> bool {
        if objects.is_empty() {
            return false;
        }
        let mut named = BTreeSet::new();
        let outputs = self.peek_record(key).map(|record| record.outputs).unwrap_or_default();
        outputs.values().for_each(|artifact| self.name_objects(artifact, &mut named));
        !named.is_disjoint(objects)
    }
}

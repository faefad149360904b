//! Re-hashing the whole store, and setting aside what is not what its name says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use igpt_contract::Digest;
use rayon::prelude::*;

use super::objects::{hash_file, walk};
use super::{Live, Result, Store, StoreError};

/// Objects from this size on are mapped and hashed by all cores, one after another; smaller ones are
/// hashed side by side.
const LARGE: u64 = 64 << 20;

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Objects hashed.
    pub objects: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// What was not as it should be; moved into `quarantine-v1/`.
    pub damage: Vec<Damage>,
    /// Keys whose records lack an object now: their steps run again when they are next needed.
    pub lost_records: Vec<Digest>,
}

/// A damaged object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// What the object should have been; none where even its name makes no sense.
    pub digest: Option<Digest>,
    /// What was found.
    pub what: String,
    /// Where it is now.
    pub moved_to: PathBuf,
}

impl Store {
    /// Hashes every object, sets aside those that are not what their names say, and then looks which
    /// records that costs. `progress` is told the bytes done and the bytes in all. Runs may go on
    /// meanwhile; `gc` may not.
    ///
    /// # Errors
    /// Where the store's folders cannot be read. A file that cannot be read counts as damaged.
    pub fn verify(&self, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Verification> {
        let _live: Live = self.live()?;
        let folder = self.root().join("objects-v1");
        let files: Vec<(PathBuf, u64)> =
            walk(&folder)?.into_iter().map(|(name, meta)| (name, meta.len())).collect();
        let total = files.iter().map(|(_, size)| size).sum();
        let done = AtomicU64::new(0);
        let progress = Mutex::new(progress);
        let check = |(name, size): &(PathBuf, u64)| {
            let found = self.check_object(&folder, name, *size);
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
        let lost = |key: &Digest| self.record(key).is_none();
        let lost_records = self.keys()?.into_iter().filter(lost).collect();
        Ok(Verification { objects: files.len() as u64, bytes: total, damage, lost_records })
    }

    fn check_object(&self, folder: &Path, name: &Path, size: u64) -> Option<Damage> {
        let path = folder.join(name);
        let hex: String = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let digest: Option<Digest> = hex.parse().ok();
        let what = match (digest, hash(&path, size)) {
            (None, _) => "its name is not a digest".to_owned(),
            (Some(digest), Ok(found)) if found == digest => return None,
            (Some(_), Ok(found)) => format!("its content is {}", found.short()),
            (Some(_), Err(e)) => std::error::Error::source(&e).map_or(e.to_string(), ToString::to_string),
        };
        // Gone meanwhile: nothing is damaged, the record look-up below tells.
        if !path.exists() {
            return None;
        }
        let moved_to = self.quarantine(&path).unwrap_or(path);
        Some(Damage { digest, what, moved_to })
    }
}

fn hash(path: &Path, size: u64) -> Result<Digest> {
    if size < LARGE {
        // One thread for each object here: the others are busy with other objects.
        return hash_small(path).map_err(|e| StoreError::io("read", path, e));
    }
    let mut hasher = blake3::Hasher::new();
    // Objects are read-only and never cut short, so mapping them is safe; it saves a copy.
    match hasher.update_mmap_rayon(path) {
        Ok(_) => Ok(hasher.finalize().into()),
        Err(_) => hash_file(path).map(|(digest, _)| digest),
    }
}

fn hash_small(path: &Path) -> std::io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().into())
}

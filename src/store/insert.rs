//! Content going into the store.
//!
//! Every object carries the same modification time, one second after the epoch: whoever writes into
//! one moves it. A file is synced and dated before it is hashed, so that whatever is written after
//! its hash moves its date; the commit looks at the date once more.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use rayon::prelude::*;

use super::artifact::{Artifact, Content, TreeEntry};
use super::manifest::{BuiltArtifact, list};
use super::objects::{hash_file, object_time};
use super::scan::{EntryKind, OutwardLinks, ScannedEntry, scan};
use super::{Result, Store, StoreError, durable};

/// Trees with more files than this are admitted by several threads, so that syncs overlap.
pub(super) const FEW: usize = 4;

/// Whether a file may be executed by its owner.
pub(super) fn is_executable(meta: &Metadata) -> bool {
    meta.mode() & 0o100 != 0
}

impl Store {
    /// Moves a file or folder into the store, durably. What was there is gone afterwards (parts of
    /// a folder may be gone after an error, too). Links to this store's own objects are taken for
    /// the objects, so that `cp -r` of a linked input works; links inside a folder that stay in it
    /// are kept; all others are refused.
    ///
    /// # Errors
    /// [`StoreError::NotContent`] for links that leave the folder, pipes and devices; else what the
    /// system said.
    pub fn insert(&self, path: &Path) -> Result<Artifact> {
        let meta = fs::symlink_metadata(path).map_err(|e| StoreError::io("read", path, e))?;
        if meta.is_symlink() {
            let content = self.own_object(path)?;
            return self.insert_entries(&mut [TreeEntry { name: PathBuf::new(), content }]);
        }
        let found = scan(path, OutwardLinks::Kept, &BTreeSet::new())?.found;
        let admit = |found: &ScannedEntry| -> Result<TreeEntry> {
            let content = match &found.what {
                EntryKind::File => self.insert_file(&found.path, &found.meta)?,
                EntryKind::Link { target, stays: true } => Content::Link { target: target.clone() },
                EntryKind::Link { stays: false, .. } => self.own_object(&found.path)?,
                EntryKind::EmptyFolder => Content::EmptyFolder,
            };
            Ok(TreeEntry { name: found.name.clone(), content })
        };
        let mut entries = if found.len() > FEW {
            found.par_iter().map(admit).collect::<Result<Vec<_>>>()?
        } else {
            found.iter().map(admit).collect::<Result<Vec<_>>>()?
        };
        if meta.is_dir() {
            let _ = fs::remove_dir_all(path);
        }
        self.insert_entries(&mut entries)
    }

    /// Keeps a tree of small files that are in memory: name and bytes of each.
    ///
    /// # Errors
    /// What the system said.
    pub fn insert_files(&self, files: &[(&str, &[u8])]) -> Result<Artifact> {
        for (_, bytes) in files {
            self.insert_bytes(bytes)?;
        }
        self.insert_entries(&mut entries_of(files))
    }

    /// The artifact that [`Self::insert_files`] would make, without writing anything: for plans.
    pub fn peek_files(&self, files: &[(&str, &[u8])]) -> Artifact {
        list(&mut entries_of(files)).artifact
    }

    /// Keeps bytes as a file.
    ///
    /// # Errors
    /// What the system said.
    pub fn insert_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let path = self.object_path(&digest);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            self.date(&path)?;
            return Ok(digest);
        }
        let (aside, file) = durable::write_aside(&self.tmp_dir(), bytes)?;
        let placed = self.seal(&aside, &file).and_then(|()| durable::rename(&aside, &path));
        placed.inspect_err(|_| drop(fs::remove_file(&aside)))?;
        Ok(digest)
    }

    /// Keeps the manifest of entries whose files are in the store.
    pub(super) fn insert_entries(&self, entries: &mut [TreeEntry]) -> Result<Artifact> {
        let BuiltArtifact { artifact, manifest } = list(entries);
        if let Some(text) = manifest {
            self.insert_bytes(text.as_bytes())?;
        }
        Ok(artifact)
    }

    /// One file into its place.
    fn insert_file(&self, path: &Path, meta: &Metadata) -> Result<Content> {
        let executable = is_executable(meta);
        // A second name for the same bytes could write into the object later: take a copy.
        if meta.nlink() == 1 {
            match self.move_in(path, path) {
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {}
                other => {
                    let (digest, size) = other?;
                    return Ok(Content::File { digest, size, executable });
                }
            }
        }
        let aside = durable::fresh(&self.tmp_dir());
        let copied = (|| {
            fs::copy(path, &aside).map_err(|e| StoreError::io("copy", path, e))?;
            let (digest, size) = self.move_in(&aside, path)?;
            fs::remove_file(path).map_err(|e| StoreError::io("remove", path, e))?;
            Ok(Content::File { digest, size, executable })
        })();
        copied.inspect_err(|_| drop(fs::remove_file(&aside)))
    }

    /// Seals and hashes a file and renames it to its digest. Errors name it `own`.
    fn move_in(&self, path: &Path, own: &Path) -> Result<(Digest, u64)> {
        let file = File::open(path).map_err(|e| StoreError::io("open", own, e))?;
        self.seal(own, &file)?;
        let (digest, size) = hash_file(path)?;
        if self.hash_matches(&digest, size) {
            fs::remove_file(path).map_err(|e| StoreError::io("remove", own, e))?;
        } else {
            durable::rename(path, &self.object_path(&digest))?;
        }
        Ok((digest, size))
    }

    /// Makes a file read-only, syncs it and dates it. What a mapping of it writes is on its pages
    /// before, and moves the date after.
    pub(super) fn seal(&self, path: &Path, file: &File) -> Result<()> {
        let sealed = (|| {
            file.set_permissions(Permissions::from_mode(0o444 & !umask()))?;
            file.set_modified(object_time())?;
            file.sync_all()?;
            file.set_modified(object_time())
        })();
        sealed.map_err(|e| StoreError::io("sync", path, e))
    }

    /// The object that a link leads to, if it is one of this store's.
    fn own_object(&self, link: &Path) -> Result<Content> {
        let refused =
            || StoreError::NotContent { path: link.to_owned(), what: "a symbolic link that leaves it" };
        let target = link.canonicalize().map_err(|_| refused())?;
        let name = target.strip_prefix(self.root().join("objects-v1")).map_err(|_| refused())?;
        let hex: String = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let digest = hex.parse().map_err(|_| refused())?;
        let size = fs::metadata(&target).map_err(|e| StoreError::io("read", &target, e))?.len();
        let sound = self.is_intact(&digest, size);
        let _ = fs::remove_file(link);
        let content = Content::File { digest, size, executable: false };
        if sound { Ok(content) } else { Err(StoreError::Missing { digest }) }
    }
}

fn entries_of(files: &[(&str, &[u8])]) -> Vec<TreeEntry> {
    let entry = |(name, bytes): &(&str, &[u8])| TreeEntry {
        name: PathBuf::from(name),
        content: Content::File { digest: Digest::of(bytes), size: bytes.len() as u64, executable: false },
    };
    files.iter().map(entry).collect()
}

/// What this process's new files must not allow.
pub(super) fn umask() -> u32 {
    static UMASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UMASK.get_or_init(|| {
        // Asking the system call would set it, for all threads, for a moment.
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
    })
}

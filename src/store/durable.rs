//! The few ways in which a file reaches its place whole: written aside, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Result, StoreError};

/// A fresh path in a folder, unlike any other process's or thread's.
pub(super) fn fresh(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The start time tells this process from an earlier one that had its number.
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_nanos());
    folder.join(format!("{}-{nanos:x}-{count}", std::process::id()))
}

/// Writes a new file and answers it still open, for a sync or a rename.
pub(super) fn write_aside(folder: &Path, bytes: &[u8]) -> Result<(PathBuf, File)> {
    let path = fresh(folder);
    let written = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| {
        file.write_all(bytes)?;
        Ok(file)
    });
    match written {
        Ok(file) => Ok((path, file)),
        Err(e) => {
            let _ = fs::remove_file(&path);
            Err(StoreError::io("write", &path, e))
        }
    }
}

/// Renames into place, making the folder where it is missing.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
            }
            fs::rename(from, to).map_err(|e| StoreError::io("rename", from, e))
        }
        other => other.map_err(|e| StoreError::io("rename", from, e)),
    }
}

/// Whether a file must be on disk before we go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// It must survive a power cut.
    Now,
    /// A power cut within the next seconds may cost it; a kill never does.
    Later,
}

/// Replaces a small file in one step: a reader sees the old or the new, never half. The sync comes
/// after the rename and makes bytes and name durable (and, on a journalling file system, every name
/// that was made before it). A power cut in between may leave a torn file, so this is for files
/// whose readers notice that; a kill cannot.
pub(super) fn replace(tmp: &Path, to: &Path, bytes: &[u8], sync: Sync) -> Result<()> {
    let (aside, file) = write_aside(tmp, bytes)?;
    rename(&aside, to).inspect_err(|_| drop(fs::remove_file(&aside)))?;
    match sync {
        Sync::Now => file.sync_all().map_err(|e| StoreError::io("sync", to, e)),
        Sync::Later => Ok(()),
    }
}

/// Opens a lock file, making it where it is missing.
pub(super) fn lock_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| StoreError::io("open", path, e))
}

//! The few ways in which a file reaches its place whole: written aside, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Result, StoreError};

/// A fresh path in a folder, unlike any other process's or thread's.
pub(super) fn fresh(folder: &Path) -> PathBuf {
    fresh_with(folder, "")
}

/// The same with a name that begins so.
pub(super) fn fresh_with(folder: &Path, prefix: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The start time tells this process from an earlier one that had its number.
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_nanos());
    folder.join(format!("{prefix}{}-{nanos:x}-{count}", std::process::id()))
}

/// Writes a new file and returns it still open, for a sync or a rename.
pub(super) fn write_aside(folder: &Path, bytes: &[u8]) -> Result<(PathBuf, File)> {
    let path = fresh(folder);
    let create = || OpenOptions::new().write(true).create_new(true).open(&path);
    let written = with_folder(&path, create).and_then(|mut file| {
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
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
            }
            fs::rename(from, to).map_err(|e| StoreError::io("rename", from, e))
        }
        other => other.map_err(|e| StoreError::io("rename", from, e)),
    }
}

/// What a power cut may cost of a file that is written. A kill costs nothing in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The bytes are on disk before the name leads to them: for a name whose old file is still good,
    /// and must not give way to a torn one.
    BeforeName,
    /// The bytes are on disk before we go on, and with them (on a journalling file system) this name
    /// and every name that was made before it. A cut before that may leave a torn file.
    AfterName,
    /// A cut within the next seconds may cost the file, or tear it.
    Later,
}

/// Replaces a small file in one step: a reader sees the old or the new, never half. Readers must
/// notice what the [`Durability`] allows a power cut to do.
pub(super) fn replace(tmp: &Path, to: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let (aside, file) = write_aside(tmp, bytes)?;
    let sync = || file.sync_all().map_err(|e| StoreError::io("sync", to, e));
    let placed = match durability {
        Durability::BeforeName => sync().and_then(|()| rename(&aside, to)),
        Durability::AfterName | Durability::Later => rename(&aside, to),
    };
    placed.inspect_err(|_| drop(fs::remove_file(&aside)))?;
    match durability {
        Durability::AfterName => sync(),
        Durability::BeforeName | Durability::Later => Ok(()),
    }
}

/// Opens a lock file, making it where it is missing.
pub(super) fn lock_file(path: &Path) -> Result<File> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    with_folder(path, open).map_err(|e| StoreError::io("open", path, e))
}

/// Makes a file, and the folder where that is missing: a reader opens a store without making any.
fn with_folder(path: &Path, open: impl Fn() -> io::Result<File>) -> io::Result<File> {
    match (open(), path.parent()) {
        (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

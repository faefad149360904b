//! All files below a folder, and the times of files.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Result, StoreError};

/// Every file below a folder with what `lstat` says of it, in no particular order; names are
/// relative. Links are answered as they are.
///
/// # Errors
/// Where a folder cannot be read.
pub(super) fn walk(folder: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let path = folder.join(&below);
        let failed = |e: io::Error| StoreError::io("read", &path, e);
        for item in fs::read_dir(&path).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = below.join(item.file_name());
            let meta = item.metadata().map_err(failed)?;
            if meta.is_dir() { folders.push(name) } else { files.push((name, meta)) }
        }
    }
    Ok(files)
}

/// The change time in nanoseconds since 1970. Times before wrap; they are compared for equality.
pub(super) fn changed(meta: &Metadata) -> u64 {
    nanos(meta.ctime(), meta.ctime_nsec())
}

/// The modification time in nanoseconds since 1970, as [`changed`].
pub(super) fn modified(meta: &Metadata) -> u64 {
    nanos(meta.mtime(), meta.mtime_nsec())
}

fn nanos(seconds: i64, nanos: i64) -> u64 {
    (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(nanos as u64)
}

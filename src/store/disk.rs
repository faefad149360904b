//! What lies on a disk: the files below a folder, and the digest of a file.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::{Result, StoreError};

/// Every file below a folder with what `lstat` says of it, in no particular order; names are
/// relative.
pub(super) fn walk(folder: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let path = folder.join(&below);
        let failed = |e| StoreError::io("read", &path, e);
        for item in fs::read_dir(&path).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = below.join(item.file_name());
            let meta = item.metadata().map_err(failed)?;
            if meta.is_dir() { folders.push(name) } else { files.push((name, meta)) }
        }
    }
    Ok(files)
}

/// The digest and size of a file.
pub(super) fn hash_file(path: &Path) -> Result<(Digest, u64)> {
    igpt_contract::hash_file(path).map_err(|e| StoreError::io("read", path, e))
}

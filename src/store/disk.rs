//! What lies on a disk: the files below a folder, and the digest of a file.

use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::{Result, StoreError};

/// Files up to this many bytes are read in one piece; larger ones are hashed by all cores.
const SMALL: u64 = 1 << 20;

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

/// The digest and size of a file: in one piece where it is small, with all cores where it is large.
pub(super) fn hash_file(path: &Path) -> Result<(Digest, u64)> {
    (|| {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        if size <= SMALL {
            let mut bytes = Vec::with_capacity(size as usize + 1);
            file.read_to_end(&mut bytes)?;
            return Ok((Digest::of(&bytes), bytes.len() as u64));
        }
        let mut hasher = blake3::Hasher::new();
        // Read, not mapped: a file that somebody cuts short must not kill the process, and neither
        // must a disk that fails.
        let mut buffer = vec![0; 8 << 20];
        loop {
            let mut filled = 0;
            while filled < buffer.len() {
                match file.read(&mut buffer[filled..])? {
                    0 => break,
                    n => filled += n,
                }
            }
            hasher.update_rayon(&buffer[..filled]);
            if filled < buffer.len() {
                return Ok((hasher.finalize().into(), hasher.count()));
            }
        }
    })()
    .map_err(|e| StoreError::io("read", path, e))
}

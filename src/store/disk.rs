//! What lies on a disk: the files below a folder, and the digest of a file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::{Result, StoreError};

/// Files up to this many bytes are read in one piece; larger ones are hashed by all cores.
const SMALL: u64 = 1 << 20;

/// The bytes of a large file that are read at once. Smaller pieces would cost less time of a processor, but
/// on a busy machine the two halves of the work wait for each other at the end of each.
const PIECE: usize = 4 << 20;

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
        // All of it on rayon's own threads, which hand each other work for less than others do.
        rayon::scope(|_| hash_pieces(&mut file))
    })()
    .map_err(|e| StoreError::io("read", path, e))
}

/// The digest and size of an open file. Each piece is hashed while the next one is read.
fn hash_pieces(file: &mut File) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    // Read, not mapped: a file that somebody cuts short must not kill the process, and neither
    // must a disk that fails.
    let (mut piece, mut next) = (vec![0; PIECE], vec![0; PIECE]);
    let mut filled = fill(file, &mut piece)?;
    while filled > 0 {
        let read = || fill(file, &mut next);
        let (read, _) = rayon::join(read, || hasher.update_rayon(&piece[..filled]).count());
        filled = read?;
        std::mem::swap(&mut piece, &mut next);
    }
    Ok((hasher.finalize().into(), hasher.count()))
}

/// Reads until the buffer is full or the file ends; answers how many bytes.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_several_pieces_hashes_as_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, SMALL as usize, SMALL as usize + 1, PIECE, 2 * PIECE + 3] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let path = dir.path().join("file");
            fs::write(&path, &bytes).unwrap();
            assert_eq!(hash_file(&path).unwrap(), (Digest::of(&bytes), size as u64));
        }
    }
}

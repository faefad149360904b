//! The digest of a file, computed on all cores if it is large.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use blake3::hazmat::{self, ChainingValue, HasherExt as _, Mode};

use crate::digest::Digest;

/// Files up to this many bytes are read at once; larger ones are hashed on all cores.
const SMALL: u64 = 1 << 20;

/// How many bytes of a large file a core reads at once: few enough to stay in its own cache until they
/// are hashed.
const PIECE: u64 = 256 << 10;

/// The digest and size of a file; a large file is hashed on all cores.
///
/// # Errors
/// If the file cannot be opened or read, or a large file is truncated meanwhile.
pub fn hash_file(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    if size <= SMALL {
        let mut bytes = Vec::with_capacity(size as usize + 1);
        file.read_to_end(&mut bytes)?;
        return Ok((Digest::of(&bytes), bytes.len() as u64));
    }
    let (left, right) = halves(&file, 0, size)?;
    Ok((hazmat::merge_subtrees_root(&left, &right, Mode::Hash).into(), size))
}

/// The two subtrees of BLAKE3's tree over a range of a file. A free core takes one of them, reading
/// included.
fn halves(file: &File, offset: u64, size: u64) -> io::Result<(ChainingValue, ChainingValue)> {
    let left = hazmat::left_subtree_len(size);
    let (left, right) =
        rayon::join(|| subtree(file, offset, left), || subtree(file, offset + left, size - left));
    Ok((left?, right?))
}

fn subtree(file: &File, offset: u64, size: u64) -> io::Result<ChainingValue> {
    if size > PIECE {
        let (left, right) = halves(file, offset, size)?;
        return Ok(hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash));
    }
    // Read, not mapped: neither a file that is truncated meanwhile nor a failing disk may kill the
    // process.
    let mut piece = vec![0; size as usize];
    file.read_exact_at(&mut piece, offset)?;
    Ok(blake3::Hasher::new().set_input_offset(offset).update(&piece).finalize_non_root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_size_hashes_as_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, 6, SMALL, SMALL + 1, 5 * PIECE, 8 * PIECE, 9 * PIECE + 3] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let path = dir.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(hash_file(&path).unwrap(), (Digest::of(&bytes), size));
        }
    }
}

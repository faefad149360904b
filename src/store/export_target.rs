//! What stands at an export's place: whether it is what was written there.

use std::fs;
use std::path::Path;

use igpt_contract::Digest;

use super::artifact::{Artifact, Content, TreeEntry};
use super::checkout::entry_path;
use super::insert::is_executable;
use super::stat_cache::StatCache;

/// The extended attribute that says which bytes an export wrote.
const MARK: &str = "user.igpt-flow.digest";

/// Whether an export is where it belongs, as it was written.
pub(super) fn in_place(artifact: &Artifact, entries: &[TreeEntry], to: &Path, stats: &mut StatCache) -> bool {
    let shape = artifact.is_file() || to.is_dir();
    shape && entries.iter().all(|entry| is_equal(&entry_path(to, &entry.name), entry, stats))
}

/// Whether an entry is at its place, as it was written.
pub(super) fn is_equal(path: &Path, entry: &TreeEntry, stats: &mut StatCache) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    let bit = match entry.content {
        Content::File { executable, .. } => executable == is_executable(&meta),
        Content::Link { .. } | Content::EmptyFolder => true,
    };
    bit && holds(path, &meta, entry, stats)
}

/// The same but for the executable bit, which a checkout may take away.
pub(super) fn has_content(path: &Path, entry: &TreeEntry, stats: &mut StatCache) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| holds(path, &meta, entry, stats))
}

fn holds(path: &Path, meta: &fs::Metadata, entry: &TreeEntry, stats: &mut StatCache) -> bool {
    match &entry.content {
        Content::EmptyFolder => meta.is_dir(),
        Content::Link { target } => fs::read_link(path).is_ok_and(|found| found == *target),
        Content::File { digest, size, .. } => {
            meta.is_file()
                && meta.len() == *size
                && stats.file(path, meta).is_ok_and(|(found, _)| found == *digest)
        }
    }
}

/// Says in a file's own attributes what was written there under which name, for an export to `to`;
/// where a file system has no such attributes the notes say it.
pub(super) fn mark(path: &Path, entry: &TreeEntry, to: &Path) {
    if let Some((digest, _)) = entry.file() {
        let _ = xattr::set(path, MARK, mark_of(&entry_path(to, &entry.name), to, &digest).as_bytes());
    }
}

/// Whether a file in an export to `to` is marked as holding these bytes under its name: a copy that the
/// user made of it has another one.
pub(super) fn is_marked(path: &Path, to: &Path, digest: &Digest) -> bool {
    let mark = xattr::get(path, MARK).ok().flatten();
    mark.is_some_and(|mark| mark == mark_of(path, to, digest).as_bytes())
}

fn mark_of(path: &Path, to: &Path, digest: &Digest) -> String {
    let name = path.strip_prefix(to.parent().unwrap_or(to)).unwrap_or(path);
    format!("{digest} {}", Digest::of(name.as_os_str().as_encoded_bytes()).short())
}

/// The digest of a small text as it was before its line ends were converted.
pub(super) fn digest_with_unix_line_ends(path: &Path, size: u64) -> Option<Digest> {
    const LARGEST: u64 = 16 << 20;
    let bytes = (size <= LARGEST).then(|| fs::read(path).ok())??;
    let mut plain = Vec::with_capacity(bytes.len());
    for (i, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(i + 1) != Some(&b'\n') {
            plain.push(*byte);
        }
    }
    (plain.len() < bytes.len()).then(|| Digest::of(&plain))
}

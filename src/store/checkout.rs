//! Content coming out of the store, or from a path outside, into a step's folder.
//!
//! Copies are a step's own: it may change them, and nobody else sees it. The system shares their
//! blocks where the file system can (XFS, Btrfs), else it copies. Links lead to the one object, for
//! stages, which only read, and for commands that ask for it. Either way every byte is hashed on its
//! way, and what is found damaged is quarantined.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use rayon::prelude::*;

use super::artifact::{Artifact, Content, TreeEntry};
use super::insert::{FEW, is_executable};
use super::manifest::list;
use super::objects::{hash_file, unreadable};
use super::scan::{EntryKind, ScannedEntry};
use super::walk;
use super::{ExternalPath, Result, Store, StoreError};

/// Files up to this size are read in one piece.
const SMALL: u64 = 256 << 10;

/// The objects that a step was given links to, as they were then.
#[derive(Debug, Default)]
pub struct LinkedObjects(Vec<(Digest, [u64; 4])>);

impl Store {
    /// Lays an artifact out as files of its own. `to` must not exist, its parent must.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where an object is gone or damaged; else what the system said.
    pub fn copy_out(&self, artifact: &Artifact, to: &Path) -> Result<()> {
        let entries = self.entries(artifact)?;
        make_folders(artifact, &entries, to)?;
        each(&entries, |entry| self.copy_entry(entry, &entry_path(to, &entry.name)))
    }

    /// One entry at its place, whose folder is there. What stands there is replaced in place.
    pub(super) fn copy_entry(&self, entry: &TreeEntry, to: &Path) -> Result<()> {
        match &entry.content {
            Content::File { digest, size, executable } => {
                let from = self.object_path(digest);
                let found = match copy_file(&from, to, *size, *executable) {
                    Err(CopyError::Read(e)) => return Err(unreadable(*digest, &from, e)),
                    Err(CopyError::Write(e)) => return Err(StoreError::io("write", to, e)),
                    Ok(found) => found,
                };
                if found == *digest {
                    return Ok(());
                }
                // Whatever became of the copy, the object itself decides.
                let _ = fs::remove_file(to);
                match self.hash_matches(digest, *size) {
                    true => Err(StoreError::io("copy", to, io::Error::other("the copy differs"))),
                    false => Err(StoreError::Missing { digest: *digest }),
                }
            }
            Content::Link { target } => symlink(target, to).map_err(|e| StoreError::io("link", to, e)),
            Content::EmptyFolder => fs::create_dir_all(to).map_err(|e| StoreError::io("create", to, e)),
        }
    }

    /// Lays an artifact out as links to its objects; executable files are copied, because objects
    /// cannot be executed. As [`Self::copy_out`] else.
    ///
    /// # Errors
    /// As [`Self::copy_out`].
    pub fn link_out(&self, artifact: &Artifact, to: &Path, linked: &mut LinkedObjects) -> Result<()> {
        let entries = self.entries(artifact)?;
        make_folders(artifact, &entries, to)?;
        let link = |entry: &TreeEntry| -> Result<Option<(Digest, [u64; 4])>> {
            let to = entry_path(to, &entry.name);
            let Content::File { digest, size, executable: false } = entry.content else {
                return self.copy_entry(entry, &to).map(|()| None);
            };
            // Its identity first: whoever writes after the hash moves it.
            let missing = StoreError::Missing { digest };
            let Some(identity) = self.identity(&digest) else { return Err(missing) };
            if !self.hash_matches(&digest, size) {
                return Err(missing);
            }
            symlink(self.object_path(&digest), &to).map_err(|e| StoreError::io("link", &to, e))?;
            Ok(Some((digest, identity)))
        };
        let links: Vec<_> = if entries.len() > FEW {
            entries.par_iter().map(link).collect::<Result<_>>()?
        } else {
            entries.iter().map(link).collect::<Result<_>>()?
        };
        linked.0.extend(links.into_iter().flatten());
        Ok(())
    }

    /// The first of the linked objects that is not what it was; a damaged one is quarantined.
    pub fn first_touched(&self, linked: &LinkedObjects) -> Option<Digest> {
        let is_touched =
            |(digest, identity): &&(Digest, [u64; 4])| self.identity(digest).as_ref() != Some(identity);
        let touched: Vec<&Digest> = linked.0.iter().filter(is_touched).map(|(digest, _)| digest).collect();
        for digest in &touched {
            let size = fs::metadata(self.object_path(digest)).map_or(0, |meta| meta.len());
            self.hash_matches(digest, size);
        }
        touched.first().map(|digest| **digest)
    }

    /// What moves when an object is written or exchanged.
    fn identity(&self, digest: &Digest) -> Option<[u64; 4]> {
        let meta = fs::symlink_metadata(self.object_path(digest)).ok()?;
        Some([meta.dev(), meta.ino(), meta.size(), walk::changed(&meta)])
    }
}

/// Copies what lies at a path outside the store, as files of the copier's own, and checks that it is
/// what is expected.
///
/// # Errors
/// [`StoreError::Changed`] where it is something else; else what the system said.
pub fn copy_external(place: &ExternalPath, expected: &Artifact, to: &Path) -> Result<()> {
    let found = place.scan()?.found;
    if !is_single(&found) {
        fs::create_dir(to).map_err(|e| StoreError::io("create", to, e))?;
        make_parents(found.iter().map(|found| found.name.as_path()), to)?;
    }
    let copy = |found: &ScannedEntry| -> Result<TreeEntry> {
        let to = entry_path(to, &found.name);
        let content = match &found.what {
            EntryKind::File => {
                let (size, executable) = (found.meta.size(), is_executable(&found.meta));
                let digest = copy_file(&found.path, &to, size, executable).map_err(|e| match e {
                    CopyError::Read(e) => StoreError::io("read", &found.path, e),
                    CopyError::Write(e) => StoreError::io("write", &to, e),
                })?;
                Content::File { digest, size, executable }
            }
            EntryKind::Link { target, .. } => {
                symlink(target, &to).map_err(|e| StoreError::io("link", &to, e))?;
                Content::Link { target: target.clone() }
            }
            EntryKind::EmptyFolder => {
                fs::create_dir_all(&to).map_err(|e| StoreError::io("create", &to, e))?;
                Content::EmptyFolder
            }
        };
        Ok(TreeEntry { name: found.name.clone(), content })
    };
    let mut entries: Vec<TreeEntry> = if found.len() > FEW {
        found.par_iter().map(copy).collect::<Result<_>>()?
    } else {
        found.iter().map(copy).collect::<Result<_>>()?
    };
    let is_folder = to.is_dir();
    let copied = list(&mut entries).artifact;
    if copied == *expected && is_folder != expected.is_file() {
        return Ok(());
    }
    Err(StoreError::Changed { path: place.path.clone(), since: "while the step ran" })
}

/// Leads to what lies at a place outside the store, for work that only reads it.
///
/// # Errors
/// What the system said.
pub fn link_external(place: &ExternalPath, to: &Path) -> Result<()> {
    let Some(names) = &place.names else {
        return symlink(&place.path, to).map_err(|e| StoreError::io("link", to, e));
    };
    fs::create_dir(to).map_err(|e| StoreError::io("create", to, e))?;
    make_parents(names.iter().map(PathBuf::as_path), to)?;
    for name in names {
        let to = to.join(name);
        symlink(place.path.join(name), &to).map_err(|e| StoreError::io("link", &to, e))?;
    }
    Ok(())
}

/// Whether what was found is one file and no folder.
fn is_single(found: &[ScannedEntry]) -> bool {
    matches!(found, [ScannedEntry { name, .. }] if name.as_os_str().is_empty())
}

/// What kept a file from being copied.
enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies a file and returns the digest of what was written.
fn copy_file(from: &Path, to: &Path, size: u64, executable: bool) -> Result<Digest, CopyError> {
    let mut source = File::open(from).map_err(CopyError::Read)?;
    let mode = if executable { 0o777 } else { 0o666 };
    let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(to);
    if size <= SMALL {
        let mut bytes = Vec::with_capacity(size as usize + 1);
        source.read_to_end(&mut bytes).map_err(CopyError::Read)?;
        open().and_then(|mut copy| copy.write_all(&bytes)).map_err(CopyError::Write)?;
        return Ok(Digest::of(&bytes));
    }
    let mut copy = open().map_err(CopyError::Write)?;
    // In the system, which shares the blocks where it can; its errors do not say which side failed.
    io::copy(&mut source, &mut copy).map_err(|e| match e.raw_os_error() {
        Some(libc::EIO) => CopyError::Read(e),
        _ => CopyError::Write(e),
    })?;
    hash_file(to).map(|(digest, _)| digest).map_err(|e| CopyError::Write(io::Error::other(e)))
}

/// Does something for each entry, by several threads where there are many.
fn each(entries: &[TreeEntry], work: impl Fn(&TreeEntry) -> Result<()> + Sync + Send) -> Result<()> {
    if entries.len() > FEW {
        entries.par_iter().try_for_each(work)
    } else {
        entries.iter().try_for_each(work)
    }
}

fn make_folders(artifact: &Artifact, entries: &[TreeEntry], to: &Path) -> Result<()> {
    if artifact.is_file() {
        return Ok(());
    }
    fs::create_dir(to).map_err(|e| StoreError::io("create", to, e))?;
    make_parents(entries.iter().map(|entry| entry.name.as_path()), to)
}

/// Makes the folders around these names, which are sorted.
fn make_parents<'a>(names: impl Iterator<Item = &'a Path>, to: &Path) -> Result<()> {
    let mut last = Path::new("");
    for folder in names.filter_map(Path::parent) {
        if folder != last {
            let path = to.join(folder);
            fs::create_dir_all(&path).map_err(|e| StoreError::io("create", &path, e))?;
            last = folder;
        }
    }
    Ok(())
}

/// Where an entry belongs; joining an empty name would add a `/`.
pub(super) fn entry_path(to: &Path, name: &Path) -> PathBuf {
    if name.as_os_str().is_empty() { to.to_owned() } else { to.join(name) }
}

//! Objects that come from elsewhere. Not a byte is believed: they are hashed on their way, and only what has the
//! digest that was asked for becomes an object.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use igpt_contract::Digest;

use super::{Artifact, Result, Store, StoreError, TreeEntry, durable};

/// What of an artifact is not in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// The manifest: what else is, it would say.
    Manifest(Digest),
    /// These files, with their sizes; empty where all is here.
    Files(Vec<(Digest, u64)>),
}

/// Bytes on their way into a file, hashed.
struct Hashed {
    file: fs::File,
    hasher: blake3::Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Store {
    /// What of an artifact, or of a part of it, is not here or touched.
    ///
    /// # Errors
    /// As [`Self::part`], but that a missing manifest is an answer.
    pub fn absent(&self, artifact: &Artifact, part: Option<&str>) -> Result<Absent> {
        let entries = match part {
            None => self.entries(artifact),
            Some(part) => self.part_entries(artifact, part),
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(StoreError::Missing { digest }) => return Ok(Absent::Manifest(digest)),
            Err(error) => return Err(error),
        };
        let mut files: Vec<(Digest, u64)> = entries.iter().filter_map(TreeEntry::file).collect();
        files.sort_unstable();
        files.dedup();
        files.retain(|(digest, size)| !self.is_intact(digest, *size));
        Ok(Absent::Files(files))
    }

    /// Every object of an artifact that is here, with its size: its manifest, and its files.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where one is not here.
    pub fn sized_objects(&self, artifact: &Artifact) -> Result<Vec<(Digest, u64)>> {
        let mut files: Vec<(Digest, u64)> =
            self.entries(artifact)?.iter().filter_map(TreeEntry::file).collect();
        if !files.iter().any(|(digest, _)| *digest == artifact.digest) {
            let path = self.object_path(&artifact.digest);
            let meta = fs::metadata(&path).map_err(|e| StoreError::io("read", &path, e))?;
            files.push((artifact.digest, meta.len()));
        }
        files.sort_unstable();
        files.dedup();
        match files.iter().find(|(digest, size)| !self.is_intact(digest, *size)) {
            Some((digest, _)) => Err(StoreError::Missing { digest: *digest }),
            None => Ok(files),
        }
    }

    /// Whether an object has the bytes of its digest, before it is handed on. A damaged one is set aside.
    pub fn is_whole(&self, digest: &Digest, size: u64) -> bool {
        self.hash_matches(digest, size)
    }

    /// Keeps what `fill` writes as an object, if it is the one of that digest. Returns what `fill` does, and whether
    /// the object is here.
    ///
    /// # Errors
    /// What the system said.
    pub fn receive<T>(&self, digest: &Digest, fill: impl FnOnce(&mut dyn Write) -> T) -> Result<(T, bool)> {
        let aside = durable::fresh(&self.tmp_dir());
        let failed = |e| StoreError::io("write", &aside, e);
        let file = OpenOptions::new().write(true).create_new(true).open(&aside).map_err(failed)?;
        let mut to = Hashed { file, hasher: blake3::Hasher::new() };
        let filled = fill(&mut to);
        let Hashed { file, hasher } = to;
        let kept = (|| -> Result<bool> {
            if Digest::from(hasher.finalize()) != *digest {
                fs::remove_file(&aside).map_err(failed)?;
                return Ok(false);
            }
            self.seal(&aside, &file)?;
            durable::rename(&aside, &self.object_path(digest))?;
            Ok(true)
        })();
        let kept = kept.inspect_err(|_| drop(fs::remove_file(&aside)))?;
        Ok((filled, kept))
    }
}

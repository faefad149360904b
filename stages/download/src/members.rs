//! The files of an official archive: which there are, how large, and their checksums.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use md5::{Digest as _, Md5};

use crate::archive::{Bounds, members, read_member};

/// An official archive.
#[derive(Debug)]
pub(crate) struct Official {
    /// The source's name.
    pub(crate) name: &'static str,
    /// The folder of the official server, with `/` at its end.
    pub(crate) url: &'static str,
    /// The archive's file name.
    pub(crate) file: &'static str,
    /// The files that are read; others are passed over.
    pub(crate) files: &'static [OfficialFile],
    /// The most bytes that the archive has when expanded.
    pub(crate) total: u64,
}

/// A file of an official archive.
#[derive(Debug)]
pub(crate) struct OfficialFile {
    /// The name without its folders.
    pub(crate) name: &'static str,
    /// Bytes; 0 where only the bound below holds (lists of names).
    pub(crate) size: u64,
    /// The MD5 of the bytes; empty where none is published.
    pub(crate) md5: &'static str,
}

/// The most bytes of a list of class names.
const MAX_NAMES: u64 = 1 << 16;

/// An archive that lies on this machine.
pub(crate) struct Local<'a> {
    pub(crate) official: &'static Official,
    pub(crate) path: PathBuf,
    /// Whether other sizes than the official ones are let through: for the user's own archives.
    pub(crate) subset: bool,
    /// Whether the file was downloaded and is fetched anew where it turns out to be wrong.
    pub(crate) downloaded: bool,
    pub(crate) cx: &'a StageContext,
}

/// The files of an archive by name, each as large and with the checksum that it should have.
#[derive(Debug)]
pub(crate) struct Members {
    path: PathBuf,
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl Local<'_> {
    /// Reads the archive and hands its files on; a downloaded one is deleted afterwards where the
    /// files were wrong, so that the next run fetches it anew.
    pub(crate) fn ingest(
        self,
        ingest: impl FnOnce(&mut Members) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        match self.read() {
            Ok(mut members) => ingest(&mut members),
            Err(error @ StageError::Failed { .. }) if self.downloaded => {
                std::fs::remove_file(&self.path)?;
                Err(error.hint("the downloaded file was deleted; the next run fetches it anew"))
            }
            Err(error) => Err(error),
        }
    }

    fn read(&self) -> Result<Members, StageError> {
        let (path, official) = (&self.path, self.official);
        let bounds = Bounds { member: official.total, total: official.total };
        let mut files = BTreeMap::new();
        members(path, bounds, self.cx, |member, input| {
            let base = member.name.rsplit('/').next().unwrap_or_default();
            let Some(file) = official.files.iter().find(|file| file.name == base) else { return Ok(()) };
            file.check_size(member.size, self.subset)
                .map_err(|what| StageError::new(format!("`{}`: {what}", path.display())))?;
            let bytes = read_member(member, input)
                .map_err(|error| StageError::caused(format!("`{}` is truncated", path.display()), error))?;
            file.check_md5(&bytes)
                .map_err(|what| StageError::new(format!("`{}`: {what}", path.display())))?;
            match files.insert(file.name, bytes) {
                None => Ok(()),
                Some(_) => {
                    let what = format!("`{}` holds the file `{base}` twice", path.display());
                    Err(StageError::new(what))
                }
            }
        })?;
        let missing: Vec<&str> =
            official.files.iter().map(|file| file.name).filter(|name| !files.contains_key(name)).collect();
        if missing.is_empty() {
            return Ok(Members { path: path.clone(), files });
        }
        let what = format!(
            "`{}`: expected the files of {} (`{}`), found none of the name `{}`",
            path.display(),
            official.name,
            official.file,
            missing.join("`, `")
        );
        Err(StageError::new(what).hint("another archive, or one that was cut off?"))
    }
}

impl OfficialFile {
    fn check_size(&self, found: u64, subset: bool) -> Result<(), String> {
        let (name, expected) = (self.name, self.size);
        match expected {
            0 if found > MAX_NAMES => {
                Err(format!("`{name}` has {found} bytes, expected a list of at most {MAX_NAMES}"))
            }
            1.. if found != expected && !subset => {
                Err(format!("`{name}` has {found} bytes, expected {expected}"))
            }
            _ => Ok(()),
        }
    }

    fn check_md5(&self, bytes: &[u8]) -> Result<(), String> {
        if self.md5.is_empty() || bytes.len() as u64 != self.size {
            return Ok(());
        }
        let found = Md5::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        if found == self.md5 {
            return Ok(());
        }
        Err(format!("`{}` has the MD5 {found}, expected the official {}", self.name, self.md5))
    }
}

impl Members {
    /// Takes a file's bytes, which must be records of `record` bytes.
    pub(crate) fn records(&mut self, name: &str, record: usize) -> Result<Vec<u8>, StageError> {
        let bytes = self.files.remove(name).unwrap_or_default();
        if bytes.len().is_multiple_of(record) {
            return Ok(bytes);
        }
        Err(StageError::new(format!(
            "`{}`: `{name}` has {} bytes, expected a multiple of {record}, the bytes of an image",
            self.path.display(),
            bytes.len()
        )))
    }

    /// Takes a list of class names, one a line, of which there must be `n`.
    pub(crate) fn names(&mut self, name: &str, n: usize) -> Result<Vec<String>, StageError> {
        let bytes = self.files.remove(name).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<String> =
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        if names.len() == n {
            return Ok(names);
        }
        Err(StageError::new(format!(
            "`{}`: expected {n} class names in `{name}`, found {}",
            self.path.display(),
            names.len()
        )))
    }

    /// The archive, for errors.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

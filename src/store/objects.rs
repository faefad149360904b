//! Objects in their places: whether they are there and whole, and the entries and parts of artifacts.
//!
//! Whether an object is there is looked at by its size and date alone; whoever reads its bytes hashes
//! them on the way (see `layout`). One whose bytes are not its digest's is quarantined, so that the
//! step that made it makes it again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use igpt_contract::Digest;

use super::artifact::{Artifact, Content, Form, TreeEntry};
use super::manifest::{self, list};
use super::{Result, Store, StoreError};

/// So many bytes tell a manifest from other files.
const HEAD: u64 = 64;

/// The modification time of every object.
pub(super) fn object_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1)
}

impl Store {
    /// Whether an object is there and untouched since it was admitted. A touched one is hashed:
    /// if its bytes are still right it is dated back, else it is quarantined. One that cannot be read
    /// now is no use now, but it may be whole: it stays.
    pub(super) fn is_intact(&self, digest: &Digest, size: u64) -> bool {
        let Ok(meta) = fs::symlink_metadata(self.object_path(digest)) else { return false };
        if meta.len() == size && meta.modified().is_ok_and(|time| time == object_time()) {
            return true;
        }
        self.hash_matches(digest, size)
    }

    /// Whether an object is there with the bytes of its digest, by hashing them. A damaged one is set
    /// aside, a touched one dated back.
    pub(super) fn hash_matches(&self, digest: &Digest, size: u64) -> bool {
        let path = self.object_path(digest);
        let Ok((found, length)) = hash_file(&path) else { return false };
        if found == *digest {
            let _ = self.date(&path);
            return length == size;
        }
        let _ = self.quarantine(&path);
        false
    }

    /// Dates an object as all objects are, where it is not. That needs no write permission, only
    /// ownership.
    pub(super) fn date(&self, path: &Path) -> Result<()> {
        let dated = File::open(path).and_then(|file| {
            if file.metadata()?.modified()? == object_time() {
                return Ok(());
            }
            file.set_modified(object_time())
        });
        dated.map_err(|e| StoreError::io("date", path, e))
    }

    /// The entries of an artifact, sorted by name; a single file is one entry with an empty name.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where a manifest is not there or damaged (it is quarantined then);
    /// [`StoreError::NotTree`] where it is of another version.
    pub fn entries(&self, artifact: &Artifact) -> Result<Vec<TreeEntry>> {
        let digest = artifact.digest;
        if artifact.form == Form::File {
            let content = Content::File { digest, size: artifact.bytes, executable: false };
            return Ok(vec![TreeEntry { name: PathBuf::new(), content }]);
        }
        self.manifest_entries(&digest)
    }

    /// The entries of the manifest with this digest.
    pub(super) fn manifest_entries(&self, digest: &Digest) -> Result<Vec<TreeEntry>> {
        let digest = *digest;
        let text = self.supplied(None, || self.read_object(digest))?;
        manifest::parse(&text).map_err(|what| StoreError::NotTree { digest, what })
    }

    /// The bytes of an object, checked.
    fn read_object(&self, digest: Digest) -> Result<Vec<u8>> {
        let path = self.object_path(&digest);
        let bytes = fs::read(&path).map_err(|e| unreadable(digest, &path, e))?;
        if Digest::of(&bytes) == digest {
            return Ok(bytes);
        }
        let _ = self.quarantine(&path);
        Err(StoreError::Missing { digest })
    }

    /// Whether an object begins like a manifest.
    pub(super) fn is_manifest(&self, digest: &Digest) -> bool {
        let mut head = Vec::new();
        let read =
            File::open(self.object_path(digest)).and_then(|file| file.take(HEAD).read_to_end(&mut head));
        read.is_ok() && manifest::is_manifest(&head)
    }

    /// A part of a tree: one of its folders as a tree, or one of its files. A folder's manifest is
    /// kept, so that the part is an artifact like any other. A number names the part of that number,
    /// however it is padded: `checkpoints/1000` is `checkpoints/00001000`.
    ///
    /// # Errors
    /// [`StoreError::NoPart`], or that the tree's manifest is missing.
    pub fn part(&self, artifact: &Artifact, part: &str) -> Result<Artifact> {
        self.insert_entries(&mut self.part_entries(artifact, part)?)
    }

    /// The same as [`Self::part`] without writing anything: for plans.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub fn peek_part(&self, artifact: &Artifact, part: &str) -> Result<Artifact> {
        Ok(list(&mut self.part_entries(artifact, part)?).artifact)
    }

    /// What goes to a path: of a folder the one file of that path's extension, where there is exactly one
    /// and it is no deeper than the folder; else the whole artifact. A table at `t.tex` is its LaTeX, a
    /// step's metrics at `m.json` are the file.
    ///
    /// # Errors
    /// That the folder's manifest is missing.
    pub fn fitting(&self, artifact: &Artifact, path: &Path) -> Result<Artifact> {
        let Some(extension) = path.extension().filter(|_| !artifact.is_file()) else { return Ok(*artifact) };
        let entries = self.entries(artifact)?;
        let mut fitting = entries.iter().filter(|entry| {
            entry.name.extension() == Some(extension) && entry.name.components().count() == 1
        });
        let one = fitting.next().filter(|_| fitting.next().is_none());
        let Some(Content::File { digest, size, executable: false }) = one.map(|entry| &entry.content) else {
            return Ok(*artifact);
        };
        Ok(Artifact { digest: *digest, form: Form::File, bytes: *size, files: 1 })
    }

    /// Whether all files of an artifact, or of a part of it, are in the store, and untouched. (The
    /// manifest of a part is made when somebody reads it.)
    ///
    /// # Errors
    /// As [`Self::part`], but that a missing manifest is an answer.
    pub fn has(&self, artifact: &Artifact, part: Option<&str>) -> Result<bool> {
        let entries = match part {
            None => self.entries(artifact),
            Some(part) => self.part_entries(artifact, part),
        };
        match entries {
            Ok(entries) => Ok(self.are_intact(&entries)),
            Err(StoreError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn are_intact(&self, entries: &[TreeEntry]) -> bool {
        entries.iter().filter_map(TreeEntry::file).all(|(digest, size)| self.is_intact(&digest, size))
    }

    pub(super) fn part_entries(&self, artifact: &Artifact, part: &str) -> Result<Vec<TreeEntry>> {
        let all = self.entries(artifact)?;
        let inside = |entry: &TreeEntry| {
            let name = entry.name.strip_prefix(part).ok()?.to_owned();
            Some(TreeEntry { name, ..entry.clone() })
        };
        let entries: Vec<TreeEntry> = all.iter().filter_map(inside).collect();
        if entries.is_empty() || part.is_empty() {
            let first = |entry: &TreeEntry| match entry.name.components().next() {
                Some(Component::Normal(name)) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            };
            let has: BTreeSet<String> = all.iter().filter_map(first).collect();
            let same: Vec<&String> = has.iter().filter(|name| same_number(name, part)).collect();
            if let [name] = same[..]
                && name != part
            {
                return self.part_entries(artifact, name);
            }
            let has = has.into_iter().collect();
            return Err(StoreError::NoPart { digest: artifact.digest, part: part.to_owned(), has });
        }
        let leaves = |entry: &&TreeEntry| match &entry.content {
            Content::Link { target } => !manifest::stays_inside(&entry.name, target),
            // A part that is an empty folder has no content of its own.
            Content::EmptyFolder => entry.name.as_os_str().is_empty(),
            Content::File { .. } => false,
        };
        if let Some(entry) = entries.iter().find(leaves) {
            let what = match entry.content {
                Content::Link { .. } => "a symbolic link that leaves the part",
                _ => "an empty folder",
            };
            return Err(StoreError::NotContent { path: Path::new(part).join(&entry.name), what });
        }
        Ok(entries)
    }

    /// The bytes of one entry, checked; none where there is no such file.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where it is gone or damaged (it is quarantined then).
    pub fn read_entry(&self, artifact: &Artifact, name: &Path) -> Result<Option<Vec<u8>>> {
        let entries = self.entries(artifact)?;
        let Some((digest, size)) = entries.iter().find(|entry| entry.name == name).and_then(TreeEntry::file)
        else {
            return Ok(None);
        };
        self.supplied(Some(size), || self.read_object(digest)).map(Some)
    }

    /// Whether everything of an artifact is in the store, and untouched.
    pub fn contains(&self, artifact: &Artifact) -> bool {
        self.entries(artifact).is_ok_and(|entries| self.are_intact(&entries))
    }

    /// The objects of an artifact, or of a part of it: the manifest of the whole where it has one, and the files.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the manifest or a file is not there; [`StoreError::NoPart`].
    pub fn objects(&self, artifact: &Artifact, part: Option<&str>) -> Result<BTreeSet<Digest>> {
        let mut objects: BTreeSet<Digest> = BTreeSet::from([artifact.digest]);
        let entries = match part {
            None => self.entries(artifact)?,
            Some(part) => self.part_entries(artifact, part)?,
        };
        for (digest, size) in entries.iter().filter_map(TreeEntry::file) {
            let look = || self.is_intact(&digest, size).then_some(()).ok_or(StoreError::Missing { digest });
            self.supplied(Some(size), look)?;
            objects.insert(digest);
        }
        Ok(objects)
    }

    /// Where the bytes of a file are. Read-only.
    pub fn path_of_file(&self, digest: &Digest) -> PathBuf {
        self.object_path(digest)
    }
}

/// What an object is that could not be read: gone, where it is not there or the disk lost it; any
/// other refusal (too many open files, no rights) says nothing of it.
pub(super) fn unreadable(digest: Digest, path: &Path, error: io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::EIO) {
        return StoreError::Missing { digest };
    }
    StoreError::io("read", path, error)
}

/// The digest and size of a file.
pub(super) fn hash_file(path: &Path) -> Result<(Digest, u64)> {
    igpt_contract::hash_file(path).map_err(|e| StoreError::io("read", path, e))
}

/// Whether two names are one number, padded with zeros or not.
fn same_number(a: &str, b: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(a) && digits(b) && a.trim_start_matches('0') == b.trim_start_matches('0')
}

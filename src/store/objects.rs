//! Objects: content going into the store, and coming out of it as read-only links.
//!
//! Every object carries the same modification time, one second after the epoch. Whoever writes into
//! an object moves that time; the next look-up sees it, hashes the object again and sets a damaged
//! one aside. So an edited object is noticed on use, at the price of the `stat` that is made anyway.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use igpt_contract::Digest;
use rayon::prelude::*;

use super::artifact::{self, Artifact, Entry, Form};
use super::disk::{hash_file, walk};
use super::{Result, Store, StoreError, durable};

/// Trees with more files than this are admitted by several threads, so that syncs overlap.
const FEW: usize = 4;

fn object_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1)
}

impl Store {
    /// Moves a file or folder into the store, durably. What was there is gone afterwards (parts of
    /// a folder may be gone after an error, too). Links to this store's own objects are taken for
    /// the objects, so that `cp -r` of an input works; other links are refused.
    ///
    /// # Errors
    /// [`StoreError::NotContent`] for links, pipes and devices; else what the system said.
    pub fn admit(&self, path: &Path) -> Result<Artifact> {
        let meta = fs::symlink_metadata(path).map_err(|e| StoreError::io("read", path, e))?;
        let artifact = if meta.is_dir() {
            let files = walk(path)?;
            let admit = |(name, meta): &(PathBuf, Metadata)| -> Result<Entry> {
                let (digest, size) = self.admit_file(&path.join(name), meta)?;
                Ok(Entry { name: name.clone(), digest, size })
            };
            let mut entries = if files.len() > FEW {
                files.par_iter().map(admit).collect::<Result<Vec<_>>>()?
            } else {
                files.iter().map(admit).collect::<Result<Vec<_>>>()?
            };
            let _ = fs::remove_dir_all(path);
            self.admit_manifest(&mut entries)?
        } else {
            let (digest, size) = self.admit_file(path, &meta)?;
            artifact::file(digest, size)
        };
        Ok(artifact)
    }

    /// Keeps a tree of small files that are in memory: name and bytes of each.
    ///
    /// # Errors
    /// What the system said.
    pub fn admit_files(&self, files: &[(&str, &[u8])]) -> Result<Artifact> {
        let mut entries = Vec::with_capacity(files.len());
        for (name, bytes) in files {
            let digest = self.admit_bytes(bytes)?;
            entries.push(Entry { name: PathBuf::from(name), digest, size: bytes.len() as u64 });
        }
        let artifact = self.admit_manifest(&mut entries)?;
        Ok(artifact)
    }

    /// The artifact that [`Self::admit_files`] would make, without writing anything: for plans.
    pub fn peek_files(&self, files: &[(&str, &[u8])]) -> Artifact {
        let entry = |(name, bytes): &(&str, &[u8])| Entry {
            name: PathBuf::from(name),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        };
        let mut entries: Vec<Entry> = files.iter().map(entry).collect();
        let text = artifact::manifest(&mut entries);
        artifact::tree(&text, &entries)
    }

    fn admit_manifest(&self, entries: &mut [Entry]) -> Result<Artifact> {
        let text = artifact::manifest(entries);
        self.admit_bytes(text.as_bytes())?;
        Ok(artifact::tree(&text, entries))
    }

    fn admit_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.is_sound(&digest, bytes.len() as u64) {
            let (aside, file) = durable::write_aside(&self.tmp_dir(), bytes)?;
            self.place(&aside, &file, &digest).inspect_err(|_| drop(fs::remove_file(&aside)))?;
        }
        Ok(digest)
    }

    /// One file into its place.
    fn admit_file(&self, path: &Path, meta: &Metadata) -> Result<(Digest, u64)> {
        if meta.is_symlink() {
            return self.own_object(path);
        }
        if !meta.is_file() {
            return Err(StoreError::NotContent {
                path: path.to_owned(),
                what: "neither a file nor a folder",
            });
        }
        // A second name for the same bytes could write into the object later: take a copy.
        if meta.nlink() == 1 {
            let (digest, size) = hash_file(path)?;
            if self.is_sound(&digest, size) {
                fs::remove_file(path).map_err(|e| StoreError::io("remove", path, e))?;
                return Ok((digest, size));
            }
            match self.place(path, &open(path)?, &digest) {
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {}
                other => return other.map(|()| (digest, size)),
            }
        }
        let aside = durable::fresh(&self.tmp_dir());
        let copied = (|| {
            fs::copy(path, &aside).map_err(|e| StoreError::io("copy", path, e))?;
            let (digest, size) = hash_file(&aside)?;
            self.place(&aside, &open(&aside)?, &digest)?;
            fs::remove_file(path).map_err(|e| StoreError::io("remove", path, e))?;
            Ok((digest, size))
        })();
        copied.inspect_err(|_| drop(fs::remove_file(&aside)))
    }

    /// Seals a file (read-only, dated, synced) and renames it to its digest.
    fn place(&self, from: &Path, file: &File, digest: &Digest) -> Result<()> {
        let sealed = (|| {
            file.set_permissions(Permissions::from_mode(0o444))?;
            file.set_modified(object_time())?;
            file.sync_all()
        })();
        sealed.map_err(|e| StoreError::io("sync", from, e))?;
        durable::rename(from, &self.object_path(digest))
    }

    /// The object that a link leads to, if it is one of this store's.
    fn own_object(&self, link: &Path) -> Result<(Digest, u64)> {
        let refused = || StoreError::NotContent { path: link.to_owned(), what: "a symbolic link" };
        let target = link.canonicalize().map_err(|_| refused())?;
        let name = target.strip_prefix(self.root().join("objects-v1")).map_err(|_| refused())?;
        let hex: String = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let digest = hex.parse().map_err(|_| refused())?;
        let size = fs::metadata(&target).map_err(|e| StoreError::io("read", &target, e))?.len();
        let sound = self.is_sound(&digest, size);
        let _ = fs::remove_file(link);
        if sound { Ok((digest, size)) } else { Err(StoreError::Missing { digest }) }
    }

    /// Whether an object is there and untouched since it was admitted. A touched one is hashed:
    /// if its bytes are still right it is dated back, else it is set aside. One that cannot be read
    /// now is no use now, but it may be whole: it stays.
    pub(super) fn is_sound(&self, digest: &Digest, size: u64) -> bool {
        let path = self.object_path(digest);
        let Ok(meta) = fs::symlink_metadata(&path) else { return false };
        if meta.len() == size && meta.modified().is_ok_and(|time| time == object_time()) {
            return true;
        }
        let Ok((found, _)) = hash_file(&path) else { return false };
        if found == *digest {
            // Dating back needs no write permission, only ownership; where it fails we hash again.
            let _ = File::open(&path).and_then(|file| file.set_modified(object_time()));
            return meta.len() == size;
        }
        let _ = self.quarantine(&path);
        false
    }

    /// The files of an artifact, sorted by name; a file artifact is one entry with an empty name.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::NotTree`] where a tree's manifest cannot be used.
    pub fn entries(&self, artifact: &Artifact) -> Result<Vec<Entry>> {
        let digest = artifact.digest;
        match artifact.form {
            Form::File => Ok(vec![Entry { name: PathBuf::new(), digest, size: artifact.bytes }]),
            Form::Tree => {
                let text = fs::read(self.object_path(&digest)).map_err(|_| StoreError::Missing { digest })?;
                if Digest::of(&text) != digest {
                    return Err(StoreError::Missing { digest });
                }
                artifact::parse(&text).map_err(|what| StoreError::NotTree { digest, what })
            }
        }
    }

    /// A part of a tree: one of its folders as a tree, or one of its files. A folder's manifest is
    /// kept, so that the part is an artifact like any other. A number names the part of that number,
    /// however it is padded: `checkpoints/1000` is `checkpoints/00001000`.
    ///
    /// # Errors
    /// [`StoreError::NoPart`], or that the tree's manifest is missing.
    pub fn part(&self, artifact: &Artifact, part: &str) -> Result<Artifact> {
        let mut entries = self.part_entries(artifact, part)?;
        if let [entry] = &*entries
            && entry.name.as_os_str().is_empty()
        {
            return Ok(artifact::file(entry.digest, entry.size));
        }
        let artifact = self.admit_manifest(&mut entries)?;
        Ok(artifact)
    }

    /// The same as [`Self::part`] without writing anything: for plans.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub fn peek_part(&self, artifact: &Artifact, part: &str) -> Result<Artifact> {
        let mut entries = self.part_entries(artifact, part)?;
        Ok(match &*entries {
            [entry] if entry.name.as_os_str().is_empty() => artifact::file(entry.digest, entry.size),
            _ => {
                let text = artifact::manifest(&mut entries);
                artifact::tree(&text, &entries)
            }
        })
    }

    fn part_entries(&self, artifact: &Artifact, part: &str) -> Result<Vec<Entry>> {
        let all = self.entries(artifact)?;
        let inside = |entry: &Entry| {
            let name = entry.name.strip_prefix(part).ok()?.to_owned();
            Some(Entry { name, ..entry.clone() })
        };
        let entries: Vec<Entry> = all.iter().filter_map(inside).collect();
        if entries.is_empty() || part.is_empty() {
            let first = |entry: &Entry| match entry.name.components().next() {
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
        Ok(entries)
    }

    /// Whether everything of an artifact is in the store, and untouched.
    pub fn contains(&self, artifact: &Artifact) -> bool {
        match artifact.form {
            Form::File => self.is_sound(&artifact.digest, artifact.bytes),
            Form::Tree => self
                .entries(artifact)
                .is_ok_and(|entries| entries.iter().all(|entry| self.is_sound(&entry.digest, entry.size))),
        }
    }

    /// Where the bytes of a file artifact (or of one entry) are. Read-only.
    pub fn path_of_file(&self, digest: &Digest) -> PathBuf {
        self.object_path(digest)
    }

    /// Lays an artifact out for reading: a tree as a folder of links into the store, a file as one
    /// link. `to` must not exist, its parent must.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where an object is gone or damaged; else what the system said.
    pub fn materialise(&self, artifact: &Artifact, to: &Path) -> Result<()> {
        let link = |digest: &Digest, size: u64, to: &Path| {
            if !self.is_sound(digest, size) {
                return Err(StoreError::Missing { digest: *digest });
            }
            std::os::unix::fs::symlink(self.object_path(digest), to)
                .map_err(|e| StoreError::io("link", to, e))
        };
        if artifact.form == Form::File {
            return link(&artifact.digest, artifact.bytes, to);
        }
        let entries = self.entries(artifact)?;
        fs::create_dir(to).map_err(|e| StoreError::io("create", to, e))?;
        let mut last = PathBuf::new();
        for entry in &entries {
            let path = to.join(&entry.name);
            if let Some(folder) = entry.name.parent()
                && folder != last
            {
                let folder_path = to.join(folder);
                fs::create_dir_all(&folder_path).map_err(|e| StoreError::io("create", &folder_path, e))?;
                last = folder.to_owned();
            }
            link(&entry.digest, entry.size, &path)?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| StoreError::io("open", path, e))
}

/// Whether two names are one number, padded with zeros or not.
fn same_number(a: &str, b: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(a) && digits(b) && a.trim_start_matches('0') == b.trim_start_matches('0')
}

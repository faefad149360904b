//! Digests of files and folders outside the store: hashed once, then known by what `lstat` says.
//!
//! A digest is believed while path, size, modification time, inode and change time are those of
//! when the file was hashed. That alone is not enough: a file written again within one tick of the
//! file system's clock keeps its times. So, as git does with its index, a file whose times are not
//! older than one tick when its hashing began is hashed again next time (the racy rule). The tick is
//! taken as 20 ms (the kernel stamps files from a clock of 1 to 10 ms), or as 2 s where the times
//! are whole seconds, as on FAT and old network file systems. Before a large file is hashed we wait
//! out a fine tick: 20 ms now are cheaper than hashing it twice.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use igpt_contract::Digest;

use super::artifact::{self, Artifact, Entry};
use super::disk::{hash_file, walk};
use super::export::Notes;
use super::foresight::Foresight;
use super::index::{Id, Index, Row, id};
use super::{Result, Store, StoreError};

/// Waiting is worth it from this size on (hashing takes about as long as the wait).
const LARGE: u64 = 32 << 20;

const FINE_TICK: u64 = 20_000_000;
const COARSE_TICK: u64 = 2_000_000_000;

/// What is known of files outside the store, and of the last records of steps. Reading is free of
/// locks; what was learnt is written by [`Files::flush`], once a run.
#[derive(Debug)]
pub struct Files {
    index: Index,
    /// What was exported before; read when it is first needed.
    pub(super) notes: Option<Notes>,
    foresight: Foresight,
}

impl Files {
    /// What is known so far. Never fails: without an index everything is hashed.
    pub fn open(store: &Store) -> Self {
        Self { index: Index::open(store), notes: None, foresight: Foresight::default() }
    }

    /// The same with look-ups that were begun before.
    #[must_use]
    pub fn with(self, foresight: Foresight) -> Self {
        Self { foresight, ..self }
    }

    /// What a key led to, as [`Store::outputs`]: looked up ahead or now.
    pub fn outputs(&self, store: &Store, key: &Digest) -> Option<BTreeMap<String, Artifact>> {
        self.foresight.take(key).or_else(|| store.outputs(key))
    }

    /// The digest of a file or folder on disk as an artifact, which is not copied into the store.
    /// Links inside a folder are refused; `path` itself may be one.
    ///
    /// # Errors
    /// [`StoreError::NotContent`] for links in a folder, pipes and devices; else what the system said.
    pub fn artifact(&mut self, path: &Path) -> Result<Artifact> {
        let path = path.canonicalize().map_err(|e| StoreError::io("read", path, e))?;
        let meta = fs::metadata(&path).map_err(|e| StoreError::io("read", &path, e))?;
        if !meta.is_dir() {
            let (digest, size) = self.file(&path, &meta)?;
            return Ok(artifact::file(digest, size));
        }
        let mut entries = Vec::new();
        for (name, meta) in walk(&path)? {
            let (digest, size) = self.file(&path.join(&name), &meta)?;
            entries.push(Entry { name, digest, size });
        }
        let text = artifact::manifest(&mut entries);
        Ok(artifact::tree(&text, &entries))
    }

    /// The time by which a later [`Self::still_holds`] judges what was hashed from now on.
    pub fn now() -> u64 {
        now()
    }

    /// Whether a file or folder is still what it was when it was hashed, not before `since`.
    /// Costs a `stat` of each file, where none was written meanwhile; else they are hashed again.
    ///
    /// # Errors
    /// What the system said.
    pub fn still_holds(store: &Store, path: &Path, expected: &Artifact, since: u64) -> Result<bool> {
        let path = path.canonicalize().map_err(|e| StoreError::io("read", path, e))?;
        let meta = fs::metadata(&path).map_err(|e| StoreError::io("read", &path, e))?;
        let files = if meta.is_dir() { walk(&path)? } else { vec![(PathBuf::new(), meta.clone())] };
        let quiet = |meta: &Metadata| newest(meta).saturating_add(tick(meta)) < since;
        let as_many = !meta.is_dir() || quiet(&meta);
        if as_many && files.iter().all(|(_, meta)| quiet(meta)) {
            return Ok(true);
        }
        Ok(Self::open(store).artifact(&path)? == *expected)
    }

    /// Writes what was learnt into the index. Answers false where another process is writing it:
    /// then some files will be hashed once more, which harms nothing.
    ///
    /// # Errors
    /// What the system said.
    pub fn flush(&mut self) -> Result<bool> {
        self.index.flush()
    }

    /// The digest and size of one file, by its stamp or by its bytes. `path` is absolute.
    pub(super) fn file(&mut self, path: &Path, meta: &Metadata) -> Result<(Digest, u64)> {
        if !meta.is_file() {
            let what = if meta.is_symlink() { "a symbolic link" } else { "neither a file nor a folder" };
            return Err(StoreError::NotContent { path: path.to_owned(), what });
        }
        let id = file_id(path);
        if let Some(row) = self.index.get(&id)
            && believed(&row, meta)
        {
            return Ok((row.digest, meta.size()));
        }
        let wait = newest(meta).saturating_add(FINE_TICK).saturating_sub(now());
        if meta.size() >= LARGE && tick(meta) == FINE_TICK && wait <= FINE_TICK {
            std::thread::sleep(Duration::from_nanos(wait));
        }
        let began = now();
        let (digest, size) = hash_file(path)?;
        // What was written while we read is not what we know: its stamp is the one of before.
        self.index.put(id, stamp(meta, began, digest));
        Ok((digest, size))
    }

    /// Says that a file that this process just wrote holds these bytes.
    pub(super) fn wrote(&mut self, path: &Path, digest: Digest) {
        if let Ok(meta) = fs::symlink_metadata(path) {
            self.index.put(file_id(path), stamp(&meta, now(), digest));
        }
    }

    /// The key with which a step was last done or reused, and the last other key before it.
    pub fn last_keys(&self, pipeline: &str, step: &str) -> Vec<Digest> {
        ["last", "before"]
            .iter()
            .filter_map(|which| Some(self.index.get(&step_id(which, pipeline, step))?.digest))
            .collect()
    }

    /// Remembers the key with which a step was done or reused.
    pub fn remember(&mut self, pipeline: &str, step: &str, key: Digest) {
        let last = step_id("last", pipeline, step);
        if let Some(row) = self.index.get(&last) {
            if row.digest == key {
                return;
            }
            self.index.put(step_id("before", pipeline, step), row);
        }
        self.index.put(last, Row { numbers: [now(), 0, 0, 0, 0], digest: key });
    }

    /// Builds the index anew from the records; digests of files outside are learnt again when they
    /// are next needed. Answers how many records were read.
    ///
    /// # Errors
    /// Where another process is writing the index, or the system refuses.
    pub fn rebuild(store: &Store) -> Result<usize> {
        let mut files = Self::open(store);
        files.index.clear()?;
        let mut records: Vec<_> = store.keys()?.iter().filter_map(|key| store.peek_record(key)).collect();
        records.sort_by_key(|record| (record.finished, record.key));
        for record in &records {
            files.remember(&record.pipeline, &record.step, record.key);
        }
        files.flush()?;
        Ok(records.len())
    }
}

fn file_id(path: &Path) -> Id {
    let name: &OsStr = path.as_os_str();
    id("file", name.as_bytes())
}

fn step_id(which: &str, pipeline: &str, step: &str) -> Id {
    id(which, format!("{pipeline}\0{step}").as_bytes())
}

/// Size, modification time, inode, change time, and when the hashing began.
fn stamp(meta: &Metadata, began: u64, digest: Digest) -> Row {
    Row { numbers: [meta.size(), modified(meta), meta.ino(), changed(meta), began], digest }
}

fn believed(row: &Row, meta: &Metadata) -> bool {
    let [size, modified_then, inode, changed_then, began] = row.numbers;
    let same = size == meta.size()
        && modified_then == modified(meta)
        && inode == meta.ino()
        && changed_then == changed(meta);
    same && newest(meta).saturating_add(tick(meta)) < began
}

fn modified(meta: &Metadata) -> u64 {
    nanos(meta.mtime(), meta.mtime_nsec())
}

fn changed(meta: &Metadata) -> u64 {
    nanos(meta.ctime(), meta.ctime_nsec())
}

/// The change time decides where both count: it moves with every write, and nobody can set it back.
/// Where a server's clock is ahead of ours the file is hashed every time, never believed wrongly.
fn newest(meta: &Metadata) -> u64 {
    changed(meta)
}

fn tick(meta: &Metadata) -> u64 {
    if meta.ctime_nsec() == 0 { COARSE_TICK } else { FINE_TICK }
}

fn nanos(seconds: i64, nanos: i64) -> u64 {
    // Times before 1970 wrap; they are compared for equality only.
    (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(nanos as u64)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        (dir, store)
    }

    fn past_the_tick() {
        std::thread::sleep(Duration::from_nanos(FINE_TICK + 15_000_000));
    }

    #[test]
    fn a_known_file_is_not_read_again_by_the_next_process() {
        let (dir, store) = fixture();
        let path = dir.path().join("input");
        fs::write(&path, b"pixels").unwrap();
        past_the_tick();
        let mut files = Files::open(&store);
        let first = files.artifact(&path).unwrap();
        assert!(files.flush().unwrap());
        let database = store.root().join("index.sled");
        fs::remove_dir_all(&database).unwrap();
        let mut files = Files::open(&store);
        assert_eq!(files.artifact(&path).unwrap(), first);
        assert!(files.flush().unwrap());
        assert!(!database.exists(), "nothing was learnt, so nothing was hashed");
    }

    #[test]
    fn a_file_hashed_within_a_tick_of_its_writing_is_hashed_again() {
        let (dir, store) = fixture();
        let path = dir.path().join("input");
        let mut files = Files::open(&store);
        for round in 0..50_u8 {
            // The same size and often the same stamp: only the racy rule can tell.
            fs::write(&path, [round; 6]).unwrap();
            assert_eq!(files.artifact(&path).unwrap().digest, Digest::of(&[round; 6]));
        }
    }

    #[test]
    fn an_edit_that_sets_the_old_time_again_is_seen() {
        let (dir, store) = fixture();
        let path = dir.path().join("input");
        fs::write(&path, b"old").unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        past_the_tick();
        let mut files = Files::open(&store);
        files.artifact(&path).unwrap();
        fs::write(&path, b"new").unwrap();
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(files.artifact(&path).unwrap().digest, Digest::of(b"new"));
    }

    #[test]
    fn touching_or_moving_changes_no_digest() {
        let (dir, store) = fixture();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::create_dir_all(one.join("sub")).unwrap();
        fs::write(one.join("sub/x"), b"1").unwrap();
        let mut files = Files::open(&store);
        let first = files.artifact(&one).unwrap();
        fs::rename(&one, &two).unwrap();
        fs::File::open(two.join("sub/x")).unwrap().set_modified(SystemTime::now()).unwrap();
        assert_eq!(files.artifact(&two).unwrap(), first);
    }

    #[test]
    fn a_link_inside_a_folder_is_refused_by_name() {
        let (dir, store) = fixture();
        let folder = dir.path().join("in");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
        let error = Files::open(&store).artifact(&folder).unwrap_err().to_string();
        assert!(error.contains("in/link") && error.contains("symbolic link"), "{error}");
    }

    #[test]
    fn the_last_two_keys_of_a_step_are_remembered() {
        let (_dir, store) = fixture();
        let mut files = Files::open(&store);
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        files.remember("p", "s", a);
        files.remember("p", "s", b);
        files.remember("p", "s", b);
        files.flush().unwrap();
        assert_eq!(Files::open(&store).last_keys("p", "s"), [b, a]);
        assert!(Files::open(&store).last_keys("p", "t").is_empty());
    }
}

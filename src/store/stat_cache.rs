//! Digests of files and folders outside the store: hashed once, then known by what `lstat` says.
//!
//! A digest is believed while path, size, modification time, inode and change time are those of
//! when the file was hashed. That alone is not enough: a file written again within one tick of the
//! file system's clock keeps its times. So, as git does with its index, a file whose times are not
//! older than one tick when its hashing began is hashed again next time (the racy rule). The tick is
//! taken as 20 ms (the kernel stamps files from a clock of 1 to 10 ms), or as 2 s where the times
//! are whole seconds, as on FAT and old network file systems. Before a large file is hashed we wait
//! out a fine tick: 20 ms now are cheaper than hashing it twice.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use igpt_contract::Digest;

use super::artifact::{Artifact, Content, TreeEntry};
use super::external::{ExternalContent, ExternalPath};
use super::index::{Id, Index, Row, SharedIndex, id};
use super::insert::is_executable;
use super::manifest::list;
use super::objects::hash_file;
use super::scan::{EntryKind, Scan, ScannedEntry};
use super::walk::{changed, modified};
use super::{Result, Store, StoreError};

/// Waiting is worth it from this size on (hashing takes about as long as the wait).
const LARGE: u64 = 32 << 20;

const FINE_TICK: u64 = 20_000_000;
const COARSE_TICK: u64 = 2_000_000_000;

/// Digests of files outside the store. Reading is free of locks; what was learnt is written with the
/// index, once a run.
#[derive(Debug)]
pub struct StatCache {
    index: SharedIndex,
    /// What was first read at each place in this process.
    first_read: HashMap<(PathBuf, Option<Vec<PathBuf>>), Artifact>,
}

impl StatCache {
    /// The cache in this index.
    pub(super) fn new(index: SharedIndex) -> Self {
        Self { index, first_read: HashMap::new() }
    }

    /// What lies at a place, as an artifact that is not copied into the store. Links are read by the
    /// rule of `scan`. A place that was read before must still hold the same content: two steps of a
    /// run read the same.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where it holds something else now; [`StoreError::NotContent`] for pipes,
    /// devices and cycles of links; else what the system said.
    pub fn input(&mut self, place: &ExternalPath) -> Result<ExternalContent> {
        let outside = self.read(place)?;
        let ExternalPath { path, names, .. } = place;
        let first = *self.first_read.entry((path.clone(), names.clone())).or_insert(outside.artifact);
        if first == outside.artifact {
            return Ok(outside);
        }
        let since = "since an earlier step of this run read it";
        Err(StoreError::Changed { path: path.clone(), since })
    }

    fn read(&mut self, place: &ExternalPath) -> Result<ExternalContent> {
        let hashed = now();
        let Scan { found, identity, .. } = place.scan()?;
        let mut entries = Vec::with_capacity(found.len());
        for ScannedEntry { name, path, meta, what } in found {
            let content = match what {
                EntryKind::File => {
                    let (digest, size) = self.file(&path, &meta)?;
                    Content::File { digest, size, executable: is_executable(&meta) }
                }
                EntryKind::Link { target, .. } => Content::Link { target },
                EntryKind::EmptyFolder => Content::EmptyFolder,
            };
            entries.push(TreeEntry { name, content });
        }
        let artifact = list(&mut entries).artifact;
        Ok(ExternalContent { artifact, identity, hashed })
    }

    /// Whether what lies at a place is the very same as when it was read: not written, not exchanged,
    /// nor anything on the way to it. Costs a `stat` of each file; where one was written so shortly
    /// before it was read that its times cannot tell, they are hashed again.
    ///
    /// # Errors
    /// What the system said.
    pub fn still_holds(store: &Store, place: &ExternalPath, then: &ExternalContent) -> Result<bool> {
        let Scan { identity, newest, coarse, .. } = place.scan()?;
        if identity != then.identity {
            return Ok(false);
        }
        let tick = if coarse { COARSE_TICK } else { FINE_TICK };
        if newest.saturating_add(tick) < then.hashed {
            return Ok(true);
        }
        Ok(Self::new(Index::shared(store)).read(place)?.artifact == then.artifact)
    }

    /// What lies at a place, for a machine that is another than the one that read it and knows the same file
    /// by other numbers: nothing where its content is not the same. Costs a `stat` of each file where the
    /// numbers are the same; else the files are hashed.
    ///
    /// # Errors
    /// What the system said.
    pub fn seen_here(
        store: &Store,
        place: &ExternalPath,
        then: &ExternalContent,
    ) -> Result<Option<ExternalContent>> {
        if place.scan()?.identity == then.identity {
            return Ok(Some(*then));
        }
        let here = Self::new(Index::shared(store)).read(place)?;
        Ok((here.artifact == then.artifact).then_some(here))
    }

    /// The digest and size of one file, by its stamp or by its bytes. `path` is absolute.
    pub(super) fn file(&mut self, path: &Path, meta: &Metadata) -> Result<(Digest, u64)> {
        if !meta.is_file() {
            let what = if meta.is_symlink() { "a symbolic link" } else { "neither a file nor a folder" };
            return Err(StoreError::NotContent { path: path.to_owned(), what });
        }
        let id = file_id(path);
        let known = self.index.borrow().get(&id);
        if let Some(row) = known.filter(|row| believed(row, meta)) {
            return Ok((row.digest, meta.size()));
        }
        let wait = newest(meta).saturating_add(FINE_TICK).saturating_sub(now());
        if meta.size() >= LARGE && tick(meta) == FINE_TICK && wait <= FINE_TICK {
            std::thread::sleep(Duration::from_nanos(wait));
        }
        let began = now();
        let (digest, size) = hash_file(path)?;
        // What was written while we read is not what we know: its stamp is the one of before.
        self.index.borrow_mut().put(id, stamp(meta, began, digest));
        Ok((digest, size))
    }

    /// Says that a file that this process just wrote holds these bytes.
    pub(super) fn wrote(&mut self, path: &Path, digest: Digest) {
        if let Ok(meta) = fs::symlink_metadata(path) {
            self.index.borrow_mut().put(file_id(path), stamp(&meta, now(), digest));
        }
    }
}

fn file_id(path: &Path) -> Id {
    let name: &OsStr = path.as_os_str();
    id("file", name.as_bytes())
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

/// The change time decides where both count: it moves with every write, and nobody can set it back.
/// Where a server's clock is ahead of ours the file is hashed every time, never believed wrongly.
fn newest(meta: &Metadata) -> u64 {
    changed(meta)
}

fn tick(meta: &Metadata) -> u64 {
    if meta.ctime_nsec() == 0 { COARSE_TICK } else { FINE_TICK }
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Caches;

    fn fixture() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        (dir, store)
    }

    fn at(path: &Path) -> ExternalPath {
        ExternalPath { path: path.to_owned(), ..ExternalPath::default() }
    }

    fn read(caches: &mut Caches, path: &Path) -> Artifact {
        caches.stats.read(&at(path)).unwrap().artifact
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
        let mut caches = Caches::open(&store);
        let first = read(&mut caches, &path);
        assert!(caches.flush().unwrap());
        let database = store.root().join("index.sled");
        fs::remove_dir_all(&database).unwrap();
        let mut caches = Caches::open(&store);
        assert_eq!(read(&mut caches, &path), first);
        assert!(caches.flush().unwrap());
        assert!(!database.exists(), "nothing was learnt, so nothing was hashed");
    }

    #[test]
    fn a_file_hashed_within_a_tick_of_its_writing_is_hashed_again() {
        let (dir, store) = fixture();
        let path = dir.path().join("input");
        let mut caches = Caches::open(&store);
        for round in 0..50_u8 {
            // The same size and often the same stamp: only the racy rule can tell.
            fs::write(&path, [round; 6]).unwrap();
            assert_eq!(read(&mut caches, &path).digest, Digest::of(&[round; 6]));
        }
    }

    #[test]
    fn an_edit_that_sets_the_old_time_again_is_seen() {
        let (dir, store) = fixture();
        let path = dir.path().join("input");
        fs::write(&path, b"old").unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        past_the_tick();
        let mut caches = Caches::open(&store);
        read(&mut caches, &path);
        fs::write(&path, b"new").unwrap();
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(read(&mut caches, &path).digest, Digest::of(b"new"));
    }

    #[test]
    fn touching_or_moving_changes_no_digest() {
        let (dir, store) = fixture();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::create_dir_all(one.join("sub")).unwrap();
        fs::write(one.join("sub/x"), b"1").unwrap();
        let mut caches = Caches::open(&store);
        let first = read(&mut caches, &one);
        fs::rename(&one, &two).unwrap();
        fs::File::open(two.join("sub/x")).unwrap().set_modified(SystemTime::now()).unwrap();
        assert_eq!(read(&mut caches, &two), first);
    }

    #[test]
    fn two_steps_of_a_run_read_the_same_or_the_later_fails() {
        let (dir, store) = fixture();
        let path = dir.path().join("input");
        fs::write(&path, "old").unwrap();
        let mut caches = Caches::open(&store);
        let first = caches.input(&at(&path)).unwrap();
        assert_eq!(caches.input(&at(&path)).unwrap().artifact, first.artifact);
        fs::write(&path, "new").unwrap();
        assert!(matches!(caches.input(&at(&path)), Err(StoreError::Changed { .. })));
    }

    #[test]
    fn what_was_exchanged_and_put_back_no_longer_holds() {
        let (dir, store) = fixture();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("data")).unwrap();
        fs::write(at("data/x"), "1").unwrap();
        past_the_tick();
        let place = super::tests::at(&at("data"));
        let then = Caches::open(&store).stats.read(&place).unwrap();
        let holds = || StatCache::still_holds(&store, &place, &then).unwrap();
        assert!(holds());
        fs::write(at("data/x"), "2").unwrap();
        fs::write(at("data/x"), "1").unwrap();
        assert!(!holds(), "its bytes are the same, but were not in between");
    }

    #[test]
    fn modes_links_and_empty_folders_are_content() {
        let (dir, store) = fixture();
        let folder = dir.path().join("in");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("x"), "1").unwrap();
        let mut caches = Caches::open(&store);
        let mut seen = vec![read(&mut caches, &folder)];
        fs::create_dir(folder.join("empty")).unwrap();
        seen.push(read(&mut caches, &folder));
        std::os::unix::fs::symlink("x", folder.join("link")).unwrap();
        seen.push(read(&mut caches, &folder));
        fs::set_permissions(folder.join("x"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        seen.push(read(&mut caches, &folder));
        let digests: std::collections::BTreeSet<Digest> = seen.iter().map(|one| one.digest).collect();
        assert_eq!(digests.len(), 4, "{seen:?}");
    }
}

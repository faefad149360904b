//! The index: what helps and is never the truth. It may be deleted at any moment.
//!
//! Two files. `index.sled` is the database, opened by one process at a time and only to write:
//! opening it takes 5 to 40 ms, which is more than a whole run in which nothing is to be done may
//! take. `index.snapshot` is its content as one sorted table of fixed rows, replaced in one step
//! after every write; all look-ups read it, take no lock and wait for nobody. It begins with a tag
//! and the BLAKE3 of the rows; one that is damaged, or of another version, is an empty one.
//!
//! Each of the two makes good for the other: what only the snapshot has goes back into the database
//! with the next write, so that either may be deleted.
//!
//! A row is an id (the first 16 bytes of the BLAKE3 of a namespace and a name), five numbers and a
//! digest; whoever asks knows what the numbers mean. Losing rows costs time, never correctness: a
//! process that finds the database in use by another for a second leaves its rows out.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{fs, io};

use igpt_contract::Digest;

use super::durable::{self, Durability};
use super::index_database::{catching_panics, is_damage, open_database, set_aside};
use super::{Result, Store, StoreError};

const TAG: &[u8; 16] = b"igpt-flow index2";
const HEADER: usize = TAG.len() + 32;
const ID: usize = 16;
const VALUE: usize = 5 * 8 + 32;
const ROW: usize = ID + VALUE;

pub(super) type Id = [u8; ID];

/// The index as the caches of a process share it.
pub(super) type SharedIndex = Rc<RefCell<Index>>;

/// One row's numbers and digest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) numbers: [u64; 5],
    pub(super) digest: Digest,
}

/// The id of a name in a namespace (`file`, `step`).
pub(super) fn id(namespace: &str, name: &[u8]) -> Id {
    let mut hasher = blake3::Hasher::new();
    hasher.update(namespace.as_bytes()).update(&[0]).update(name);
    let mut id = [0; ID];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..ID]);
    id
}

/// The index as one process sees it.
#[derive(Debug)]
pub(super) struct Index {
    database: PathBuf,
    snapshot: PathBuf,
    tmp: PathBuf,
    /// The snapshot's rows, sorted by id.
    rows: Vec<u8>,
    /// What this process learnt.
    learnt: HashMap<Id, Row>,
}

impl Index {
    /// The index of a store, for several caches.
    pub(super) fn shared(store: &Store) -> SharedIndex {
        Rc::new(RefCell::new(Self::open(store)))
    }

    /// Reads the snapshot; a missing or damaged one is an empty one.
    pub(super) fn open(store: &Store) -> Self {
        let snapshot = store.root().join("index.snapshot");
        let rows = read_snapshot(&snapshot);
        let database = store.root().join("index.sled");
        Self { database, snapshot, tmp: store.tmp_dir(), rows, learnt: HashMap::new() }
    }

    pub(super) fn get(&self, id: &Id) -> Option<Row> {
        if let Some(row) = self.learnt.get(id) {
            return Some(*row);
        }
        let rows = self.rows.len() / ROW;
        let (mut low, mut high) = (0, rows);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = &self.rows[middle * ROW..(middle + 1) * ROW];
            match row[..ID].cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return decode(&row[ID..]),
            }
        }
        None
    }

    pub(super) fn put(&mut self, id: Id, row: Row) {
        self.learnt.insert(id, row);
    }

    /// Writes what was learnt, once; nothing is opened where nothing was learnt. Returns whether
    /// the rows were kept (another process may be writing: then they are not).
    ///
    /// # Errors
    /// What the system said of the snapshot.
    pub(super) fn flush(&mut self) -> Result<bool> {
        if self.learnt.is_empty() {
            return Ok(true);
        }
        // sled asserts where a disk refuses, when it is dropped at the latest. The index is a help.
        let written =
            catching_panics(|| open_database(&self.database).ok().map(|database| self.write(&database)));
        let Some(written) = written.flatten() else { return Ok(false) };
        match written {
            Ok(rows) => {
                let text = [TAG.as_slice(), blake3::hash(&rows).as_bytes(), &rows].concat();
                durable::replace(&self.tmp, &self.snapshot, &text, Durability::Later)?;
                self.rows = rows;
                self.learnt.clear();
                Ok(true)
            }
            Err(error) => {
                if is_damage(&error) {
                    set_aside(&self.database);
                }
                Ok(false)
            }
        }
    }

    /// Brings the database up to date, and returns all of its rows, sorted.
    fn write(&self, database: &sled::Db) -> sled::Result<Vec<u8>> {
        for (id, row) in &self.learnt {
            database.insert(id, encode(row).as_slice())?;
        }
        let mut all = BTreeMap::new();
        for item in database.iter() {
            let (id, value) = item?;
            if let (Ok(id), Ok(value)) = (<Id>::try_from(&*id), <[u8; VALUE]>::try_from(&*value)) {
                all.insert(id, value);
            }
        }
        // The snapshot as it is now: others may have written since we read it.
        for row in read_snapshot(&self.snapshot).chunks_exact(ROW) {
            let (id, value) = row.split_at(ID);
            if let (Ok(id), Ok(value)) = (<Id>::try_from(id), <[u8; VALUE]>::try_from(value))
                && let Entry::Vacant(place) = all.entry(id)
            {
                database.insert(id, value.as_slice())?;
                place.insert(value);
            }
        }
        database.flush()?;
        let mut rows = Vec::with_capacity(all.len() * ROW);
        for (id, value) in &all {
            rows.extend_from_slice(id);
            rows.extend_from_slice(value);
        }
        Ok(rows)
    }

    /// Deletes the database and the snapshot; what was learnt in this process is written next.
    ///
    /// # Errors
    /// Where another process is writing the index, or the system refuses.
    pub(super) fn clear(&mut self) -> Result<()> {
        let removed = |path: &Path| match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, e)),
            _ => Ok(()),
        };
        if self.database.exists() {
            let refused = |e| StoreError::io("rebuild", &self.database, e);
            let database = open_database(&self.database).map_err(refused)?;
            // While the database is ours, or another process would seed a new one from the snapshot.
            removed(&self.snapshot)?;
            drop(database);
            fs::remove_dir_all(&self.database).map_err(|e| StoreError::io("remove", &self.database, e))?;
        }
        self.rows.clear();
        removed(&self.snapshot)
    }
}

/// The rows of a snapshot; none where it is missing or not what was written.
fn read_snapshot(path: &Path) -> Vec<u8> {
    let checked = |mut file: Vec<u8>| {
        let (header, rows) = file.split_at_checked(HEADER)?;
        let (tag, hash) = header.split_at(TAG.len());
        let whole = tag == TAG && rows.len().is_multiple_of(ROW) && hash == blake3::hash(rows).as_bytes();
        whole.then(|| file.split_off(HEADER))
    };
    fs::read(path).ok().and_then(checked).unwrap_or_default()
}

fn encode(row: &Row) -> [u8; VALUE] {
    let mut value = [0; VALUE];
    for (slot, number) in value.chunks_exact_mut(8).zip(row.numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    value[40..].copy_from_slice(row.digest.as_bytes());
    value
}

fn decode(value: &[u8]) -> Option<Row> {
    let (numbers, digest) = value.split_at_checked(40)?;
    let mut row = Row { numbers: [0; 5], digest: blake3::Hash::from_slice(digest).ok()?.into() };
    for (number, bytes) in row.numbers.iter_mut().zip(numbers.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().ok()?);
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    fn row(n: u64) -> Row {
        Row { numbers: [n, 1, 2, 3, u64::MAX], digest: Digest::of(&n.to_le_bytes()) }
    }

    fn name(n: u64) -> Id {
        id("file", &n.to_le_bytes())
    }

    #[test]
    fn rows_survive_the_process_through_the_snapshot() {
        let (_dir, store) = store();
        let mut index = Index::open(&store);
        (0..500).for_each(|n| index.put(name(n), row(n)));
        assert!(index.flush().unwrap());
        index.put(name(7), row(8));
        assert!(index.flush().unwrap());
        let index = Index::open(&store);
        assert!((0..500).all(|n| index.get(&name(n)) == Some(row(if n == 7 { 8 } else { n }))));
        assert_eq!(index.get(&name(500)), None);
    }

    #[test]
    fn a_second_process_goes_without_the_database() {
        let (_dir, store) = store();
        let _held = open_database(&store.root().join("index.sled")).unwrap();
        let mut index = Index::open(&store);
        index.put(name(1), row(1));
        assert!(!index.flush().unwrap());
        assert_eq!(index.get(&name(1)), Some(row(1)));
    }

    #[test]
    fn damage_costs_the_rows_and_nothing_else() {
        let (_dir, store) = store();
        let mut index = Index::open(&store);
        index.put(name(1), row(1));
        index.flush().unwrap();
        fs::write(store.root().join("index.snapshot"), b"garbage").unwrap();
        for file in fs::read_dir(store.root().join("index.sled")).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                fs::write(path, b"garbage").unwrap();
            }
        }
        let mut index = Index::open(&store);
        assert_eq!(index.get(&name(1)), None);
        index.put(name(2), row(2));
        index.flush().unwrap();
        index.put(name(3), row(3));
        assert!(index.flush().unwrap());
        assert_eq!(Index::open(&store).get(&name(3)), Some(row(3)));
    }
}

//! The index: what helps and is never the truth. It may be deleted at any moment.
//!
//! Two files. `index.sled` is the database, opened by one process at a time and only to write:
//! opening it takes 5 to 40 ms, which is more than a whole run in which nothing is to be done may
//! take. `index.snapshot` is its content as one sorted table of fixed rows, replaced in one step
//! after every write; all look-ups read it, take no lock and wait for nobody.
//!
//! A row is an id (the first 16 bytes of the BLAKE3 of a namespace and a name), five numbers and a
//! digest; whoever asks knows what the numbers mean. Losing rows costs time, never correctness: a
//! process that finds the database in use by another leaves its rows out.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::durable::{self, Sync};
use super::{Result, Store, StoreError};

const HEADER: &[u8; 16] = b"igpt-flow index1";
const ID: usize = 16;
const VALUE: usize = 5 * 8 + 32;
const ROW: usize = ID + VALUE;

pub(super) type Id = [u8; ID];

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
    /// Reads the snapshot; a missing or damaged one is an empty one.
    pub(super) fn open(store: &Store) -> Self {
        let snapshot = store.root().join("index.snapshot");
        let rows = fs::read(&snapshot).ok().and_then(checked).unwrap_or_default();
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

    /// Writes what was learnt, once; nothing is opened where nothing was learnt. Answers whether
    /// the rows were kept (another process may be writing: then they are not).
    ///
    /// # Errors
    /// What the system said of the snapshot.
    pub(super) fn flush(&mut self) -> Result<bool> {
        if self.learnt.is_empty() {
            return Ok(true);
        }
        let Some(database) = open_database(&self.database) else { return Ok(false) };
        match self.write(&database) {
            Ok(rows) => {
                let text = [HEADER.as_slice(), &rows].concat();
                durable::replace(&self.tmp, &self.snapshot, &text, Sync::Later)?;
                self.rows = rows;
                self.learnt.clear();
                Ok(true)
            }
            Err(_) => {
                drop(database);
                set_aside(&self.database);
                Ok(false)
            }
        }
    }

    fn write(&self, database: &sled::Db) -> sled::Result<Vec<u8>> {
        for (id, row) in &self.learnt {
            database.insert(id, encode(row).as_slice())?;
        }
        database.flush()?;
        let mut rows = Vec::with_capacity(self.rows.len() + self.learnt.len() * ROW);
        for item in database.iter() {
            let (id, value) = item?;
            if id.len() == ID && value.len() == VALUE {
                rows.extend_from_slice(&id);
                rows.extend_from_slice(&value);
            }
        }
        Ok(rows)
    }

    /// Deletes the database and the snapshot; what was learnt in this process is written next.
    ///
    /// # Errors
    /// Where another process is writing the index, or the system refuses.
    pub(super) fn clear(&mut self) -> Result<()> {
        if self.database.exists() {
            let Some(database) = open_database(&self.database) else {
                let busy = std::io::Error::new(
                    std::io::ErrorKind::WouldBlock,
                    "another process is writing the index",
                );
                return Err(StoreError::io("rebuild", &self.database, busy));
            };
            drop(database);
            fs::remove_dir_all(&self.database).map_err(|e| StoreError::io("remove", &self.database, e))?;
        }
        self.rows.clear();
        match fs::remove_file(&self.snapshot) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &self.snapshot, e))
            }
            _ => Ok(()),
        }
    }
}

/// Opens the database; `None` while another process has it. A damaged one is set aside, and an
/// empty one takes its place.
fn open_database(path: &Path) -> Option<sled::Db> {
    let config = || {
        sled::Config::new()
            .path(path)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(16 << 20)
            // One flush a run: no thread that writes on its own.
            .flush_every_ms(None)
    };
    match config().open() {
        Ok(database) => Some(database),
        // The lock of another process is an I/O error like any other here; only the text tells.
        Err(sled::Error::Io(e)) if e.to_string().contains("lock") => None,
        Err(_) => {
            set_aside(path);
            config().open().ok()
        }
    }
}

fn set_aside(path: &Path) {
    let aside = path.with_extension("sled.damaged");
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::rename(path, &aside);
}

fn checked(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let whole = file.starts_with(HEADER) && (file.len() - HEADER.len()).is_multiple_of(ROW);
    whole.then(|| file.split_off(HEADER.len()))
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

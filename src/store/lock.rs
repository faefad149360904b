//! Locks: one worker for one key, across processes. They are the system's advisory locks, so they
//! die with their process and nobody ever has to unlock by hand.

use std::fs::{self, File, TryLockError};
use std::io;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use igpt_contract::Digest;

use super::{Live, Record, Result, Store, StoreError, durable};

/// The right to work on a key, until it is dropped or its process dies. Whoever gets one must look
/// the record up again: another process may have committed it in the meantime.
#[derive(Debug)]
pub struct KeyLock {
    store: Store,
    key: Digest,
    file: File,
    path: PathBuf,
    _live: Live,
}

impl Store {
    /// The right to work on a key, or `None` while another process (or thread) has it.
    ///
    /// # Errors
    /// Where the lock file cannot be opened or locked.
    pub fn try_lock(&self, key: &Digest) -> Result<Option<KeyLock>> {
        let path = self.lock_path(key);
        loop {
            let file = durable::lock_file(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, e)),
            }
            if let Some(lock) = self.claim(key, file, &path)? {
                return Ok(Some(lock));
            }
        }
    }

    /// Who works on a key (`process 123 on host`), for whoever is told to wait; `None` where nobody
    /// does.
    pub fn holder(&self, key: &Digest) -> Option<String> {
        let mut file = File::open(self.lock_path(key)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).ok()?;
                Some(text.trim().to_owned())
            }
            _ => None,
        }
    }

    fn lock_path(&self, key: &Digest) -> PathBuf {
        self.root().join("locks-v1").join(key.to_string())
    }

    /// Makes a lock of a locked file, unless the file was unlinked before we had it locked.
    fn claim(&self, key: &Digest, mut file: File, path: &Path) -> Result<Option<KeyLock>> {
        let failed = |e| StoreError::io("lock", path, e);
        let ours = file.metadata().map_err(failed)?.ino();
        if fs::metadata(path).map_or(true, |there| there.ino() != ours) {
            return Ok(None);
        }
        // For `holder`: no more than words for people.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {} on {}", std::process::id(), host()));
        let live = self.live()?;
        let (store, path) = (self.clone(), path.to_owned());
        Ok(Some(KeyLock { store, key: *key, file, path, _live: live }))
    }
}

impl KeyLock {
    /// The lock as an empty input of a child process. The lock is that of the open file, so the key
    /// stays locked until the child has ended too, even when this process is killed.
    ///
    /// # Errors
    /// What the system said.
    pub fn as_input(&self) -> io::Result<Stdio> {
        // What is in it was written through this very descriptor, which is at its end.
        self.file.try_clone().map(Stdio::from)
    }

    /// The key that is locked.
    pub fn key(&self) -> &Digest {
        &self.key
    }

    /// Commits the step's result: checks that every output is in the store, writes the record
    /// durably, deletes the step's scratch and checkpoints, and gives the key free. This is the only
    /// way to a record.
    ///
    /// # Errors
    /// [`StoreError::NotCommitted`] where the record is of another key or lacks an output; else
    /// what the system said. Nothing is recorded then, and nothing deleted.
    pub fn commit(self, record: &Record) -> Result<()> {
        if record.key != self.key {
            let what = format!("the lock is of {}", self.key.short());
            return Err(StoreError::NotCommitted { key: record.key, what });
        }
        self.store.write_record(record)?;
        self.store.clean_up(&self.key);
        Ok(())
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Unlinked while still locked: whoever opened this file sees that it is gone, and takes the
        // next one.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// The machine's name.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

//! Locks: one worker for one key, across processes. They are the system's advisory locks, so they
//! die with their process and nobody ever has to unlock by hand.

use std::fs::{self, File, TryLockError};
use std::io;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::{Hold, Record, Result, Store, StoreError, durable};

/// The most digits of a process's number.
const WIDTH: usize = 10;

/// The right to work on a key, until it is dropped or its process dies. Whoever gets one must look
/// the record up again: another process may have committed it in the meantime.
#[derive(Debug)]
pub struct KeyLock {
    store: Store,
    key: Digest,
    file: File,
    path: PathBuf,
    _live: Hold,
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
    /// does. Of a run that was killed, it is the command that is still being ended.
    pub fn holder(&self, key: &Digest) -> Option<String> {
        let mut file = File::open(self.lock_path(key)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).ok()?;
                Some(in_words(&text, &host(), is_alive))
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
        // For `holder`: no more than words for people. The blanks are for `name_worker`.
        let text = format!("process {} on {}\ncommand {:WIDTH$}\n", std::process::id(), host(), "");
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        let live = self.hold()?;
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
    pub fn as_input(&self) -> io::Result<File> {
        // What is in it was written through this very descriptor, which is at its end.
        self.file.try_clone()
    }

    /// Says which process works under the lock, for [`Store::holder`].
    pub fn name_worker(&self, pid: u32) {
        // Into the blanks before the descriptor's place, which is that of the child's input: nothing
        // must come behind it. No more than words for people, as in `claim`.
        let _ = self.file.metadata().and_then(|meta| {
            let blanks = meta.len().saturating_sub(WIDTH as u64 + 1);
            self.file.write_at(format!("{pid:WIDTH$}").as_bytes(), blanks)
        });
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
        // It is ours now, whoever's it was before.
        let _ = fs::remove_file(self.store.foreign_path(&self.key));
        self.store.clean_up(&self.key, None);
        Ok(())
    }
}

impl Store {
    /// Takes a record over from another store, where its key has none. Its objects need not be there: a record
    /// stands without them. Returns whether it was taken; one that is there stays.
    ///
    /// # Errors
    /// [`StoreError::NotCommitted`] where the key does not follow from the record's material; else what the
    /// system said.
    pub fn adopt(&self, record: &Record) -> Result<bool> {
        if record.material.key() != record.key {
            let what = "its key does not follow from its key material".to_owned();
            return Err(StoreError::NotCommitted { key: record.key, what });
        }
        // Whoever works on the key makes the record himself.
        let Some(_lock) = self.try_lock(&record.key)? else { return Ok(false) };
        if self.record(&record.key).is_some() {
            return Ok(false);
        }
        // First: a record must not be taken for ours, which we would vouch for.
        durable::replace(&self.tmp_dir(), &self.foreign_path(&record.key), b"", durable::Durability::Later)?;
        self.put_record(record, durable::Durability::BeforeName)?;
        Ok(true)
    }

    /// Whether the record of a key was taken over from another store, and the step not done here since.
    pub fn is_foreign(&self, key: &Digest) -> bool {
        self.foreign_path(key).exists()
    }

    pub(super) fn foreign_path(&self, key: &Digest) -> PathBuf {
        self.root().join("foreign-v1").join(key.to_string())
    }
}

/// What a lock file says, in words: its first line, or its command where the process in it is dead.
fn in_words(text: &str, here: &str, is_alive: impl Fn(libc::pid_t) -> bool) -> String {
    let mut lines = text.lines();
    let holder = lines.next().unwrap_or_default();
    let process = holder.strip_prefix("process ").and_then(|rest| rest.split_once(" on "));
    let command = lines.next().and_then(|line| line.strip_prefix("command ")).map(str::trim);
    let command = command.filter(|pid| !pid.is_empty());
    match (process, command) {
        (Some((pid, host)), Some(command)) if host == here && pid.parse().is_ok_and(|pid| !is_alive(pid)) => {
            format!("process {command} on {host}, left by a killed run and being stopped,")
        }
        _ => holder.to_owned(),
    }
}

fn is_alive(pid: libc::pid_t) -> bool {
    // SAFETY: signal 0 is none; only whether it could be sent is answered.
    let sent = unsafe { libc::kill(pid, 0) } == 0;
    sent || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
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

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn the_process_that_matters_is_named() {
        let text = "process 7 on here\ncommand          9\n";
        assert_eq!(in_words(text, "here", |_| true), "process 7 on here");
        assert_eq!(in_words(text, "elsewhere", |_| false), "process 7 on here");
        assert!(in_words(text, "here", |_| false).starts_with("process 9 on here, left by"));
        assert_eq!(in_words("process 7 on here\ncommand   \n", "here", |_| false), "process 7 on here");
    }
}

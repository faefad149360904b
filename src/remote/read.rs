//! Records and bytes from a remote, believed only as far as they prove themselves.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use igpt_contract::Digest;

use super::at_once::{for_each, locked, try_for_each};
use super::client::{RemoteError, sign};
use super::{Remote, names};
use crate::remote_address::{PublicKey, unhex};
use crate::store::{Absent, Artifact, Record, Store, StoreError};

/// Where the bytes of an artifact are. Its record stands in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the local store, all of them.
    Here,
    /// Some are on the remote: they come when somebody reads them.
    Elsewhere,
    /// Some are nowhere: whoever needs them has their step run again.
    Missing,
}

/// The largest record or manifest that is taken.
pub(super) const LARGEST_TEXT: u64 = 64 << 20;

/// What a signature is of, before the record's text.
pub(super) const SIGNED_AS: &[u8] = b"igpt-flow record 1\n";

/// The hexadecimal digits of a signature.
pub(super) const SIGNATURE: usize = 128;

impl Remote {
    /// Asks for the records of keys that the local store has none of, each once a process, and takes over those that
    /// prove themselves and whose objects are all there. Returns how many.
    pub fn look_up(&self, store: &Store, keys: &[Digest]) -> usize {
        let new: Vec<Digest> = {
            let state = &mut *locked(&self.state);
            if state.off {
                return 0;
            }
            keys.iter().filter(|key| state.asked.insert(**key)).copied().collect()
        };
        let before = self.counts.records_down.load(Ordering::Relaxed);
        for_each(&new, |key| match self.take(store, key) {
            Ok(true) => drop(self.counts.records_down.fetch_add(1, Ordering::Relaxed)),
            Ok(false) => {}
            Err(error) => self.on_error(&error),
        });
        (self.counts.records_down.load(Ordering::Relaxed) - before) as usize
    }

    /// Whether a key was asked for.
    pub fn was_asked(&self, key: &Digest) -> bool {
        locked(&self.state).asked.contains(key)
    }

    fn take(&self, store: &Store, key: &Digest) -> Result<bool, RemoteError> {
        if self.is_off() || self.is_cancelled() {
            return Ok(false);
        }
        let Some(record) = self.record(key)? else { return Ok(false) };
        let of = || format!("the result of `{}` on the remote ({})", record.step, key.short());
        for artifact in record.outputs.values() {
            let missing = match self.place(store, artifact, None) {
                Ok(Place::Here | Place::Elsewhere) => continue,
                Ok(Place::Missing) if self.is_off() => return Ok(false),
                Ok(Place::Missing) => "some of its objects are not there".to_owned(),
                Err(error) => error.to_string(),
            };
            self.reject(key, format!("{} is not used: {missing}", of()));
            return Ok(false);
        }
        match store.adopt(&record) {
            Ok(taken) => Ok(taken),
            Err(error) => {
                self.reject(key, format!("{} is not used: {error}", of()));
                Ok(false)
            }
        }
    }

    fn reject(&self, key: &Digest, note: String) {
        locked(&self.state).broken.insert(*key);
        self.note(note);
    }

    /// The record of a key, where there is one that may be believed.
    fn record(&self, key: &Digest) -> Result<Option<Record>, RemoteError> {
        if self.trust.is_empty() {
            let Some(text) = self.text(&names::record(key))? else { return Ok(None) };
            let record = Store::read_foreign(key, &text);
            if record.is_none() {
                self.reject(key, format!("the record {} on the remote is damaged and not used", key.short()));
            }
            return Ok(record);
        }
        for signer in &self.trust {
            let Some(text) = self.text(&names::signed(key, signer))? else { continue };
            if let Some(record) = vouched(key, signer, &text) {
                return Ok(Some(record));
            }
            self.note(format!(
                "the record {} on the remote has a wrong signature and is not used",
                key.short()
            ));
        }
        if self.client.entry(&names::record(key))?.is_some() {
            let short = key.short();
            self.note(format!(
                "the record {short} on the remote is not signed by anybody in `trust` and is not used"
            ));
        }
        Ok(None)
    }

    /// A small file.
    pub(super) fn text(&self, name: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        let mut text = Vec::new();
        let got = self.client.get(name, LARGEST_TEXT, &mut text)?;
        Ok(got.map(|_| text))
    }

    /// Where the bytes of an artifact, or of a part of it, are. A manifest that is not here comes along: it says what
    /// else there is.
    ///
    /// # Errors
    /// If there is no such part, or what should be a manifest is none.
    pub fn place(&self, store: &Store, artifact: &Artifact, part: Option<&str>) -> Result<Place, StoreError> {
        let files = match store.absent(artifact, part)? {
            Absent::Files(files) => files,
            Absent::Manifest(digest) => {
                if let Err(error) = self.fetch_object(store, &digest, LARGEST_TEXT) {
                    return if is_missing(&error) { Ok(Place::Missing) } else { Err(error) };
                }
                match store.absent(artifact, part)? {
                    Absent::Files(files) => files,
                    Absent::Manifest(_) => return Ok(Place::Missing),
                }
            }
        };
        Ok(match files.is_empty() {
            true => Place::Here,
            false if self.has_all(&files) => Place::Elsewhere,
            false => Place::Missing,
        })
    }

    /// Whether objects are there, each with its size. What was found out holds for the process.
    pub(super) fn has_all(&self, objects: &[(Digest, u64)]) -> bool {
        let unknown: Vec<(Digest, u64)> = {
            let state = locked(&self.state);
            if state.off || objects.iter().any(|(digest, _)| state.objects.get(digest) == Some(&false)) {
                return false;
            }
            objects.iter().filter(|(digest, _)| !state.objects.contains_key(digest)).copied().collect()
        };
        for_each(&unknown, |(digest, size)| match self.client.entry(&names::object(digest)) {
            Ok(entry) => {
                let is_there = entry.is_some_and(|entry| entry.size == *size);
                locked(&self.state).objects.insert(*digest, is_there);
            }
            Err(error) => self.on_error(&error),
        });
        let state = locked(&self.state);
        !state.off && objects.iter().all(|(digest, _)| state.objects.get(digest) == Some(&true))
    }

    /// Brings what of an artifact, or of a part of it, is not here.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where it cannot be had: it is gone, damaged, or the remote does not answer. Else what
    /// the system said of the local store.
    pub fn fetch(&self, store: &Store, artifact: &Artifact, part: Option<&str>) -> Result<(), StoreError> {
        if let Absent::Manifest(digest) = store.absent(artifact, part)? {
            self.fetch_object(store, &digest, LARGEST_TEXT)?;
        }
        let files = match store.absent(artifact, part)? {
            Absent::Files(files) => files,
            Absent::Manifest(digest) => return Err(StoreError::Missing { digest }),
        };
        try_for_each(&files, |(digest, size)| self.fetch_object(store, digest, *size))
    }

    pub(super) fn fetch_object(&self, store: &Store, digest: &Digest, most: u64) -> Result<(), StoreError> {
        let missing = StoreError::Missing { digest: *digest };
        if self.is_off() || self.is_cancelled() {
            return Err(missing);
        }
        let name = names::object(digest);
        let (got, kept) = store.receive(digest, |to| {
            let mut to = Cancellable { to, remote: self };
            self.client.get(&name, most, &mut to)
        })?;
        match got {
            Ok(Some(bytes)) => {
                self.counts.bytes_down.fetch_add(bytes, Ordering::Relaxed);
                if kept {
                    self.counts.objects_down.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                locked(&self.state).damaged.insert(*digest);
                self.lost(digest, "has other bytes than its digest says");
            }
            Ok(None) => self.lost(digest, "is not there any more"),
            Err(RemoteError::Here(_)) if self.is_cancelled() => {}
            Err(RemoteError::Here(source)) => {
                return Err(StoreError::Io { doing: "write", path: store.path_of_file(digest), source });
            }
            Err(error) => self.on_error(&error),
        }
        Err(missing)
    }

    fn lost(&self, digest: &Digest, what: &str) {
        locked(&self.state).objects.insert(*digest, false);
        self.note(format!(
            "the object {} on the remote {what}; its step runs again if it is needed",
            digest.short()
        ));
    }
}

/// A file that takes nothing more once nobody waits.
struct Cancellable<'a> {
    to: &'a mut dyn Write,
    remote: &'a Remote,
}

impl Write for Cancellable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.remote.is_cancelled() {
            true => Err(io::Error::other("nobody waits any more")),
            false => self.to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The record in a text that the signer vouches for.
pub(super) fn vouched(key: &Digest, signer: &PublicKey, text: &[u8]) -> Option<Record> {
    let (signature, text) = text.split_at_checked(SIGNATURE)?;
    let text = text.strip_prefix(b"\n")?;
    let bytes = unhex(signature)?;
    let vouched = sign::verify(&signer.0, &[SIGNED_AS, text].concat(), &bytes);
    vouched.then(|| Store::read_foreign(key, text)).flatten()
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Missing { .. })
}

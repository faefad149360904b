//! Records and bytes to a remote: objects first, records last and only where there is none, so that whoever finds a
//! record finds its objects.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use igpt_contract::Digest;

use super::at_once::{for_each, locked, try_for_each};
use super::client::RemoteError;
use super::gc::GRACE;
use super::names::hex_of;
use super::read::{SIGNED_AS, vouched};
use super::{Remote, names};
use crate::remote_address::PublicKey;
use crate::store::{Record, Store};

/// An object that is there and no record names yet may be garbage. One that is older than this is made young again
/// before a record names it, and `gc` deletes none that is younger than twice as long: see `gc`.
const FRESH: Duration = Duration::from_secs(GRACE.as_secs() / 2);

/// What became of a result that was to be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is there now.
    Shared,
    /// It was there, with all its objects as far as they were looked at.
    Known,
    /// Its bytes are not here.
    Absent,
    /// The remote does not answer.
    Off,
}

impl Remote {
    /// Shares results, and says of each what became of it. `thorough` also looks at the objects of records that are
    /// there. Stops where the remote does not answer any more.
    pub fn push(&self, store: &Store, keys: &[Digest], thorough: bool) -> Vec<Pushed> {
        let pushed: Vec<Mutex<Pushed>> = keys.iter().map(|_| Mutex::new(Pushed::Off)).collect();
        for_each(&keys.iter().zip(&pushed).collect::<Vec<_>>(), |(key, pushed)| {
            *locked(pushed) = self.push_one(store, key, thorough);
        });
        pushed.into_iter().map(|one| *locked(&one)).collect()
    }

    pub(super) fn push_one(&self, store: &Store, key: &Digest, thorough: bool) -> Pushed {
        if self.is_off() {
            return Pushed::Off;
        }
        let Some(record) = store.record(key) else { return Pushed::Absent };
        self.share(store, &record, thorough).unwrap_or_else(|error| {
            match error {
                // A file of ours that cannot be read is no fault of the remote's.
                RemoteError::Here(error) => {
                    self.note(format!("`{}` cannot be shared: {error}", record.step));
                    return Pushed::Absent;
                }
                error => self.on_error(&error),
            }
            Pushed::Off
        })
    }

    fn share(&self, store: &Store, record: &Record, thorough: bool) -> Result<Pushed, RemoteError> {
        let key = &record.key;
        // Whoever signs vouches, and can do that only for what was made here.
        let signer = self.signer.as_ref().filter(|_| !store.is_foreign(key));
        if signer.is_none() && self.signer.is_some() {
            self.note(format!("`{}` was made elsewhere and is not signed: its maker may", record.step));
        }
        let signer = signer.map(|secret| (secret, PublicKey(secret.public())));
        let is_broken = locked(&self.state).broken.contains(key);
        let is_there = !is_broken && self.client.entry(&names::record(key))?.is_some();
        let is_signed = match &signer {
            Some((_, public)) => {
                let text = self.text(&names::signed(key, public))?;
                text.is_some_and(|text| vouched(key, public, &text).is_some())
            }
            None => true,
        };
        if is_there && is_signed && !thorough {
            return Ok(Pushed::Known);
        }
        let mut objects = Vec::new();
        for artifact in record.outputs.values() {
            match store.sized_objects(artifact) {
                Ok(more) => objects.extend(more),
                // Taken from there, and never read: it needs nothing of us.
                Err(_) if is_there && is_signed => return Ok(Pushed::Known),
                Err(_) => return Ok(Pushed::Absent),
            }
        }
        objects.sort_unstable();
        objects.dedup();
        let sent = AtomicU64::new(0);
        try_for_each(&objects, |(digest, size)| {
            let _inside = self.gate.enter();
            let was_sent = self.share_object(store, digest, *size)?;
            sent.fetch_add(u64::from(was_sent), Ordering::Relaxed);
            Ok(())
        })?;
        let text = std::fs::read(store.path_of_record(key)).map_err(RemoteError::Here)?;
        let name = names::record(key);
        if is_broken {
            self.client.put(&name, text.clone())?;
            locked(&self.state).broken.remove(key);
        }
        let is_new = is_broken || (!is_there && self.client.put_new(&name, text.clone())?);
        if let (Some((secret, public)), false) = (&signer, is_signed) {
            let signature = secret.sign(&[SIGNED_AS, &text].concat());
            let signed = [hex_of(&signature).as_bytes(), b"\n", &text].concat();
            // Only we can make one that holds, so whatever else stands there may go.
            self.client.put(&names::signed(key, public), signed)?;
        }
        self.uploads.moved();
        if is_new || !is_signed || sent.into_inner() > 0 {
            self.counts.records_up.fetch_add(1, Ordering::Relaxed);
            return Ok(Pushed::Shared);
        }
        Ok(Pushed::Known)
    }

    /// Sees to it that an object is there and young. Returns whether its bytes had to be sent.
    fn share_object(&self, store: &Store, digest: &Digest, size: u64) -> Result<bool, RemoteError> {
        let name = names::object(digest);
        let is_damaged = locked(&self.state).damaged.contains(digest);
        if !is_damaged
            && let Some(entry) = self.client.entry(&name)?
            && entry.size == size
        {
            let age = SystemTime::now().duration_since(entry.modified).unwrap_or_default();
            let is_young = age < FRESH;
            match if is_young { Ok(()) } else { self.client.touch(&name) } {
                Ok(()) => return Ok(false),
                // Deleted in between.
                Err(RemoteError::Absent) => {}
                Err(error) => return Err(error),
            }
        }
        if !store.is_whole(digest, size) {
            let gone =
                std::io::Error::new(std::io::ErrorKind::NotFound, "its bytes are missing or damaged here");
            return Err(RemoteError::Here(gone));
        }
        let moved = |_| self.uploads.moved();
        let sent = self.client.put_file(&name, &store.path_of_file(digest), &moved)?;
        self.counts.objects_up.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes_up.fetch_add(sent, Ordering::Relaxed);
        let state = &mut *locked(&self.state);
        state.damaged.remove(digest);
        state.objects.insert(*digest, true);
        Ok(true)
    }
}

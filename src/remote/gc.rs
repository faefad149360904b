//! Deleting on a remote what nothing names, while others may be uploading to it.
//!
//! Nobody holds a lock there, so age has to do. An uploader puts its objects first and the record that names them
//! last: in between they look like garbage. Hence no object younger than [`GRACE`] is deleted. An uploader may also
//! find an object that is there already, garbage perhaps, and rely on it: it makes one that is older than half the
//! grace young again before its record names it. So whoever takes less than half a day from its first object to its
//! record is safe. Ages are looked at once more right before each deletion, by the server's clock. Should an object
//! vanish in the moment between, its record is one that readers find incomplete: they run the step and share it
//! again. That costs work, and never a wrong result.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use igpt_contract::Digest;

use super::at_once::{locked, try_for_each};
use super::client::RemoteError;
use super::{Remote, RemoteFault, names};
use crate::store::{Store, read_manifest};

/// The least age of an object that is deleted.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

/// What nothing names on a remote.
#[derive(Debug, Default)]
pub struct RemoteGarbage {
    /// Records that are too old and not to be kept, and signed ones.
    pub records: Vec<String>,
    /// Objects that no other record names.
    pub objects: Vec<String>,
    /// Records that stay.
    pub kept: usize,
    /// Records that are damaged: they go, once they are older than the grace.
    pub damaged: usize,
    /// Bytes in all.
    pub bytes: u64,
    /// When an object is old enough, by the remote's clock.
    old: Option<SystemTime>,
}

type Result<T> = std::result::Result<T, RemoteError>;

impl Remote {
    /// What nothing names: objects of no record, and records that are older than `keep_for` and whose keys are not
    /// in `keep` (none where it is not given). Changes nothing but the file that tells the time.
    ///
    /// # Errors
    /// Where the remote does not answer, or refuses.
    pub fn garbage(
        &self,
        keep: &BTreeSet<Digest>,
        keep_for: Option<Duration>,
        grace: Duration,
    ) -> std::result::Result<RemoteGarbage, RemoteFault> {
        let found = self.find(keep, keep_for, grace.max(GRACE));
        found.map_err(|error| RemoteFault::new(&self.address, "read", &error))
    }

    fn find(
        &self,
        keep: &BTreeSet<Digest>,
        keep_for: Option<Duration>,
        grace: Duration,
    ) -> Result<RemoteGarbage> {
        // Its clock and ours may differ.
        self.client.put(names::PROBE, names::PROBE_TEXT.to_vec())?;
        let now = self.client.entry(names::PROBE)?.map_or_else(SystemTime::now, |entry| entry.modified);
        let before = |age: Duration| now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let old = before(grace);
        // Objects before records: one that a record names by now, and did not then, is young.
        let mut objects: BTreeMap<Digest, (String, u64)> = BTreeMap::new();
        let mut garbage = RemoteGarbage { old: Some(old), ..RemoteGarbage::default() };
        self.client.list(names::OBJECTS, |entry| {
            if entry.modified < old
                && let Some(digest) = names::object_of(&entry.name)
            {
                objects.insert(digest, (entry.name, entry.size));
            }
            ControlFlow::Continue(())
        })?;
        let mut records = Vec::new();
        for folder in [names::RECORDS, names::SIGNED] {
            self.client.list(folder, |entry| {
                records.push(entry);
                ControlFlow::Continue(())
            })?;
        }
        let too_old = keep_for.map(|age| before(age.max(grace)));
        let (mut going, mut staying) = (Vec::new(), Vec::new());
        for entry in records {
            let goes = match (names::key_of(&entry.name), too_old) {
                (Some(key), Some(too_old)) => entry.modified < too_old && !keep.contains(&key),
                _ => false,
            };
            if goes { going.push(entry) } else { staying.push(entry) }
        }
        let (named, damaged) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
        // What cannot be read may name anything: then nothing is known to be garbage.
        try_for_each(&staying, |entry| {
            let Some(text) = self.text(&entry.name)? else { return Ok(()) };
            let body = match entry.name.starts_with(names::SIGNED) {
                true => text.get(super::read::SIGNATURE + 1..).unwrap_or_default(),
                false => &text[..],
            };
            match names::key_of(&entry.name).and_then(|key| Store::read_foreign(&key, body)) {
                Some(record) => {
                    for artifact in record.outputs.values() {
                        let mut all = BTreeSet::from([artifact.digest]);
                        if artifact.form != crate::store::Form::File {
                            let manifest = self.text(&names::object(&artifact.digest))?;
                            all.extend(manifest.into_iter().flat_map(|text| read_manifest(&text)));
                        }
                        locked(&named).extend(all);
                    }
                }
                // Nobody can use it. A young one may be of a newer program.
                None if entry.modified < old => locked(&damaged).push(entry.clone()),
                None => {}
            }
            Ok(())
        })?;
        let damaged = std::mem::take(&mut *locked(&damaged));
        garbage.damaged = damaged.len();
        garbage.kept = staying.len() - damaged.len();
        for entry in going.into_iter().chain(damaged) {
            garbage.bytes += entry.size;
            garbage.records.push(entry.name);
        }
        let named = std::mem::take(&mut *locked(&named));
        for (_, (name, size)) in objects.into_iter().filter(|(digest, _)| !named.contains(digest)) {
            garbage.bytes += size;
            garbage.objects.push(name);
        }
        Ok(garbage)
    }

    /// Deletes what was found: records first, so that none is left without its objects. What became young meanwhile
    /// stays. Returns how many were deleted.
    ///
    /// # Errors
    /// Where the remote does not answer, or refuses.
    pub fn delete(&self, garbage: &RemoteGarbage) -> std::result::Result<usize, RemoteFault> {
        let old = garbage.old.unwrap_or(SystemTime::UNIX_EPOCH);
        let deleted = AtomicUsize::new(0);
        for names in [&garbage.records, &garbage.objects] {
            let done = try_for_each(names, |name| {
                if self.client.entry(name)?.is_some_and(|entry| entry.modified < old) {
                    self.client.delete(name)?;
                    deleted.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
            done.map_err(|error: RemoteError| RemoteFault::new(&self.address, "delete from", &error))?;
        }
        Ok(deleted.into_inner())
    }
}

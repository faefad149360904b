//! Records: what a key led to. They are read by the thousand at the start of every run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use igpt_contract::{Digest, MetricValues};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::durable::{self, Durability};
use super::{Artifact, Result, Store, StoreError};
use crate::key::KeyMaterial;

/// Steps of less than this many seconds do not wait until the disk has their record: a power cut may
/// cost them, and doing them again is as quick as the wait.
const CHEAP_S: f64 = 0.5;

/// The bytes of a record that are read with the first call.
const PAGE: usize = 4096;

/// What a step made, from what, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The key; the record's file is named by it.
    pub key: Digest,
    /// Output port -> what came out.
    pub outputs: BTreeMap<String, Artifact>,
    /// What the key was made of.
    pub material: KeyMaterial,
    /// The numbers and curves that the step reported; not an output, and not compared.
    #[serde(default)]
    pub metrics: MetricValues,
    /// What the step cost.
    pub cost: Cost,
    /// The machine's name.
    pub host: String,
    /// The instruction set that the step ran with (`x86_64+avx2+fma`).
    pub instruction_set: String,
    /// When it was done.
    #[serde(with = "rfc3339")]
    pub finished: Timestamp,
    /// The pipeline's name. For display only: another pipeline may share the record.
    pub pipeline: String,
    /// The step's name with its labels. For display only.
    pub step: String,
    /// The run that made it. For display only.
    pub run: String,
}

/// What a step cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Elapsed seconds.
    pub wall_s: f64,
    /// Processor seconds of the step's processes, user and system.
    pub cpu_s: f64,
    /// The largest resident memory of one of the step's processes, in MiB.
    pub peak_memory_mib: f64,
}

/// Times as RFC 3339 texts, for serde's `with`.
pub(crate) mod rfc3339 {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The first fields of a record: all that a run needs of a step that it reuses.
#[derive(Deserialize)]
struct Head {
    key: Digest,
    outputs: BTreeMap<String, Artifact>,
}

impl Store {
    /// The outputs that a key led to, if all of them are still there: [`Self::record`] for those who
    /// look up a thousand keys and need nothing else.
    pub fn outputs(&self, key: &Digest) -> Option<BTreeMap<String, Artifact>> {
        let head: Head = self.read_record(key, |head: &Head| head.key)?;
        head.outputs.values().all(|artifact| self.contains(artifact)).then_some(head.outputs)
    }

    /// What a key led to, if all of it is still there. A record that cannot be read is set aside;
    /// one whose objects are gone or damaged is a miss, and the step makes it again.
    pub fn record(&self, key: &Digest) -> Option<Record> {
        let record = self.peek_record(key)?;
        record.outputs.values().all(|artifact| self.contains(artifact)).then_some(record)
    }

    /// The record as written, whether or not its objects are still there.
    pub fn peek_record(&self, key: &Digest) -> Option<Record> {
        self.read_record(key, |record: &Record| record.key)
    }

    fn read_record<T: DeserializeOwned>(&self, key: &Digest, key_of: impl Fn(&T) -> Digest) -> Option<T> {
        let path = self.record_path(key);
        let mut page = [0; PAGE];
        let text = read_small(&path, &mut page).ok()?;
        match serde_json::from_slice::<T>(&text) {
            Ok(record) if key_of(&record) == *key => Some(record),
            _ => {
                let _ = self.quarantine(&path);
                None
            }
        }
    }

    /// Every key that has a record, sorted.
    ///
    /// # Errors
    /// Where the folder of records cannot be read.
    pub fn keys(&self) -> Result<Vec<Digest>> {
        let folder = self.root().join("records-v1");
        let names = super::disk::walk(&folder)?;
        let key = |name: &Path| name.file_stem()?.to_str()?.parse().ok();
        let mut keys: Vec<Digest> = names.iter().filter_map(|(name, _)| key(name)).collect();
        keys.sort();
        Ok(keys)
    }

    /// Writes a record; only a lock's commit may.
    pub(super) fn write_record(&self, record: &Record) -> Result<()> {
        let not_committed = |what: String| StoreError::NotCommitted { key: record.key, what };
        for (port, artifact) in &record.outputs {
            if !self.contains(artifact) {
                return Err(not_committed(format!("its output `{port}` is not in the store")));
            }
        }
        let text = serde_json::to_vec(record).map_err(|e| not_committed(e.to_string()))?;
        let path = self.record_path(&record.key);
        let durability = match record.cost.wall_s {
            // Forced: what it replaces is good, and must not be lost to a torn one.
            _ if path.exists() => Durability::BeforeName,
            wall_s if wall_s < CHEAP_S => Durability::Later,
            _ => Durability::AfterName,
        };
        durable::replace(&self.tmp_dir(), &path, &text, durability)
    }
}

/// Reads a file that most often fits the page, with as few calls as that needs.
fn read_small<'p>(path: &Path, page: &'p mut [u8; PAGE]) -> io::Result<Cow<'p, [u8]>> {
    let mut file = File::open(path)?;
    let read = file.read(page)?;
    if read < PAGE {
        return Ok(Cow::Borrowed(&page[..read]));
    }
    let mut text = page.to_vec();
    file.read_to_end(&mut text)?;
    Ok(Cow::Owned(text))
}

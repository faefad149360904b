//! Records: what a key led to. They are read by the thousand at the start of every run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use igpt_contract::{Digest, MetricValues};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::durable::{self, Durability};
use super::{Artifact, Result, Store, StoreError, checksum};
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
    /// Input port -> where each artifact of the material came from, in the same order. Not part of
    /// the key: the same content may come from elsewhere in another run.
    #[serde(default)]
    pub sources: BTreeMap<String, Vec<InputSource>>,
    /// What the step says of what it read from outside, such as an archive's address and digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Value>,
    /// The numbers and curves that the step reported; not an output, and not compared.
    #[serde(default)]
    pub metrics: MetricValues,
    /// What the step cost.
    pub cost: Cost,
    /// The machine's name.
    pub host: String,
    /// The instruction set that the step ran with (`x86_64+avx2+fma`).
    pub instruction_set: String,
    /// The program that ran it.
    #[serde(default)]
    pub program: Program,
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

/// Where an input came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// The output of a step.
    Step {
        /// The step's key.
        key: Digest,
        /// Its output port.
        port: String,
        /// The part, where one is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<String>,
    },
    /// The decision of a search over the steps with these keys.
    Choice {
        /// The keys of the candidates that were tried.
        tried: Vec<Digest>,
    },
    /// A file, folder or pattern outside the store, as the pipeline has it.
    Outside {
        /// The path or the patterns.
        path: String,
    },
}

/// A version of this program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The version.
    pub version: String,
    /// The commit that it was built from, with `+` where the sources were changed; none where that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Program {
    /// This program.
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("IGPT_FLOW_COMMIT").map(str::to_owned),
        }
    }

    /// The commit as people name it: its first twelve digits, and the `+` of changed sources.
    pub fn short_commit(&self) -> Option<String> {
        let commit = self.commit.as_ref()?;
        let changed = if commit.ends_with('+') { "+" } else { "" };
        let digits: String = commit.trim_end_matches('+').chars().take(12).collect();
        Some(format!("{digits}{changed}"))
    }
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
struct RecordHead {
    key: Digest,
    outputs: BTreeMap<String, Artifact>,
}

impl RecordHead {
    /// Reads a whole record's first fields. They come first in what this program writes: then the rest,
    /// which is longer, is not read.
    fn parse(text: &[u8]) -> Option<Self> {
        const NEXT: &[u8] = b",\"material\":";
        let end = text.windows(NEXT.len()).position(|next| next == NEXT);
        // An output of that name makes a torn text of it.
        let head = end.and_then(|end| serde_json::from_slice(&[&text[..end], b"}"].concat()).ok());
        head.or_else(|| serde_json::from_slice(text).ok())
    }
}

impl Store {
    /// The outputs that a key led to: [`Self::record`] for those who look up a thousand keys and need
    /// nothing else. Their objects may be gone; whoever reads them finds out.
    pub fn outputs(&self, key: &Digest) -> Option<BTreeMap<String, Artifact>> {
        Some(self.read_record(key, RecordHead::parse, |head| head.key)?.outputs)
    }

    /// What a key led to. A damaged record is quarantined, and the step makes it again; one that a newer
    /// version wrote is left alone.
    pub fn record(&self, key: &Digest) -> Option<Record> {
        self.read_record(key, |text| serde_json::from_slice(text).ok(), |record: &Record| record.key)
    }

    fn read_record<T>(
        &self,
        key: &Digest,
        parse: impl Fn(&[u8]) -> Option<T>,
        key_of: impl Fn(&T) -> Digest,
    ) -> Option<T> {
        let path = self.record_path(key);
        let mut page = [0; PAGE];
        let text = read_small(&path, &mut page).ok()?;
        if !checksum::is_valid(&text) {
            let _ = self.quarantine(&path);
            return None;
        }
        parse(&text).filter(|record| key_of(record) == *key)
    }

    /// The record in a text that came from elsewhere; none where it is damaged, of another key than `key`, or where
    /// its key does not follow from its material.
    pub fn read_foreign(key: &Digest, text: &[u8]) -> Option<Record> {
        let record: Record = checksum::is_valid(text).then(|| serde_json::from_slice(text).ok())??;
        (record.key == *key && record.material.key() == *key).then_some(record)
    }

    /// Sets a record aside that cannot be what its key led to.
    pub fn reject_record(&self, key: &Digest) {
        let _ = self.quarantine(&self.record_path(key));
    }

    /// Every key that has a record, sorted.
    ///
    /// # Errors
    /// Where the folder of records cannot be read.
    pub fn keys(&self) -> Result<Vec<Digest>> {
        let folder = self.root().join("records-v2");
        let names = super::walk::walk(&folder)?;
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
        let path = self.record_path(&record.key);
        let durability = match record.cost.wall_s {
            // Forced: what it replaces is good, and must not be lost to a torn one.
            _ if path.exists() => Durability::BeforeName,
            wall_s if wall_s < CHEAP_S => Durability::Later,
            _ => Durability::AfterName,
        };
        self.put_record(record, durability)
    }

    /// Puts a record in place.
    pub(super) fn put_record(&self, record: &Record, durability: Durability) -> Result<()> {
        let not_committed =
            |e: serde_json::Error| StoreError::NotCommitted { key: record.key, what: e.to_string() };
        let text = checksum::seal(record).map_err(not_committed)?;
        durable::replace(&self.tmp_dir(), &self.record_path(&record.key), &text, durability)
    }

    /// The file of a record, for whoever hands it on as it is.
    pub fn path_of_record(&self, key: &Digest) -> PathBuf {
        self.record_path(key)
    }
}

/// Reads a file that most often fits the page, with as few calls as that needs.
fn read_small<'p>(path: &Path, page: &'p mut [u8; PAGE]) -> io::Result<Cow<'p, [u8]>> {
    let mut file = File::open(path)?;
    let mut length = 0;
    while length < PAGE {
        match file.read(&mut page[length..]) {
            // A sealed text ends with its seal: no need to ask for the end.
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if page[..length].ends_with(checksum::AFTER.as_bytes()) {
            break;
        }
    }
    if length < PAGE {
        return Ok(Cow::Borrowed(&page[..length]));
    }
    let mut text = page.to_vec();
    file.read_to_end(&mut text)?;
    Ok(Cow::Owned(text))
}

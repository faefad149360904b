//! Checking all that the store keeps, quarantining what is not what its name or checksum says, and
//! taking out the results that were made from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use igpt_contract::Digest;
use jiff::Timestamp;
use rayon::prelude::*;

use super::objects::hash_file;
use super::walk::walk;
use super::{Artifact, InputSource, Record, Result, Store, StoreError, TreeEntry, checksum};

/// Objects from this size on are hashed by all cores, one after another; smaller ones side by side.
const LARGE: u64 = 64 << 20;

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Objects hashed.
    pub objects: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Records, records of runs and notes of exports read.
    pub records: u64,
    /// What was not as it should be; moved into `quarantine-v1/` where the store can be written.
    pub damage: Vec<Damage>,
    /// Records an output of which is damaged: their steps run again when somebody needs it.
    pub lost: Vec<Record>,
    /// Records of steps that may have read something damaged, directly or through others. They are
    /// taken out, so that their steps run again.
    pub doubted: Vec<Record>,
}

/// Something damaged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// What it is of: `object`, `record`, `run` or `note of an export`.
    pub kind: &'static str,
    /// The digest or key that it has by its name; none where even the name makes no sense.
    pub digest: Option<Digest>,
    /// What was found.
    pub what: String,
    /// Where it is now: in its place where it could not be moved, or only not be read.
    pub moved_to: PathBuf,
}

impl Store {
    /// Hashes every object, checks every record, quarantines what is damaged, and takes out what was
    /// made from it. `progress` is told the bytes done and the bytes in all. Runs may go on meanwhile;
    /// `gc` may not. In a read-only store nothing is moved, only said.
    ///
    /// # Errors
    /// Where the store's folders cannot be read. A file that cannot be read counts as damaged.
    pub fn verify(&self, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Verification> {
        let _live = self.hold_to_read();
        let mut found = Verification::default();
        // What was quarantined before counts too: who read it has not been looked for yet.
        let mut damaged = self.quarantined_objects();
        self.verify_objects(progress, &mut found)?;
        let now = Timestamp::now();
        for digest in found.damage.iter().filter_map(|damage| damage.digest) {
            damaged.insert(digest, now);
        }
        let records = self.verify_records(&mut found)?;
        self.verify_runs(&mut found)?;
        self.verify_notes(&mut found)?;
        self.find_affected_records(records, &damaged, &mut found);
        found.damage.sort();
        Ok(found)
    }

    fn verify_objects(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
        found: &mut Verification,
    ) -> Result<()> {
        let folder = self.root().join("objects-v1");
        let files: Vec<(PathBuf, u64)> =
            walk(&folder)?.into_iter().map(|(name, meta)| (name, meta.len())).collect();
        let total = files.iter().map(|(_, size)| size).sum();
        let done = AtomicU64::new(0);
        let progress = Mutex::new(progress);
        let check = |(name, size): &(PathBuf, u64)| {
            let damage = self.check_object(&folder, name);
            let done = done.fetch_add(*size, Ordering::Relaxed) + size;
            // Whoever finds the reporter busy has nothing to add.
            if let Ok(mut progress) = progress.try_lock() {
                progress(done, total);
            }
            damage
        };
        let (large, small): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|(_, size)| *size >= LARGE);
        found.damage.extend(large.iter().filter_map(check));
        found.damage.extend(small.par_iter().filter_map(check).collect::<Vec<_>>());
        (found.objects, found.bytes) = (files.len() as u64, total);
        Ok(())
    }

    fn check_object(&self, folder: &Path, name: &Path) -> Option<Damage> {
        let path = folder.join(name);
        let digest = digest_of_name(name);
        let found = hash_file(&path).map(|(found, _)| found);
        // Gone meanwhile: nothing is damaged, the record look-up tells.
        if !path.exists() {
            return None;
        }
        let (what, aside) = match (digest, found) {
            (None, _) => ("its name is not a digest".to_owned(), true),
            (Some(digest), Ok(found)) if found == digest => return None,
            (Some(_), Ok(found)) => (format!("its content has the digest {}", found.short()), true),
            (Some(_), Err(StoreError::Io { source, .. })) => {
                // The disk lost it. Any other refusal may be ours: too many files, no rights.
                let lost = source.raw_os_error() == Some(libc::EIO);
                (format!("it cannot be read: {source}"), lost)
            }
            (Some(_), Err(other)) => (other.to_string(), false),
        };
        Some(self.damage("object", digest, what, path, aside))
    }

    /// Every record that is whole; the others are damage.
    fn verify_records(&self, found: &mut Verification) -> Result<Vec<Record>> {
        let folder = self.root().join("records-v2");
        let mut records = Vec::new();
        for (name, _) in walk(&folder)? {
            found.records += 1;
            let path = folder.join(&name);
            let key = name.file_stem().and_then(|stem| stem.to_str()?.parse::<Digest>().ok());
            let (what, aside) = match (key, fs::read(&path)) {
                (_, Err(e)) if e.kind() == io::ErrorKind::NotFound => continue,
                (_, Err(e)) => (format!("it cannot be read: {e}"), false),
                (None, _) => ("its name is not a key".to_owned(), true),
                (Some(_), Ok(text)) if !checksum::is_valid(&text) => {
                    ("its checksum does not match".to_owned(), true)
                }
                (Some(key), Ok(text)) => match serde_json::from_slice::<Record>(&text) {
                    Ok(record) if record.key == key && record.material.key() == key => {
                        records.push(record);
                        continue;
                    }
                    Ok(_) => ("it is the record of another key".to_owned(), true),
                    // Whole, so a newer version's.
                    Err(_) => continue,
                },
            };
            found.damage.push(self.damage("record", key, what, path, aside));
        }
        Ok(records)
    }

    fn verify_runs(&self, found: &mut Verification) -> Result<()> {
        for run in self.runs()? {
            let path = run.path().join("run.json");
            // A run that did not end has none.
            let Ok(text) = fs::read(&path) else { continue };
            found.records += 1;
            if !checksum::is_valid(&text) {
                let what = format!("the checksum of run {} does not match", run.id());
                found.damage.push(self.damage("run", None, what, path, true));
            }
        }
        Ok(())
    }

    fn verify_notes(&self, found: &mut Verification) -> Result<()> {
        let (notes, damaged) = self.read_export_notes()?;
        found.records += notes.len() as u64 + damaged;
        if damaged > 0 {
            let what = format!("the checksums of {damaged} of its lines do not fit");
            found.damage.push(self.damage("note of an export", None, what, self.notes_path(), false));
            // The lines that are whole stay.
            let _ = self.compact_export_notes();
        }
        Ok(())
    }

    fn damage(
        &self,
        kind: &'static str,
        digest: Option<Digest>,
        what: String,
        path: PathBuf,
        aside: bool,
    ) -> Damage {
        let moved = if aside { self.quarantine(&path).ok() } else { None };
        Damage { kind, digest, what, moved_to: moved.unwrap_or(path) }
    }

    /// Finds the records that damage costs: those of which an output is damaged, and those that may have
    /// read something damaged, or something that was made from it. The latter are taken out. A record
    /// that was made after the damage was quarantined read nothing of it.
    fn find_affected_records(
        &self,
        mut records: Vec<Record>,
        damaged: &BTreeMap<Digest, Timestamp>,
        found: &mut Verification,
    ) {
        if damaged.is_empty() {
            return;
        }
        let mut holders: HashMap<Digest, Option<Timestamp>> = HashMap::new();
        // When the latest damage in an artifact was quarantined.
        let mut damage_in = |digest: &Digest| {
            *holders.entry(*digest).or_insert_with(|| {
                self.objects_of(digest).iter().filter_map(|digest| damaged.get(digest)).max().copied()
            })
        };
        let mut doubt = Taint::default();
        loop {
            let mut is_doubted = |record: &mut Record| {
                let inputs = record.material.inputs.values().flatten().map(|input| input.digest);
                inputs.into_iter().any(|digest| damage_in(&digest).is_some_and(|time| time > record.finished))
                    || doubt.reaches(record)
            };
            let doubted: Vec<Record> = records.extract_if(.., &mut is_doubted).collect();
            if doubted.is_empty() {
                break;
            }
            for record in doubted {
                doubt.keys.insert(record.key);
                for artifact in record.outputs.values() {
                    doubt.artifacts.extend(self.with_parts(artifact));
                }
                self.reject_record(&record.key);
                found.doubted.push(record);
            }
        }
        let is_lost = |record: &Record| {
            let mut outputs = record.outputs.values();
            outputs.any(|artifact| damage_in(&artifact.digest).is_some_and(|time| time > record.finished))
        };
        found.lost = records.into_iter().filter(is_lost).collect();
    }

    /// The digest of an artifact and, where it is a manifest that is there, those in it.
    fn objects_of(&self, digest: &Digest) -> BTreeSet<Digest> {
        let mut objects = BTreeSet::from([*digest]);
        if self.is_manifest(digest) {
            let entries = self.manifest_entries(digest).unwrap_or_default();
            objects.extend(entries.iter().filter_map(|entry| Some(entry.file()?.0)));
        }
        objects
    }

    /// The digests of an artifact and of its parts.
    fn with_parts(&self, artifact: &Artifact) -> BTreeSet<Digest> {
        let mut digests = BTreeSet::from([artifact.digest]);
        let entries = self.entries(artifact).unwrap_or_default();
        let first = |entry: &TreeEntry| entry.name.iter().next().map(ToOwned::to_owned);
        let parts: BTreeSet<OsString> = entries.iter().filter_map(first).collect();
        let part = |name: &OsString| self.peek_part(artifact, name.to_str()?).ok();
        digests.extend(parts.iter().filter_map(part).map(|part| part.digest));
        digests
    }
}

/// What was made from something damaged.
#[derive(Default)]
struct Taint {
    keys: BTreeSet<Digest>,
    artifacts: BTreeSet<Digest>,
}

impl Taint {
    /// Whether a record was made from something doubted. Records of an older version do not say by
    /// which steps their inputs were made; those are known by the content.
    fn reaches(&self, record: &Record) -> bool {
        let by_key = |source: &InputSource| match source {
            InputSource::Step { key, .. } => self.keys.contains(key),
            InputSource::Choice { tried } => tried.iter().any(|key| self.keys.contains(key)),
            InputSource::Outside { .. } => false,
        };
        if !record.sources.is_empty() {
            return record.sources.values().flatten().any(by_key);
        }
        record.material.inputs.values().flatten().any(|input| self.artifacts.contains(&input.digest))
    }
}

impl Store {
    /// The objects that were quarantined, and when.
    fn quarantined_objects(&self) -> BTreeMap<Digest, Timestamp> {
        let Ok(items) = fs::read_dir(self.root().join("quarantine-v1")) else { return BTreeMap::new() };
        let object = |item: fs::DirEntry| {
            let name = item.file_name();
            let digest = name.to_str()?.strip_prefix("objects-v1-")?.replace('-', "").parse().ok()?;
            let meta = item.metadata().ok()?;
            // Moving it there changed it last.
            let moved = Timestamp::new(meta.ctime(), meta.ctime_nsec() as i32).ok()?;
            Some((digest, moved))
        };
        items.flatten().filter_map(object).collect()
    }
}

/// The digest that an object's name is.
fn digest_of_name(name: &Path) -> Option<Digest> {
    let hex: String = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    hex.parse().ok()
}

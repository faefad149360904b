//! Collecting garbage: what nothing names any more. First the dry run, in bytes; then, with the
//! store to ourselves, records go before the objects that only they named.
//!
//! Deleting must work on a full disk: it makes no file and no folder before it has freed some.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::remove::remove_tree;
use super::walk::walk;
use super::work::key_of;
use super::{Artifact, Record, Result, Store, StoreError, durable};

/// What must stay.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// Keys whose records stay, with all of their objects.
    pub keys: BTreeSet<Digest>,
    /// Ids of runs whose folders stay, with their plans.
    pub runs: BTreeSet<String>,
}

/// What nothing names.
#[derive(Debug, Default)]
pub struct Garbage {
    /// Records that go, those that free the most first.
    pub records: Vec<GarbageItem>,
    /// Objects that go.
    pub objects: u64,
    /// Runs that go, with their logs.
    pub runs: u64,
    /// Scratch and checkpoints of steps that nobody works on.
    pub unfinished: u64,
    /// Bytes in all.
    pub bytes: u64,
    paths: Vec<PathBuf>,
}

/// A record that goes.
#[derive(Debug)]
pub struct GarbageItem {
    /// The record.
    pub record: Record,
    /// Bytes of objects that no kept record names. An object of several such records counts at each.
    pub bytes: u64,
}

/// The right to delete: no run and no worker uses the store until this is dropped. What must stay is
/// to be found out while it is held; a run that ended before is then among the runs, and none ends
/// meanwhile. Its holder must take no key's lock and no [`Store::hold`], which would wait for it.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    _alone: File,
}

impl Collector {
    /// What nothing names.
    ///
    /// # Errors
    /// Where the store's folders cannot be read.
    pub fn find(&self, keep: &Roots) -> Result<Garbage> {
        self.store.garbage(keep)
    }

    /// Deletes what was found: records first, so that a kill never leaves one without its objects.
    /// Returns what could not be deleted, and why: that is garbage still.
    pub fn delete(&self, garbage: &Garbage) -> Vec<StoreError> {
        let failed = garbage.paths.iter().filter_map(|path| match self.remove(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Some(StoreError::io("delete", path, e)),
            _ => None,
        });
        let failed = failed.collect();
        // Long notes harm nothing, and a disk may be full in spite of us.
        let _ = self.store.compact_export_notes();
        self.store.sweep_exports();
        failed
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !fs::symlink_metadata(path)?.is_dir() {
            return fs::remove_file(path);
        }
        // Out of its place first: a kill must not leave half a checkpoint that a step goes on from.
        // A full disk may have no room for the new name; then it goes where it is.
        let trash = durable::fresh(&self.store.tmp_dir());
        let path = if fs::rename(path, &trash).is_ok() { &trash } else { path };
        remove_tree(path)
    }
}

impl Store {
    /// The store to ourselves, to delete from it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while a run or a worker uses it; [`StoreError::OnCluster`]; else what the system
    /// said.
    pub fn collector(&self) -> Result<Collector> {
        let steps = self.jobs().len();
        if steps > 0 {
            return Err(StoreError::OnCluster { path: self.root().to_owned(), steps });
        }
        let path = self.live_path();
        let alone = durable::lock_file(&path)?;
        match alone.try_lock() {
            Ok(()) => Ok(Collector { store: self.clone(), _alone: alone }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: self.root().to_owned() }),
            Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path, e)),
        }
    }

    /// What a [`Collector`] would delete. Changes nothing.
    ///
    /// # Errors
    /// Where the store's folders cannot be read.
    pub fn garbage(&self, keep: &Roots) -> Result<Garbage> {
        let mut kept = BTreeSet::new();
        let mut garbage = Garbage::default();
        // By the manifests of exports it is known what in their folders is ours.
        for noted in self.export_notes()?.into_values() {
            kept.extend(
                [Some(noted.artifact), noted.before].into_iter().flatten().map(|artifact| artifact.digest),
            );
        }
        let mut going: BTreeMap<Digest, Record> = BTreeMap::new();
        // The runs that made what stays have its logs.
        let mut makers = BTreeSet::new();
        for key in self.keys()? {
            let Some(record) = self.record(&key) else { continue };
            if keep.keys.contains(&key) {
                // Inputs count: a part's manifest is an object that only the key's input names.
                kept.extend(record.material.inputs.values().flatten().map(|input| input.digest));
                makers.insert(record.run.clone());
                record.outputs.values().for_each(|artifact| self.mark_objects(artifact, &mut kept));
            } else {
                going.insert(key, record);
            }
        }
        for run in self.runs()? {
            if keep.runs.contains(run.id()) || makers.contains(run.id()) {
                kept.extend(run.plan());
            } else {
                garbage.runs += 1;
                garbage.bytes += size_below(run.path());
                garbage.paths.push(run.path().to_owned());
            }
        }
        let mut sizes = BTreeMap::new();
        let folder = self.root().join("objects-v1");
        for (name, meta) in walk(&folder)? {
            let hex: String = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            if hex.parse().is_ok_and(|digest| kept.contains(&digest)) {
                continue;
            }
            if let Ok(digest) = hex.parse::<Digest>() {
                sizes.insert(digest, meta.len());
            }
            garbage.objects += 1;
            garbage.bytes += meta.len();
            garbage.paths.push(folder.join(name));
        }
        let records: Vec<PathBuf> = going.keys().map(|key| self.record_path(key)).collect();
        garbage.paths.splice(0..0, records);
        garbage.paths.extend(going.keys().map(|key| self.foreign_path(key)).filter(|path| path.exists()));
        for record in going.into_values() {
            let mut named = BTreeSet::new();
            record.outputs.values().for_each(|artifact| self.mark_objects(artifact, &mut named));
            let bytes = named.iter().filter_map(|digest| sizes.get(digest)).sum();
            garbage.records.push(GarbageItem { record, bytes });
        }
        garbage.records.sort_by_key(|item| (std::cmp::Reverse(item.bytes), item.record.key));
        for scratch in ["work-v1", "tmp-v1", "quarantine-v1"] {
            self.collect_scratch(scratch, &keep.keys, &mut garbage)?;
        }
        Ok(garbage)
    }

    /// Every object that an artifact needs.
    pub(super) fn mark_objects(&self, artifact: &Artifact, into: &mut BTreeSet<Digest>) {
        into.insert(artifact.digest);
        let entries = self.entries(artifact).unwrap_or_default();
        into.extend(entries.iter().filter_map(|entry| Some(entry.file()?.0)));
    }

    /// What lies in a folder of scratch. Checkpoints of a kept key, whose step did not end, stay.
    fn collect_scratch(&self, folder: &str, keep: &BTreeSet<Digest>, garbage: &mut Garbage) -> Result<()> {
        let folder = self.root().join(folder);
        let Ok(items) = fs::read_dir(&folder) else { return Ok(()) };
        let mut unfinished = BTreeSet::new();
        for item in items.flatten() {
            let name = item.file_name();
            let key = key_of(&name);
            if key.is_some_and(|key| keep.contains(&key)) {
                continue;
            }
            unfinished.extend(key);
            garbage.bytes += size_below(&item.path());
            garbage.paths.push(item.path());
        }
        garbage.unfinished += unfinished.len() as u64;
        Ok(())
    }
}

fn size_below(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => {
            walk(path).map_or(0, |files| files.iter().map(|(_, meta)| meta.len()).sum())
        }
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}

//! A store of an earlier version is read by this one: its records and runs get their checksums, once.
//!
//! Objects, keys and the manifests of plain trees are what they were. Not taken along are the results
//! of shell commands, which are executed differently now and so have other keys. Every move can be
//! repeated: a kill in between leaves the rest for the next run.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::durable::{self, Durability};
use super::remove::remove_tree;
use super::walk::walk;
use super::{Record, Result, RunRecord, Store, StoreError, checksum};

impl Store {
    /// Takes along what an earlier version left in this store.
    pub(super) fn migrate(&self) -> Result<()> {
        let old = |name: &str| self.root().join(name);
        let (records, runs) = (old("records-v1"), old("runs-v1"));
        if !records.is_dir() && !runs.is_dir() {
            return Ok(());
        }
        // One process at a time; the other waits and then finds nothing to do.
        let path = old("locks-v1/migrate");
        let lock = durable::lock_file(&path)?;
        lock.lock().map_err(|e| StoreError::io("lock", &path, e))?;
        if records.is_dir() {
            self.migrate_records(&records)?;
        }
        if runs.is_dir() {
            self.migrate_runs(&runs)?;
        }
        // Their place of exports knows files by their content.
        for left in [records, runs, old("exports-v1.jsonl"), path] {
            remove_tree(&left).map_err(|e| StoreError::io("remove", &left, e))?;
        }
        Ok(())
    }

    fn migrate_records(&self, folder: &Path) -> Result<()> {
        for (name, _) in walk(folder)? {
            let Ok(text) = fs::read(folder.join(name)) else { continue };
            let Ok(record) = serde_json::from_slice::<Record>(&text) else { continue };
            let is_taken = record.material.stage != "command" && record.material.key() == record.key;
            let place = self.record_path(&record.key);
            if is_taken && !place.exists() {
                self.reseal(&record, &place)?;
            }
        }
        Ok(())
    }

    fn migrate_runs(&self, folder: &Path) -> Result<()> {
        for run in fs::read_dir(folder).map_err(|e| StoreError::io("read", folder, e))?.flatten() {
            let place = self.runs_dir().join(run.file_name());
            let summary = run.path().join("run.json");
            let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).ok()?).ok();
            match read(&summary).and_then(|value| serde_json::from_value::<RunRecord>(value).ok()) {
                Some(record) => self.reseal(&record, &summary)?,
                // It did not end.
                None => drop(fs::remove_file(&summary)),
            }
            if !place.exists() {
                fs::rename(run.path(), &place).map_err(|e| StoreError::io("move", &place, e))?;
            }
        }
        Ok(())
    }

    fn reseal(&self, value: &impl Serialize, place: &Path) -> Result<()> {
        let text = checksum::seal(value).map_err(|e| StoreError::io("write", place, e.into()))?;
        durable::replace(&self.tmp_dir(), place, &text, Durability::BeforeName)
    }
}

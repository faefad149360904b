//! What a process has looked up, so that it need not be looked up again.

use std::collections::BTreeMap;

use igpt_contract::Digest;

use super::artifact::{Artifact, Form};
use super::export_notes::ExportNotes;
use super::external::{ExternalContent, ExternalPath};
use super::index::{Index, Row, SharedIndex, id};
use super::prefetch::Prefetch;
use super::stat_cache::StatCache;
use super::step_keys::StepKeys;
use super::{Result, Store};

/// The caches of one process: digests of files outside the store, records that were prefetched, notes of
/// exports, keys of steps.
#[derive(Debug)]
pub struct Caches {
    index: SharedIndex,
    pub(super) stats: StatCache,
    pub(super) exports: ExportNotes,
    steps: StepKeys,
    prefetch: Prefetch,
}

impl Caches {
    /// What is known so far. Never fails: without an index everything is hashed.
    pub fn open(store: &Store) -> Self {
        let index = Index::shared(store);
        Self {
            stats: StatCache::new(index.clone()),
            exports: ExportNotes::default(),
            steps: StepKeys::new(index.clone()),
            prefetch: Prefetch::default(),
            index,
        }
    }

    /// The same with records that are being prefetched.
    #[must_use]
    pub fn with(self, prefetch: Prefetch) -> Self {
        Self { prefetch, ..self }
    }

    /// What a key led to, as [`Store::outputs`]: prefetched, or looked up now.
    pub fn outputs(&self, store: &Store, key: &Digest) -> Option<BTreeMap<String, Artifact>> {
        self.prefetch.take(key).or_else(|| store.outputs(key))
    }

    /// What lies at a path outside the store; see [`StatCache::input`].
    ///
    /// # Errors
    /// As there.
    pub fn input(&mut self, path: &ExternalPath) -> Result<ExternalContent> {
        self.stats.input(path)
    }

    /// The artifact that a part is, as [`Store::peek_part`]. One that was looked up before is known,
    /// also where the manifest of the whole is gone.
    ///
    /// # Errors
    /// As [`Store::peek_part`].
    pub fn part(&mut self, store: &Store, whole: &Artifact, part: &str) -> Result<Artifact> {
        let id = id("part", format!("{}\0{part}", whole.digest).as_bytes());
        let known = self.index.borrow().get(&id);
        if let Some(Row { numbers: [form, bytes, files, ..], digest }) = known
            && let Some(form) = Form::of_number(form)
        {
            return Ok(Artifact { digest, form, bytes, files });
        }
        let Artifact { digest, form, bytes, files } = store.peek_part(whole, part)?;
        self.index.borrow_mut().put(id, Row { numbers: [form.number(), bytes, files, 0, 0], digest });
        Ok(Artifact { digest, form, bytes, files })
    }

    /// The key with which a step was last done or reused, and the last other key before it.
    pub fn last_keys(&self, pipeline: &str, step: &str) -> Vec<Digest> {
        self.steps.last(pipeline, step)
    }

    /// Remembers the key with which a step was done or reused.
    pub fn remember(&mut self, pipeline: &str, step: &str, key: Digest) {
        self.steps.remember(pipeline, step, key);
    }

    /// Writes what was learnt into the index. Returns false where another process is writing it:
    /// then some files will be hashed once more, which harms nothing.
    ///
    /// # Errors
    /// What the system said.
    pub fn flush(&mut self) -> Result<bool> {
        self.index.borrow_mut().flush()
    }

    /// Builds the index anew from the records; digests of files outside are learnt again when they
    /// are next needed. Returns how many records were read.
    ///
    /// # Errors
    /// Where another process is writing the index, or the system refuses.
    pub fn rebuild(store: &Store) -> Result<usize> {
        let mut caches = Self::open(store);
        caches.index.borrow_mut().clear()?;
        let mut records: Vec<_> = store.keys()?.iter().filter_map(|key| store.record(key)).collect();
        records.sort_by_key(|record| (record.finished, record.key));
        for record in &records {
            caches.remember(&record.pipeline, &record.step, record.key);
        }
        caches.flush()?;
        Ok(records.len())
    }
}

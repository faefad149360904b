//! The inputs of an attempt: laid out before the work, looked at again before its commit.
//!
//! What a step was given must be what its key says. A copy was hashed on its way, so it is; a link
//! leads to bytes that others may write to meanwhile, so its object is looked at again. A file or
//! folder outside the store must be the very one that was read for the key.

use std::cell::RefCell;
use std::path::Path;

use super::error::AttemptError;
use super::job::{DiskInput, Failure, InputFrom, Job};
use crate::store::{LinkedObjects, StatCache, Store, StoreError, copy_external, link_external};

/// How an input is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputMode {
    /// As files and folders of the step's own.
    Copied,
    /// As links, for work that only reads.
    Linked,
}

/// The inputs of one attempt.
pub(super) struct Inputs<'a> {
    store: &'a Store,
    linked: RefCell<LinkedObjects>,
}

impl<'a> Inputs<'a> {
    /// None laid out yet.
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, linked: RefCell::default() }
    }

    /// Puts an input where the work will look for it.
    pub(super) fn place(&self, from: &InputFrom, layout: InputMode, to: &Path) -> Result<(), StoreError> {
        match (from, layout) {
            (InputFrom::Store(artifact), InputMode::Copied) => self.store.copy_out(artifact, to),
            (InputFrom::Store(artifact), InputMode::Linked) => {
                self.store.link_out(artifact, to, &mut self.linked.borrow_mut())
            }
            (InputFrom::Disk(disk), InputMode::Copied) => copy_external(&disk.place, &disk.read.artifact, to),
            (InputFrom::Disk(disk), InputMode::Linked) => link_external(&disk.place, to),
        }
    }

    /// Checks that all that was given is still what it was.
    pub(super) fn check(&self, job: &Job) -> Result<(), AttemptError> {
        for input in &job.inputs {
            if let InputFrom::Disk(DiskInput { place, read }) = &input.from
                && !StatCache::still_holds(self.store, place, read)?
            {
                let path = place.path.clone();
                return Err(StoreError::Changed { path, since: "while the step ran" }.into());
            }
        }
        if let Some(digest) = self.store.first_touched(&self.linked.borrow()) {
            return Err(AttemptError::Failed(Failure {
                error: format!("object {} in the store changed while the step read it", digest.short()),
                hint: Some("nothing was recorded; a step must not write to linked inputs".to_owned()),
            }));
        }
        Ok(())
    }
}

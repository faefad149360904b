//! Puts the declared outputs where the user wants them.

use std::path::{Path, PathBuf};

use super::Run;
use crate::event::Event;
use crate::execute::Failure;
use crate::plan::Export;
use crate::store::{Artifact, Exported, StoreError};

impl Run<'_> {
    /// Restores each export from the store when it is missing or altered; nothing is executed. One
    /// that cannot be put in place (a file of somebody else's is there) fails alone.
    pub(super) fn export(&mut self) -> Vec<(PathBuf, Artifact)> {
        let mut places = Vec::new();
        for export in &self.resolver.plan.exports {
            let path = self.resolver.path(&export.path);
            match self.put(export, &path) {
                // What was not made cannot be put anywhere; its step's failure has been told.
                Ok(None) => {}
                Ok(Some((artifact, exported))) => {
                    let written = exported != Exported::Unchanged;
                    self.events.send(Event::Exported { path: path.clone(), written });
                    places.push((path, artifact));
                }
                Err(error) => {
                    self.counts.failed += 1;
                    let Failure { error, hint } = error.into();
                    self.events.send(Event::ExportFailed { path, error, hint });
                }
            }
        }
        places
    }

    fn put(&self, export: &Export, path: &Path) -> Result<Option<(Artifact, Exported)>, StoreError> {
        let Some(artifact) = self.resolver.artifact(&export.source, &self.made)? else { return Ok(None) };
        self.resolver.keep_part(&export.source, &self.made)?;
        let files = &mut self.resolver.files.borrow_mut();
        let exported = self.resolver.store.export(&artifact, path, files)?;
        Ok(Some((artifact, exported)))
    }
}

//! Chosen files of a folder outside the store, as one tree.

use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{self, Artifact, Entry};
use super::{Files, Result, Store, StoreError, durable};

impl Files {
    /// The digest of these files of a folder as a tree that holds them alone; nothing is copied.
    ///
    /// # Errors
    /// What the system said.
    pub fn listed(&mut self, folder: &Path, names: &[PathBuf]) -> Result<Artifact> {
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let path = folder.join(name);
            let path = path.canonicalize().map_err(|e| StoreError::io("read", &path, e))?;
            let meta = fs::metadata(&path).map_err(|e| StoreError::io("read", &path, e))?;
            let (digest, size) = self.file(&path, &meta)?;
            entries.push(Entry { name: name.clone(), digest, size });
        }
        let text = artifact::manifest(&mut entries);
        Ok(artifact::tree(&text, &entries))
    }
}

impl Store {
    /// Keeps copies of these files of a folder, as the tree that [`Files::listed`] names.
    ///
    /// # Errors
    /// What the system said.
    pub fn keep_listed(&self, folder: &Path, names: &[PathBuf]) -> Result<Artifact> {
        let aside = durable::fresh(&self.tmp_dir());
        let copied = names.iter().try_for_each(|name| {
            let (from, to) = (folder.join(name), aside.join(name));
            let above = to.parent().unwrap_or(&aside);
            fs::create_dir_all(above).map_err(|e| StoreError::io("create", above, e))?;
            fs::copy(&from, &to).map(drop).map_err(|e| StoreError::io("copy", &from, e))
        });
        let kept = copied.and_then(|()| self.admit(&aside));
        kept.inspect_err(|_| drop(fs::remove_dir_all(&aside)))
    }
}

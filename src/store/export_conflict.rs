//! What stands in the way of an export: files of the user's, and exports that the user changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{Artifact, TreeEntry};
use super::caches::Caches;
use super::checkout::entry_path;
use super::export_notes::Noted;
use super::export_target::{digest_with_unix_line_ends, has_content, is_equal, is_marked};
use super::provenance_file::is_export_provenance;
use super::walk::walk;
use super::{Result, Store, StoreError};

/// What stands in the way of an export.
pub(super) enum Conflict {
    /// Nothing: it is missing, or an earlier export's and untouched.
    Nothing,
    /// A file that an export wrote and the user changed.
    Changed(PathBuf),
    /// Something that no export of this store wrote.
    Foreign(PathBuf),
}

impl Store {
    /// What of the user's an export would replace or remove.
    pub(super) fn conflict(
        &self,
        artifact: &Artifact,
        entries: &[TreeEntry],
        to: &Path,
        noted: Option<Noted>,
        caches: &mut Caches,
    ) -> Result<Conflict> {
        if fs::symlink_metadata(to).is_err() {
            return Ok(Conflict::Nothing);
        }
        let known = self.noted_entries(noted)?;
        let is_folder = to.is_dir();
        let standing: BTreeSet<PathBuf> = match (artifact.is_file(), is_folder) {
            // All of the folder would go.
            (true, true) => walk(to).map_or_else(
                |_| BTreeSet::from([to.to_owned()]),
                |found| found.into_iter().map(|(name, _)| to.join(name)).collect(),
            ),
            (false, false) => BTreeSet::from([to.to_owned()]),
            _ => {
                let wanting = entries
                    .iter()
                    .filter(|entry| !is_equal(&entry_path(to, &entry.name), entry, &mut caches.stats));
                wanting.map(|entry| entry_path(to, &entry.name)).collect()
            }
        };
        for wanted in standing {
            // A file where a folder must be stands in the way as well.
            let mut above = wanted.ancestors().take_while(|above| above.starts_with(to));
            let Some(path) = above.find(|above| fs::symlink_metadata(above).is_ok()) else { continue };
            if path != wanted && path.is_dir() {
                continue;
            }
            let name = path.strip_prefix(to).unwrap_or(Path::new(""));
            let of_name: Vec<&TreeEntry> = known.iter().filter(|entry| entry.name == name).collect();
            if of_name.iter().any(|entry| has_content(path, entry, &mut caches.stats))
                || self.is_untouched(path, to, Some(&of_name), caches)
            {
                continue;
            }
            let path = path.to_owned();
            let is_noted = !of_name.is_empty();
            return Ok(if is_noted { Conflict::Changed(path) } else { Conflict::Foreign(path) });
        }
        Ok(Conflict::Nothing)
    }

    /// The entries of what an export wrote last and before, as far as their manifests are there.
    pub(super) fn noted_entries(&self, noted: Option<Noted>) -> Result<Vec<TreeEntry>> {
        let mut entries = Vec::new();
        for artifact in noted.iter().flat_map(|noted| [Some(noted.artifact), noted.before]).flatten() {
            match self.entries(&artifact) {
                Ok(found) => entries.extend(found),
                Err(StoreError::Missing { .. } | StoreError::NotTree { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// Whether replacing a file loses nothing: its bytes are what its mark says that an export wrote, or
    /// they are in the store, or they are those of a noted entry but for the line ends.
    pub(super) fn is_untouched(
        &self,
        path: &Path,
        to: &Path,
        noted: Option<&[&TreeEntry]>,
        caches: &mut Caches,
    ) -> bool {
        let Ok(meta) = fs::symlink_metadata(path) else { return false };
        if meta.is_symlink() {
            return false;
        }
        let Ok((digest, size)) = caches.stats.file(path, &meta) else { return false };
        is_marked(path, to, &digest)
            || is_export_provenance(path)
            || self.is_intact(&digest, size)
            || noted.is_some_and(|entries| {
                let plain = digest_with_unix_line_ends(path, size);
                entries.iter().filter_map(|entry| entry.file()).any(|(digest, _)| Some(digest) == plain)
            })
    }
}

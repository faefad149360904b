//! Writing an export: prepared beside its place, then renamed or exchanged.

use std::fs;
use std::io;
use std::path::Path;

use super::artifact::{Artifact, Content, TreeEntry};
use super::caches::Caches;
use super::checkout::entry_path;
use super::export_exchange::{ASIDE, exchange};
use super::export_notes::Noted;
use super::export_target::{has_content, is_marked, mark};
use super::provenance_file::is_export_provenance;
use super::remove::remove_tree;
use super::walk::walk;
use super::{Result, Store, StoreError, durable};

impl Store {
    /// Puts the whole of an export in place.
    pub(super) fn put(
        &self,
        artifact: &Artifact,
        entries: &[TreeEntry],
        to: &Path,
        noted: Option<Noted>,
        caches: &mut Caches,
    ) -> Result<()> {
        let aside = durable::fresh_with(to.parent().unwrap_or(Path::new("/")), ASIDE);
        let placed = (|| {
            self.copy_out(artifact, &aside)?;
            for entry in entries {
                mark(&entry_path(&aside, &entry.name), entry, to);
            }
            // Noted before it is there: a kill in between leaves a path that is known to be ours.
            let before = noted.and_then(|noted| match noted.artifact == *artifact {
                true => noted.before,
                false => Some(noted.artifact),
            });
            let note = Noted { artifact: *artifact, before };
            self.write_export_note(to, &note)?;
            caches.exports.add(to, note);
            if artifact.is_file() {
                self.forget_provenance(to);
            }
            self.replace(artifact, entries, &aside, to, noted, caches)
        })();
        let removed = remove_tree(&aside).map_err(|e| StoreError::io("remove", &aside, e));
        placed.and(removed)?;
        for entry in entries {
            if let Some((digest, _)) = entry.file() {
                caches.stats.wrote(&entry_path(to, &entry.name), digest);
            }
        }
        Ok(())
    }

    /// Renames what was prepared into its place.
    fn replace(
        &self,
        artifact: &Artifact,
        entries: &[TreeEntry],
        aside: &Path,
        to: &Path,
        noted: Option<Noted>,
        caches: &mut Caches,
    ) -> Result<()> {
        let failed = |e| StoreError::io("write", to, e);
        if !to.is_dir() {
            if !artifact.is_file() && fs::symlink_metadata(to).is_ok() {
                fs::remove_file(to).map_err(failed)?;
            }
            return fs::rename(aside, to).map_err(failed);
        }
        let known = self.noted_entries(noted)?;
        let (mut old, mut others) = (Vec::new(), false);
        for (name, meta) in walk(to)? {
            if entries.iter().any(|entry| entry.name == name) {
                continue;
            }
            let path = to.join(&name);
            let is_known =
                known.iter().any(|entry| entry.name == name && has_content(&path, entry, &mut caches.stats));
            let is_ours = is_known
                || is_export_provenance(&path)
                || caches.stats.file(&path, &meta).is_ok_and(|(digest, _)| is_marked(&path, to, &digest));
            match is_ours {
                true => old.push(path),
                false => others = true,
            }
        }
        // Nothing of the user's is in it: exchanged whole. (Not a mount point, though: that stays.)
        if (artifact.is_file() || !others) && exchange(aside, to).is_ok() {
            return Ok(());
        }
        // What this export does not have goes first: as long as it is there, the export is not.
        for path in old {
            fs::remove_file(&path).map_err(|e| StoreError::io("remove", &path, e))?;
            // Folders that became empty go, too; a folder with anything in it stays.
            let _ = path.parent().filter(|folder| *folder != to).map(fs::remove_dir);
        }
        for entry in entries {
            let (from, place) = (aside.join(&entry.name), to.join(&entry.name));
            if matches!(entry.content, Content::EmptyFolder) {
                fs::create_dir_all(&place).map_err(|e| StoreError::io("create", &place, e))?;
                continue;
            }
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
            }
            match fs::rename(&from, &place) {
                // A folder in it may be a link to another disk.
                Err(e) if e.kind() == io::ErrorKind::CrossesDevices => self.put_entry(entry, &place, to)?,
                other => other.map_err(|e| StoreError::io("write", &place, e))?,
            }
        }
        Ok(())
    }

    /// Puts back what of an export is missing, and touches nothing that is there.
    pub(super) fn put_missing(&self, entries: &[TreeEntry], to: &Path, caches: &mut Caches) -> Result<()> {
        for entry in entries {
            let path = entry_path(to, &entry.name);
            if fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            let folder = path.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
            self.put_entry(entry, &path, to)?;
            if let Some((digest, _)) = entry.file() {
                caches.stats.wrote(&path, digest);
            }
        }
        Ok(())
    }

    /// Puts one entry at its place, whose folder is there.
    fn put_entry(&self, entry: &TreeEntry, to: &Path, root: &Path) -> Result<()> {
        let aside = durable::fresh_with(to.parent().unwrap_or(Path::new("/")), ASIDE);
        let placed = self.copy_entry(entry, &aside).and_then(|()| {
            mark(&aside, entry, root);
            fs::rename(&aside, to).map_err(|e| StoreError::io("write", to, e))
        });
        placed.inspect_err(|_| drop(remove_tree(&aside)))
    }
}

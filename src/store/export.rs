//! Exports: outputs copied to where the user wants them, and put back when missing.
//!
//! A file at the place of an export is replaced where it is an export of ours that nobody changed:
//! its bytes are those that the notes say, or those that its own mark says (an extended attribute,
//! which outlives a deleted store and a moved project), or they are in the store. Line ends alone are
//! no change: a checkout may have converted them. Anything else is the user's. It is left, and told;
//! with `overwrite` it is replaced, and kept beside its place.
//!
//! Two exports to one place take turns, by a lock on the folder around it. A file is put in place by
//! a rename; a folder that holds nothing but exports of ours is exchanged whole, so that a reader
//! never sees files of two exports.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::artifact::{Artifact, Content, TreeEntry};
use super::caches::Caches;
use super::checkout::at;
use super::export_exchange::{ASIDE, exchange, keep_beside, sweep, take_turn};
use super::export_notes::Noted;
use super::export_target::{digest_with_unix_line_ends, has_content, in_place, is_equal, is_marked, mark};
use super::remove::remove_tree;
use super::scan::walk;
use super::{Result, Store, StoreError, durable};

/// As many links as the system itself follows.
const MAX_LINKS: usize = 40;

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exported {
    /// Everything was there already, unaltered.
    Unchanged,
    /// The export is in place but for a file that the user changed since: that one was left.
    Left(PathBuf),
    /// It was not there, and is now.
    Written,
    /// Some of it was missing or of an earlier export, and is right again.
    Restored,
    /// A file of the user's was replaced; it is here now.
    Overwritten(PathBuf),
}

/// What stands in the way of an export.
enum Conflict {
    /// Nothing: it is missing, or an earlier export's and untouched.
    Nothing,
    /// A file that an export wrote and the user changed.
    Changed(PathBuf),
    /// Something that no export of this store wrote.
    Foreign(PathBuf),
}

impl Store {
    /// Copies an artifact to a path (sharing blocks where the file system can), or only what is
    /// missing there. Copies are the user's own: editing one harms nothing. Links at the place and on
    /// the way to it are followed.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] or [`StoreError::Edited`] where it would overwrite what is the user's;
    /// [`StoreError::Missing`] where the store lacks the content; else what the system said.
    pub fn export(
        &self,
        artifact: &Artifact,
        to: &Path,
        overwrite: bool,
        caches: &mut Caches,
    ) -> Result<Exported> {
        let entries = self.entries(artifact)?;
        let to = &caches.exports.real_path(to);
        // Most often it is there already, and its place is no link.
        if artifact.is_file()
            && !to.starts_with(self.root())
            && in_place(artifact, &entries, to, &mut caches.stats)
        {
            return Ok(Exported::Unchanged);
        }
        let to = &self.place_of_export(to, caches)?;
        if in_place(artifact, &entries, to, &mut caches.stats) {
            return Ok(Exported::Unchanged);
        }
        let folder = to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
        let _turn = take_turn(folder)?;
        if in_place(artifact, &entries, to, &mut caches.stats) {
            return Ok(Exported::Unchanged);
        }
        let noted = caches.exports.read(self)?.get(to).copied();
        let was_there = fs::symlink_metadata(to).is_ok();
        let same = noted.is_some_and(|noted| noted.artifact == *artifact);
        let mut kept = None;
        loop {
            let (path, foreign) = match self.conflict(artifact, &entries, to, noted, caches)? {
                Conflict::Nothing => break,
                Conflict::Changed(path) => (path, false),
                Conflict::Foreign(path) => (path, true),
            };
            match (overwrite, foreign) {
                // A folder that gives way to a file is kept as a whole.
                (true, _) if artifact.is_file() => kept = Some(keep_beside(to)?),
                (true, _) => kept = Some(keep_beside(&path)?),
                (false, true) => return Err(StoreError::NotOurs { path }),
                // The user works on what is still the result: what else is missing is put back around it.
                (false, false) if same => {
                    self.put_missing(&entries, to, caches)?;
                    return Ok(Exported::Left(path));
                }
                (false, false) => return Err(StoreError::Edited { path }),
            }
        }
        self.put(artifact, &entries, to, noted, caches)?;
        Ok(match kept {
            Some(kept) => Exported::Overwritten(kept),
            None if was_there => Exported::Restored,
            None => Exported::Written,
        })
    }

    /// Whether an export to this path would be refused as things are, by what lies there: for a look
    /// ahead, when it is not yet known what will be exported.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] where something lies there that no export of this store wrote.
    pub fn check_export(&self, to: &Path, caches: &mut Caches) -> Result<()> {
        // What was noted at its very place needs no look.
        let near = caches.exports.real_path(to);
        if caches.exports.read(self)?.contains_key(&near) {
            return Ok(());
        }
        let to = self.place_of_export(&near, caches)?;
        if caches.exports.read(self)?.contains_key(&to) {
            return Ok(());
        }
        let Ok(meta) = fs::symlink_metadata(&to) else { return Ok(()) };
        if meta.is_file() && !self.is_untouched(&to, &to, None, caches) {
            return Err(StoreError::NotOurs { path: to });
        }
        Ok(())
    }

    /// Where an export really goes: links are followed, also where they lead to nothing yet.
    fn place_of_export(&self, to: &Path, caches: &mut Caches) -> Result<PathBuf> {
        let mut to = to.to_owned();
        for _ in 0..MAX_LINKS {
            to = caches.exports.real_path(&to);
            match fs::read_link(&to) {
                Ok(target) => to = to.parent().unwrap_or(Path::new("/")).join(target),
                Err(e) if !matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                    return Err(StoreError::io("read", &to, e));
                }
                Err(_) if to.starts_with(self.root()) => return Err(StoreError::NotOurs { path: to }),
                Err(_) => return Ok(to),
            }
        }
        Err(StoreError::NotContent { path: to, what: "a circle of links" })
    }

    /// What of the user's an export would replace or remove.
    fn conflict(
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
                let wanting =
                    entries.iter().filter(|entry| !is_equal(&at(to, &entry.name), entry, &mut caches.stats));
                wanting.map(|entry| at(to, &entry.name)).collect()
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
    fn noted_entries(&self, noted: Option<Noted>) -> Result<Vec<TreeEntry>> {
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
    fn is_untouched(
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
            || self.is_intact(&digest, size)
            || noted.is_some_and(|entries| {
                let plain = digest_with_unix_line_ends(path, size);
                entries.iter().filter_map(|entry| entry.file()).any(|(digest, _)| Some(digest) == plain)
            })
    }

    /// Puts the whole of an export in place.
    fn put(
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
                mark(&at(&aside, &entry.name), entry, to);
            }
            // Noted before it is there: a kill in between leaves a path that is known to be ours.
            let before = noted.and_then(|noted| match noted.artifact == *artifact {
                true => noted.before,
                false => Some(noted.artifact),
            });
            let note = Noted { artifact: *artifact, before };
            self.write_export_note(to, &note)?;
            caches.exports.add(to, note);
            self.replace(artifact, entries, &aside, to, noted, caches)
        })();
        let removed = remove_tree(&aside).map_err(|e| StoreError::io("remove", &aside, e));
        placed.and(removed)?;
        for entry in entries {
            if let Some((digest, _)) = entry.file() {
                caches.stats.wrote(&at(to, &entry.name), digest);
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
    fn put_missing(&self, entries: &[TreeEntry], to: &Path, caches: &mut Caches) -> Result<()> {
        for entry in entries {
            let path = at(to, &entry.name);
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

    /// Removes what killed exports left beside the places of the noted exports.
    pub(super) fn sweep_exports(&self) {
        let notes = self.export_notes().unwrap_or_default();
        let folders: BTreeSet<&Path> = notes.keys().filter_map(|path| path.parent()).collect();
        for folder in folders {
            let _ = File::open(folder).and_then(|turn| {
                turn.try_lock()?;
                sweep(folder)
            });
        }
    }
}

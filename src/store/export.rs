//! Exports: outputs copied to where the user wants them, and put back when missing.
//!
//! A file at the place of an export is replaced where it is an export of ours that nobody changed:
//! its bytes are those that the notes say, or those that its own mark says (an extended attribute,
//! which outlives a deleted store and a moved project), or they are in the store. Line ends alone are
//! no change: a checkout may have converted them. Anything else is the user's. It is left, and reported;
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

use super::artifact::Artifact;
use super::caches::Caches;
use super::export_conflict::Conflict;
use super::export_exchange::{keep_beside, sweep, take_turn};
use super::export_target::in_place;
use super::{Result, Store, StoreError};

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
        Err(StoreError::NotContent { path: to, what: "a loop of symbolic links" })
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

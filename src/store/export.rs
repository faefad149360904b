//! Exports: outputs copied to where the user wants them, and put back when missing or altered.
//!
//! Nothing of the user's is overwritten. A file may be replaced where its bytes are in the store (so
//! nothing is lost) or where an earlier export wrote that path; `exports-v1.jsonl` notes each export
//! for that, in a line. Everything else is refused.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable::{self, Durability};
use super::{Artifact, Entry, Files, Form, Result, Store, StoreError};

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exported {
    /// Everything was there already, unaltered.
    Unchanged,
    /// It was not there, and is now.
    Written,
    /// Some of it was missing or altered, and is right again.
    Restored,
}

/// The note of an export: that this path was written, and with what.
#[derive(Serialize, Deserialize)]
struct Note {
    path: PathBuf,
    artifact: Artifact,
}

/// What was exported to where; of several exports to one path, the last.
pub(super) type Notes = BTreeMap<PathBuf, Artifact>;

impl Store {
    /// Copies an artifact to a path (sharing blocks where the file system can), or only what is
    /// missing or altered there. Copies are the user's own: editing one harms nothing.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] where it would overwrite what igpt-flow did not write;
    /// [`StoreError::Missing`] where the store lacks the content; else what the system said.
    pub fn export(&self, artifact: &Artifact, to: &Path, files: &mut Files) -> Result<Exported> {
        let to = &std::path::absolute(to).map_err(|e| StoreError::io("read", to, e))?;
        let entries = self.entries(artifact)?;
        let mut wanting = Vec::new();
        for entry in &entries {
            if !is_equal(&place(to, entry), entry, files) {
                wanting.push(entry);
            }
        }
        let shape = artifact.form == Form::File || to.is_dir();
        if wanting.is_empty() && shape {
            return Ok(Exported::Unchanged);
        }
        let was_there = fs::symlink_metadata(to).is_ok();
        if was_there {
            self.clear_the_way(artifact, to, &wanting, files)?;
        }
        // Noted first: a kill in mid-export must leave a path that the next run may go on with.
        self.write_note(to, artifact, files)?;
        for entry in wanting {
            self.copy_out(entry, &place(to, entry))?;
            files.wrote(&place(to, entry), entry.digest);
        }
        if artifact.form == Form::Tree {
            fs::create_dir_all(to).map_err(|e| StoreError::io("create", to, e))?;
        }
        Ok(if was_there { Exported::Restored } else { Exported::Written })
    }

    /// Refuses what is not ours, then removes what an earlier export left and this one has not.
    fn clear_the_way(
        &self,
        artifact: &Artifact,
        to: &Path,
        wanting: &[&Entry],
        files: &mut Files,
    ) -> Result<()> {
        let not_ours = |path: &Path| StoreError::NotOurs { path: path.to_owned() };
        let note = files.notes.get_or_insert_with(|| self.export_notes()).get(to);
        let old = note.map(|artifact| self.entries(artifact).unwrap_or_default()).unwrap_or_default();
        let noted: HashSet<PathBuf> = old.iter().map(|entry| place(to, entry)).collect();
        let is_folder = fs::symlink_metadata(to).is_ok_and(|meta| meta.is_dir());
        match (artifact.form, is_folder) {
            (Form::File, true) => return Err(not_ours(to)),
            (Form::Tree, false) => {
                if !noted.contains(to) && !self.holds(to, files) {
                    return Err(not_ours(to));
                }
                return fs::remove_file(to).map_err(|e| StoreError::io("remove", to, e));
            }
            _ => {}
        }
        for entry in wanting {
            let path = place(to, entry);
            for below in path.ancestors().skip(1).take_while(|folder| folder.starts_with(to)) {
                if fs::symlink_metadata(below).is_ok_and(|meta| !meta.is_dir()) {
                    return Err(not_ours(below));
                }
            }
            if let Ok(meta) = fs::symlink_metadata(&path)
                && (meta.is_dir() || !(noted.contains(&path) || self.holds(&path, files)))
            {
                return Err(not_ours(&path));
            }
        }
        if artifact.form == Form::Tree {
            let new: HashSet<PathBuf> = self.entries(artifact)?.into_iter().map(|entry| entry.name).collect();
            for entry in &old {
                let path = place(to, entry);
                let gone = !new.contains(&entry.name);
                // Of the files that this export does not have, only untouched ones are removed.
                if gone && path != to && is_equal(&path, entry, files) {
                    let _ = fs::remove_file(&path);
                    // Folders that became empty go, too; a folder with anything in it stays.
                    let _ = path.parent().filter(|folder| *folder != to).map(fs::remove_dir);
                }
            }
        }
        Ok(())
    }

    /// Whether a file's bytes are in the store, so that overwriting it loses nothing.
    fn holds(&self, path: &Path, files: &mut Files) -> bool {
        let Ok(meta) = fs::symlink_metadata(path) else { return false };
        files.file(path, &meta).is_ok_and(|(digest, size)| self.is_sound(&digest, size))
    }

    fn copy_out(&self, entry: &Entry, to: &Path) -> Result<()> {
        let from = self.path_of_file(&entry.digest);
        if !self.is_sound(&entry.digest, entry.size) {
            return Err(StoreError::Missing { digest: entry.digest });
        }
        let folder = to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
        // Beside its place, under a name that a listing explains, then renamed: whole or not at all.
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let aside = folder.join(format!(".{name}.igpt-flow-{}", std::process::id()));
        let copied = copy_bytes(&from, &aside).and_then(|()| fs::rename(&aside, to));
        copied.map_err(|e| {
            let _ = fs::remove_file(&aside);
            StoreError::io("write", to, e)
        })
    }

    /// Everything that was exported, from the notes.
    pub(super) fn export_notes(&self) -> Notes {
        let text = fs::read_to_string(self.notes_path()).unwrap_or_default();
        let notes = text.lines().filter_map(|line| serde_json::from_str::<Note>(line).ok());
        notes.map(|note| (note.path, note.artifact)).collect()
    }

    /// Rewrites the notes, one for each path.
    pub(super) fn compact_export_notes(&self) -> Result<()> {
        let notes = self.export_notes();
        if notes.is_empty() {
            return Ok(());
        }
        let lines = notes.into_iter().map(|(path, artifact)| line(&Note { path, artifact }));
        let text: String = lines.collect();
        durable::replace(&self.tmp_dir(), &self.notes_path(), text.as_bytes(), Durability::BeforeName)
    }

    fn notes_path(&self) -> PathBuf {
        self.root().join("exports-v1.jsonl")
    }

    fn write_note(&self, to: &Path, artifact: &Artifact, files: &mut Files) -> Result<()> {
        let path = self.notes_path();
        let note = Note { path: to.to_owned(), artifact: *artifact };
        let written = OpenOptions::new().append(true).create(true).open(&path);
        let written = written.and_then(|mut file| file.write_all(line(&note).as_bytes()));
        written.map_err(|e| StoreError::io("write", &path, e))?;
        if let Some(notes) = &mut files.notes {
            notes.insert(note.path, note.artifact);
        }
        Ok(())
    }
}

/// A note as a line of its own, whatever a kill left of the line before it.
fn line(note: &Note) -> String {
    // A path that is not Unicode has no JSON; its export goes without a note and is then protected
    // like a file of the user's.
    serde_json::to_string(note).map(|text| format!("\n{text}")).unwrap_or_default()
}

/// Where an entry of an artifact exported to `to` belongs; joining an empty name would add a `/`.
fn place(to: &Path, entry: &Entry) -> PathBuf {
    if entry.name.as_os_str().is_empty() { to.to_owned() } else { to.join(&entry.name) }
}

fn is_equal(path: &Path, entry: &Entry, files: &mut Files) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| {
        meta.is_file()
            && meta.len() == entry.size
            && files.file(path, &meta).is_ok_and(|(digest, _)| digest == entry.digest)
    })
}

/// Copies bytes, not the read-only mode: the kernel shares blocks where the file system can.
fn copy_bytes(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut from = fs::File::open(from)?;
    let mut to = fs::File::create(to)?;
    std::io::copy(&mut from, &mut to).map(drop)
}

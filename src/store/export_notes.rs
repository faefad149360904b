//! What was exported to where: `exports-v2.jsonl`, a line with a checksum for each export.
//!
//! A path below the folder that the store lies in is noted relative to that folder, so that a project
//! may be moved together with its store.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable::{self, Durability};
use super::manifest::{escape, unescape};
use super::{Artifact, Result, Store, StoreError, checksum};
use crate::real_paths::RealPaths;

/// The note of an export.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The path, with what is not printable ASCII escaped as in manifests.
    path: String,
    artifact: Artifact,
    /// What was there before: after a kill in mid-export it still may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Artifact>,
}

/// What an export wrote last, and what before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    pub(super) artifact: Artifact,
    pub(super) before: Option<Artifact>,
}

/// What was exported to where; of several exports to one path, the last.
pub(super) type Notes = HashMap<PathBuf, Noted>;

/// The notes as a process knows them, and where the folders of exports really are.
#[derive(Debug, Default)]
pub(super) struct ExportNotes {
    /// Read when they are first needed.
    notes: Option<Notes>,
    real_paths: RealPaths,
}

impl ExportNotes {
    /// What was exported before.
    pub(super) fn read(&mut self, store: &Store) -> Result<&Notes> {
        if self.notes.is_none() {
            self.notes = Some(store.export_notes()?);
        }
        Ok(self.notes.get_or_insert_default())
    }

    /// Remembers what was exported just now.
    pub(super) fn add(&mut self, to: &Path, noted: Noted) {
        if let Some(notes) = &mut self.notes {
            notes.insert(to.to_owned(), noted);
        }
    }

    /// The path with the links on the way to it followed; see [`RealPaths::resolve`].
    pub(super) fn real_path(&mut self, path: &Path) -> PathBuf {
        self.real_paths.resolve(path)
    }
}

impl Store {
    /// Everything that was exported, and how many lines of the notes are damaged.
    pub(super) fn read_export_notes(&self) -> Result<(Notes, u64)> {
        let path = self.notes_path();
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|e| StoreError::io("read", &path, e))?,
        };
        let (mut notes, mut damaged) = (Notes::new(), 0);
        let project = self.project();
        for line in text.split_inclusive(|byte| *byte == b'\n').filter(|line| *line != b"\n") {
            let note = || {
                let note: Note = serde_json::from_slice(line).ok()?;
                let path = project.join(unescape(&note.path)?);
                Some((path, Noted { artifact: note.artifact, before: note.before }))
            };
            match checksum::is_valid(line).then(note) {
                Some(Some((path, noted))) => drop(notes.insert(path, noted)),
                // Whole, so a newer version's.
                Some(None) => {}
                None => damaged += 1,
            }
        }
        Ok((notes, damaged))
    }

    /// Everything that was exported.
    pub(super) fn export_notes(&self) -> Result<Notes> {
        Ok(self.read_export_notes()?.0)
    }

    /// The export that a path is, or that it lies in: where it was put, and what.
    ///
    /// # Errors
    /// Where the notes cannot be read.
    pub fn export_at(&self, path: &Path) -> Result<Option<(PathBuf, Artifact)>> {
        let path = std::path::absolute(path).map_err(|e| StoreError::io("find", path, e))?;
        let real = RealPaths::default().resolve(&path);
        let notes = self.export_notes()?;
        let mut above = real.ancestors();
        let found = above.find_map(|above| Some((above.to_owned(), notes.get(above)?.artifact)));
        Ok(found.or_else(|| Some((path.clone(), notes.get(&path)?.artifact))))
    }

    /// Rewrites the notes, one for each path; damaged lines are left out.
    pub(super) fn compact_export_notes(&self) -> Result<()> {
        let notes = self.export_notes()?;
        if notes.is_empty() {
            return Ok(());
        }
        let mut notes: Vec<(PathBuf, Noted)> = notes.into_iter().collect();
        notes.sort_by(|(a, _), (b, _)| a.cmp(b));
        let lines: Vec<u8> = notes.iter().flat_map(|(path, noted)| self.note_line(path, noted)).collect();
        durable::replace(&self.tmp_dir(), &self.notes_path(), &lines, Durability::BeforeName)
    }

    /// Adds a note.
    pub(super) fn write_export_note(&self, to: &Path, noted: &Noted) -> Result<()> {
        let path = self.notes_path();
        let written = OpenOptions::new().append(true).create(true).open(&path);
        // A line of its own, whatever a kill left of the line before it.
        let line = [b"\n", &self.note_line(to, noted)[..]].concat();
        written.and_then(|mut file| file.write_all(&line)).map_err(|e| StoreError::io("write", &path, e))
    }

    fn note_line(&self, path: &Path, noted: &Noted) -> Vec<u8> {
        let path = escape(path.strip_prefix(self.project()).unwrap_or(path));
        let note = Note { path, artifact: noted.artifact, before: noted.before };
        // A note is text and numbers: it has a JSON.
        checksum::seal(&note).unwrap_or_default()
    }

    /// The folder that the store lies in.
    fn project(&self) -> &Path {
        self.root().parent().unwrap_or(Path::new("/"))
    }

    pub(super) fn notes_path(&self) -> PathBuf {
        self.root().join("exports-v2.jsonl")
    }
}

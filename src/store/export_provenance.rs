//! What an export says of where it came from: `provenance.json` in an exported folder,
//! `FILE.provenance.json` beside an exported file.
//!
//! All that changes from run to run stands in it, so that the export itself is the same bytes whenever its
//! inputs are. It is written together with the export, or when it is missing; what is there is left as it is.
//! Its checksum says whether it is still ours to replace. Where a step or another pipeline reads a folder
//! from disk these files are not part of what it reads: they would change its key.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use serde::Serialize;
use serde_json::Value;

use super::caches::Caches;
use super::durable;
use super::export_exchange::ASIDE;
use super::provenance_file::{FORMAT, NAME, beside, is_as_written, is_export_provenance};
use super::{Program, Result, Store, StoreError, checksum};

/// Where an export came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportOrigin {
    /// The digest of what was exported.
    pub digest: Digest,
    /// The step that made it; none where it is a search's decision.
    pub step: Option<String>,
    /// The step's kind.
    pub kind: Option<String>,
    /// The step's key; of a search's decision, the keys of the candidates that were tried.
    pub keys: Vec<Digest>,
    /// The output port.
    pub port: String,
    /// The part of the output, where one was exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The pipeline's name.
    pub pipeline: String,
    /// The run that exported it.
    pub run: String,
    /// When that was (RFC 3339).
    pub exported: String,
    /// The run that made it, where its record says.
    pub made_by_run: Option<String>,
    /// When it was made (RFC 3339).
    pub made: Option<String>,
    /// The program that made it.
    pub program: Program,
    /// Commands that show more.
    pub commands: Vec<String>,
}

impl Store {
    /// Writes where an export came from, where that is missing or the export was written just now. `origin` is
    /// asked only then: most often one `stat` is all. Answers the path of a file of the user's that is in the way
    /// and left alone.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn export_provenance(
        &self,
        to: &Path,
        is_file: bool,
        was_written: bool,
        origin: impl FnOnce() -> Option<ExportOrigin>,
        caches: &mut Caches,
    ) -> Result<Option<PathBuf>> {
        let path = match is_file {
            true => beside(&caches.exports.real_path(to)),
            false => to.join(NAME),
        };
        let is_there = match fs::symlink_metadata(&path) {
            Ok(_) => true,
            Err(e) if e.kind() == ErrorKind::NotFound => false,
            Err(e) => return Err(StoreError::io("look at", &path, e)),
        };
        if is_there && !was_written {
            return Ok(None);
        }
        if is_there && !is_as_written(&path).map_err(|e| StoreError::io("read", &path, e))? {
            return Ok(Some(path));
        }
        let Some(origin) = origin() else { return Ok(None) };
        put(&path, &text(&origin), is_file)?;
        Ok(None)
    }

    /// Removes what an earlier export to a file's place said of itself, before another takes its place: a kill in
    /// between must not leave the one beside the other.
    pub(super) fn forget_provenance(&self, to: &Path) {
        let path = beside(to);
        if is_export_provenance(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Puts the file in place, whole or not at all. It is prepared where what a kill leaves is found: beside the export.
fn put(path: &Path, text: &[u8], is_file: bool) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let real = folder.canonicalize().map_err(|e| StoreError::io("find", folder, e))?;
    let beside = if is_file { None } else { real.parent() };
    let failed = |e| StoreError::io("write", path, e);
    let written = |at: &Path| {
        let aside = durable::fresh_with(at, ASIDE);
        let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, path));
        written.inspect_err(|_| drop(fs::remove_file(&aside)))
    };
    match beside.map(written) {
        // Another disk, or a folder that nobody may write.
        Some(Err(e)) if matches!(e.kind(), ErrorKind::CrossesDevices | ErrorKind::PermissionDenied) => {
            written(&real).map_err(failed)
        }
        Some(done) => done.map_err(failed),
        None => written(&real).map_err(failed),
    }
}

/// The file's text: readable lines, and the checksum at the end of the last.
fn text(origin: &ExportOrigin) -> Vec<u8> {
    let mut value = serde_json::json!({"format": FORMAT});
    if let (Value::Object(all), Ok(Value::Object(origin))) = (&mut value, serde_json::to_value(origin)) {
        all.extend(origin);
    }
    checksum::seal_lines(&value)
}

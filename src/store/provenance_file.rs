//! The file that says where an export came from: its name, and how it is told from files of the user's.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::checksum;

/// The file's name in a folder, and how it ends beside a file.
pub(super) const NAME: &str = "provenance.json";

/// What the file is; a number for its format.
pub(super) const FORMAT: &str = "igpt-flow provenance 1";

/// A larger file is none of ours.
const LARGEST: u64 = 1 << 20;

/// What is read of such a file to know it.
#[derive(Deserialize)]
struct Known {
    format: String,
}

/// Whether a file is what an export says of itself, as it was written.
pub fn is_export_provenance(path: &Path) -> bool {
    let is_named = path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(NAME.as_bytes()));
    is_named && is_as_written(path).unwrap_or(false)
}

/// Whether a file is what an export says of itself, as it was written; an error where it cannot be read.
pub(super) fn is_as_written(path: &Path) -> std::io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut text)?;
    let is_known = || serde_json::from_slice(&text).is_ok_and(|known: Known| known.format == FORMAT);
    Ok(checksum::is_valid(&text) && is_known())
}

/// `table.md.provenance.json`.
pub(super) fn beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().map(OsString::from).unwrap_or_default();
    name.push(".");
    name.push(NAME);
    to.with_file_name(name)
}

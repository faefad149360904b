//! Downloads one file over HTTP(S), through interruptions.
//!
//! The bytes go into `NAME.part`, and `NAME.part.json` says which content they belong to. After a broken
//! connection, or in a later run, the rest is requested (`Range`, and `If-Range` with the content's tag);
//! if the server sends the whole file or other content, the file starts over. Only a complete file gets
//! its name.

mod address;
mod content;
mod download;
mod request;
mod wait;

use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};

pub use address::without_credentials;
use download::{Outcome, download};
pub use request::FileRequest;

/// Records which file from outside the step read: its URL (without credentials), size and digest.
///
/// # Errors
/// If the file cannot be read.
pub fn record_source(name: &str, address: &str, path: &Path, cx: &StageContext) -> Result<(), StageError> {
    let (digest, bytes) = igpt_contract::hash_file(path)?;
    let fact = serde_json::json!({
        "address": without_credentials(address), "bytes": bytes, "blake3": digest,
    });
    cx.fact(name, fact);
    Ok(())
}

/// Downloads a file; one that an earlier attempt completed is returned as it is.
///
/// # Errors
/// If the server refuses, the connection keeps breaking, or the run is cancelled.
pub fn fetch(wanted: &FileRequest, cx: &StageContext) -> Result<PathBuf, StageError> {
    match download(wanted, cx)? {
        Outcome::Found(path) => Ok(path),
        Outcome::Absent(error) => Err(error),
    }
}

/// Like [`fetch`], for a file that may not exist: `None` if the server says so (404, 410).
///
/// # Errors
/// Those of [`fetch`].
pub fn find(wanted: &FileRequest, cx: &StageContext) -> Result<Option<PathBuf>, StageError> {
    match download(wanted, cx)? {
        Outcome::Found(path) => Ok(Some(path)),
        Outcome::Absent(_) => Ok(None),
    }
}

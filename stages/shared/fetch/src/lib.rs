//! Downloads one file over HTTP(S), through interruptions.
//!
//! The bytes go into `NAME.part`, beside `NAME.part.json` that says which content they belong to.
//! After a broken connection, or in another run after a kill, the rest is asked for (`Range`, and
//! `If-Range` with the content's own tag); a server that answers with the whole file, or with
//! another content, starts the file over. Only a file of the full length gets its name.

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

/// Says in the step's record which file from outside it read: its address (without credentials), size
/// and digest.
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

/// Downloads a file; one that was completed by an earlier attempt is answered as it is.
///
/// # Errors
/// If the server refuses, keeps breaking off, or the run is cancelled.
pub fn fetch(wanted: &FileRequest, cx: &StageContext) -> Result<PathBuf, StageError> {
    match download(wanted, cx)? {
        Outcome::Found(path) => Ok(path),
        Outcome::Absent(error) => Err(error),
    }
}

/// [`fetch`] for a file that may not be there: none where the server says so (404, 410).
///
/// # Errors
/// As for [`fetch`].
pub fn find(wanted: &FileRequest, cx: &StageContext) -> Result<Option<PathBuf>, StageError> {
    match download(wanted, cx)? {
        Outcome::Found(path) => Ok(Some(path)),
        Outcome::Absent(_) => Ok(None),
    }
}

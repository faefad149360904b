//! `index rebuild`: throw the index away and build it again from the truth.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::error::CliError;
use crate::store::{Caches, Store};

/// Rebuilds the index.
pub(super) fn rebuild(store: &Path, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let records = Caches::rebuild(&store)?;
    if json {
        writeln!(out, "{:#}", json!({"records": records}))?;
    } else {
        writeln!(
            out,
            "the index is rebuilt from {records} records; files outside the store are hashed again when next needed"
        )?;
    }
    Ok(())
}

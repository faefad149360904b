//! `index rebuild`: discard the index and build it again from the records.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use igpt_contract::counted;

use super::error::CliError;
use crate::store::{Caches, Store};

/// Rebuilds the index.
pub(super) fn rebuild(store: &Path, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let store = Store::open_existing(store)?;
    let records = Caches::rebuild(&store)?;
    if json {
        writeln!(out, "{:#}", json!({"records": records}))?;
    } else {
        let records = counted(records, "record");
        writeln!(
            out,
            "index rebuilt from {records}; files outside the store are hashed again when next needed"
        )?;
    }
    Ok(())
}

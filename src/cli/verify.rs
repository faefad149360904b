//! `verify`: hash every object again, and set aside what is damaged.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::CliError;
use super::show::bytes;
use crate::execute::pool;
use crate::store::{Damage, Store};

/// Verifies the store; answers 0 where all is well, 101 where something was damaged.
pub(super) fn verify(store: &Path, json: bool, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let store = Store::open_existing(store)?;
    pool::prepare().map_err(|source| CliError::NoRoom { what: "a thread", source })?;
    let found = store.verify(&mut |_, _| {})?;
    let code = if found.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) };
    if json {
        let damage: Vec<Value> = found.damage.iter().map(as_json).collect();
        let found = json!({
            "objects": found.objects, "bytes": found.bytes, "damage": damage, "lost_records": found.lost_records,
        });
        writeln!(out, "{found:#}")?;
        return Ok(code);
    }
    for damage in &found.damage {
        let name =
            damage.digest.map_or("an object".to_owned(), |digest| format!("object {}", digest.short()));
        writeln!(out, "{name} is damaged: {}; now {}", damage.what, damage.moved_to.display())?;
    }
    for key in &found.lost_records {
        if let Some(record) = store.peek_record(key) {
            writeln!(out, "`{}` of `{}` lacks an output and will run again", record.step, record.pipeline)?;
        }
    }
    let size = bytes(found.bytes);
    writeln!(out, "{} objects ({size}), {} damaged", found.objects, found.damage.len())?;
    Ok(code)
}

fn as_json(damage: &Damage) -> Value {
    json!({"digest": damage.digest, "what": damage.what, "moved_to": damage.moved_to})
}

//! `verify`: check all that the store keeps, and set aside what is damaged.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::CliError;
use super::show::bytes;
use crate::execute::pool;
use crate::report::seconds;
use crate::store::{Damage, Record, Store};

/// Verifies the store; answers 0 where all is well, 101 where something was damaged.
pub(super) fn verify(store: &Path, json: bool, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let store = Store::open_existing(store)?;
    pool::prepare().map_err(CliError::no_room("a thread"))?;
    let found = store.verify(&mut |_, _| {})?;
    let well = found.damage.is_empty() && found.doubted.is_empty();
    let code = if well { ExitCode::SUCCESS } else { ExitCode::from(101) };
    if json {
        let damage: Vec<Value> = found.damage.iter().map(as_json).collect();
        let steps = |records: &[Record]| records.iter().map(step).collect::<Vec<_>>();
        let found = json!({
            "objects": found.objects, "bytes": found.bytes, "records": found.records, "damage": damage,
            "lost": steps(&found.lost), "doubted": steps(&found.doubted),
        });
        writeln!(out, "{found:#}")?;
        return Ok(code);
    }
    for Damage { kind, digest, what, moved_to } in &found.damage {
        let name = digest.map_or_else(|| format!("a {kind}"), |digest| format!("{kind} {}", digest.short()));
        writeln!(out, "{name} is damaged: {what}; now {}", moved_to.display())?;
    }
    for record in &found.lost {
        writeln!(out, "lost: an output of {}; made again when it is needed", told(record))?;
    }
    for record in &found.doubted {
        writeln!(out, "doubted: {}, which was made from it; taken out, runs again", told(record))?;
    }
    let (size, damaged) = (bytes(found.bytes), found.damage.len());
    writeln!(out, "{} objects ({size}) and {} records, {damaged} damaged", found.objects, found.records)?;
    if !well {
        let cost: f64 = found.lost.iter().chain(&found.doubted).map(|record| record.cost.wall_s).sum();
        writeln!(out, "\nhint: the next run makes again what it needs, at most {} of work", seconds(cost))?;
    }
    Ok(code)
}

fn told(record: &Record) -> String {
    let Record { step, pipeline, cost, .. } = record;
    format!("`{step}` of `{pipeline}` (took {})", seconds(cost.wall_s))
}

fn step(record: &Record) -> Value {
    json!({
        "key": record.key, "step": record.step, "pipeline": record.pipeline, "wall_s": record.cost.wall_s,
    })
}

fn as_json(damage: &Damage) -> Value {
    let Damage { kind, digest, what, moved_to } = damage;
    json!({"kind": kind, "digest": digest, "what": what, "moved_to": moved_to})
}

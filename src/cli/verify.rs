//! `verify`: check every file and record of the store, and set damaged ones aside.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use igpt_contract::counted;

use super::backing::backed_for_run;
use super::error::CliError;
use super::options::RemoteArgs;
use super::show::bytes;
use super::terminal::Verbosity;
use crate::execute::pool;
use crate::pipeline::units;
use crate::report::seconds;
use crate::store::{Damage, Record, Store, Whereabouts};

/// What is verified.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Check this bundle (from `igpt-flow bundle`) instead of the store: hash its files, recompute its keys, and
    /// rebuild its tables and figures, offline.
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(super) bundle: Option<PathBuf>,
    /// Import the bundle into the store if it passes.
    #[arg(long, requires = "bundle")]
    pub(super) import: bool,
    /// Also re-run the commands in a bundle. They are other people's programs: read them first.
    #[arg(long, requires = "bundle")]
    pub(super) commands: bool,
    /// Maximum unpacked size of a bundle.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = parse_size, requires = "bundle")]
    pub(super) max_size: u64,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let mib =
        units::memory_mib(text).ok_or_else(|| "expected a size such as `8GiB` or `500MiB`".to_owned())?;
    Ok(mib.saturating_mul(1 << 20))
}

/// Verifies the store. The exit code is 0 if it is undamaged, 101 if not.
pub(super) fn verify(
    store: &Path,
    json: bool,
    verbosity: Verbosity,
    remote: &RemoteArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let store = Store::open_existing(store)?;
    // Only to say where else bytes are: what is verified is what is here.
    let behind = backed_for_run(&store, remote.remote.as_deref(), "last")?;
    pool::prepare().map_err(CliError::no_room("a thread"))?;
    let found = store.verify(&mut |_, _| {})?;
    let intact = found.damage.is_empty() && found.doubted.is_empty();
    let code = if intact { ExitCode::SUCCESS } else { ExitCode::from(101) };
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
        writeln!(out, "damaged: {name}: {what}; moved to {}", moved_to.display())?;
    }
    for record in &found.lost {
        let places = record.outputs.values().map(|artifact| behind.whereabouts(artifact));
        let mut away = places.filter(|place| *place != Whereabouts::Here);
        let then = match away.next() {
            Some(Whereabouts::Elsewhere(remote))
                if away.all(|place| matches!(place, Whereabouts::Elsewhere(_))) =>
            {
                format!("it is in the remote {remote} and is fetched when needed")
            }
            _ => "recreated when needed".to_owned(),
        };
        writeln!(out, "lost: an output of {}; {then}", described(record))?;
    }
    for record in &found.doubted {
        writeln!(out, "suspect: {}, made from damaged data; removed, and will run again", described(record))?;
    }
    let (objects, records) = (counted(found.objects, "object"), counted(found.records, "record"));
    let (size, damaged) = (bytes(found.bytes), found.damage.len());
    writeln!(out, "checked {objects} ({size}) and {records}: {damaged} damaged")?;
    if !intact && verbosity != Verbosity::Quiet {
        let cost: f64 = found.lost.iter().chain(&found.doubted).map(|record| record.cost.wall_s).sum();
        writeln!(out, "\nhint: the next run recreates what it needs, at most {} of work", seconds(cost))?;
    }
    Ok(code)
}

fn described(record: &Record) -> String {
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

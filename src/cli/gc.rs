//! `gc`: say what nothing names any more, in bytes; delete it when asked to.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::error::CliError;
use super::load::load_profiles;
use super::plan::look_ahead;
use super::show::bytes;
use crate::engine::forecast::Forecast;
use crate::report::seconds;
use crate::store::{Garbage, GarbageItem, Keep, RunFolder, RunRecord, Store};

/// What stays, and whether to delete.
#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// Pipelines whose results stay, with each of their profiles, besides those of recent runs.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Delete; without this nothing is changed.
    #[arg(long)]
    pub delete: bool,
    /// Keep what this many latest successful runs of each pipeline and command line used, and all
    /// later runs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub keep_runs: usize,
}

/// Shows or deletes what neither the named pipelines nor recent runs use.
pub(super) fn gc(store: &Path, json: bool, args: &GcArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let opened = Store::open_existing(store)?;
    let garbage = if args.delete {
        // What must stay is found out with nobody else at work, lest a run end in between.
        let collector = opened.collector()?;
        let garbage = collector.find(&kept(store, &opened, args)?)?;
        collector.delete(&garbage)?;
        garbage
    } else {
        opened.garbage(&kept(store, &opened, args)?)?
    };
    if json {
        writeln!(out, "{:#}", as_json(&garbage, args.delete))?;
        return Ok(());
    }
    for item in &garbage.records {
        let GarbageItem { record, bytes: size } = item;
        writeln!(
            out,
            "{:>10}  {} of `{}` ({}), {}, took {}",
            bytes(*size),
            record.step,
            record.pipeline,
            record.material.stage,
            record.finished.strftime("%Y-%m-%d %H:%M"),
            seconds(record.cost.wall_s)
        )?;
    }
    let (records, size) = (garbage.records.len(), bytes(garbage.bytes));
    let (objects, scratch) = (garbage.objects, garbage.unfinished);
    let verb = if args.delete { "deleted" } else { "would delete" };
    writeln!(
        out,
        "{verb} {size}: {records} results, {objects} objects, scratch of {scratch} unfinished steps"
    )?;
    if !args.delete && garbage.bytes > 0 {
        writeln!(out, "\nhint: `igpt-flow gc --delete` deletes it; name pipelines whose results must stay")?;
    }
    Ok(())
}

/// The keys of what the named pipelines and the recent runs use.
fn kept(path: &Path, store: &Store, args: &GcArgs) -> Result<Keep, CliError> {
    let mut keep = Keep::default();
    for file in &args.files {
        for plan in load_profiles(file)? {
            let outlooks = look_ahead(path, &plan, file, "auto")?;
            keep.keys.extend(outlooks.into_iter().filter_map(|outlook| match outlook.forecast {
                Forecast::Reused(key) | Forecast::Runs { key, .. } => Some(key),
                _ => None,
            }));
        }
    }
    for run in recent(store.runs()?, args.keep_runs) {
        keep.keys.extend(run.keys());
    }
    Ok(keep)
}

/// What makes two runs runs of the same thing: the file, the pipeline's name and the command line.
/// Projects that share a store often type the same words in different folders.
type Same = (PathBuf, String, Vec<String>);

/// For each such thing, the latest successful runs and everything after them.
fn recent(runs: Vec<RunFolder>, keep: usize) -> Vec<RunFolder> {
    let mut successes: BTreeMap<Same, usize> = BTreeMap::new();
    let newest_first = runs.into_iter().rev();
    newest_first
        .filter(|run| {
            // A run that did not end has only its events to say what it was: it stays.
            let Some(record) = run.record() else { return true };
            let RunRecord { file, pipeline, arguments, status, .. } = record;
            let same = (file, pipeline, arguments.into_iter().skip(1).collect());
            let seen = successes.entry(same).or_default();
            let stays = *seen < keep;
            *seen += usize::from(status == "succeeded");
            stays
        })
        .collect()
}

fn as_json(garbage: &Garbage, deleted: bool) -> Value {
    let records: Vec<Value> = garbage
        .records
        .iter()
        .map(|GarbageItem { record, bytes }| {
            json!({
                "key": record.key, "step": record.step, "pipeline": record.pipeline,
                "stage": record.material.stage, "params": record.material.params,
                "finished": record.finished.to_string(), "cost": record.cost, "bytes": bytes,
            })
        })
        .collect();
    json!({
        "deleted": deleted, "bytes": garbage.bytes, "objects": garbage.objects,
        "unfinished_steps": garbage.unfinished, "records": records,
    })
}

//! `gc`: list unreferenced results with their sizes, or delete them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use igpt_contract::{Digest, counted};

use super::error::CliError;
use super::history::steps_of;
use super::load::load_profiles;
use super::options::On;
use super::outlooks::look_ahead;
use super::sharing;
use super::show::bytes;
use super::terminal::Verbosity;
use crate::cluster;
use crate::engine::folder_of;
use crate::execute::Failure;
use crate::pipeline::units;
use crate::remote::RemoteGarbage;
use crate::report::seconds;
use crate::store::{Garbage, GarbageItem, Roots, RunFolder, RunRecord, Store};

/// What is kept, and whether the rest is deleted.
#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// Pipelines whose results to keep, for each of their profiles.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Delete the unreferenced results instead of listing them.
    #[arg(long)]
    pub delete: bool,
    /// Keep the latest N successful runs of each pipeline and command line, all later runs, and the
    /// results they used.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub keep_runs: usize,
    /// Also keep runs younger than this, such as 30d or 12h, and the results they used.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub keep_for: Option<Duration>,
    /// Clean up a remote instead of the store [default: IGPT_FLOW_REMOTE, or the first pipeline's remote].
    ///
    /// Covers objects older than `--grace` that no record refers to and, with `--keep-for`, records older than that
    /// which do not belong to the given pipelines.
    #[arg(
        long, value_name = "URL", num_args = 0..=1, require_equals = true, conflicts_with = "keep_runs",
    )]
    pub remote: Option<Option<String>>,
    /// Minimum age of objects to delete from a remote: longer than any upload takes, and at least one day.
    #[arg(long, value_name = "TIME", value_parser = parse_grace, default_value = "1d", requires = "remote")]
    pub grace: Duration,
}

fn parse_grace(text: &str) -> Result<Duration, String> {
    let least = |time: &Duration| *time >= crate::remote::GRACE;
    parse_time(text).and_then(|time| {
        Some(time).filter(least).ok_or_else(|| {
            "expected at least `1d`: younger objects may belong to an unfinished upload".to_owned()
        })
    })
}

fn parse_time(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| format!("expected {}", units::DURATION))
}

/// Lists or deletes what neither the named pipelines nor recent runs use.
pub(super) fn gc(
    store: &Path,
    json: bool,
    verbosity: Verbosity,
    args: &GcArgs,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if let Some(remote) = &args.remote {
        return gc_remote(store, json, verbosity, args, remote.as_deref(), out);
    }
    let opened = Store::open_existing(store)?;
    let (garbage, failed) = if args.delete {
        // Looked for with the store locked: a run that ends meanwhile would be missed.
        let collector = opened.collector()?;
        let garbage = collector.find(&kept(store, &opened, args)?)?;
        let failed = collector.delete(&garbage);
        (garbage, failed)
    } else {
        (opened.garbage(&kept(store, &opened, args)?)?, Vec::new())
    };
    if json {
        writeln!(out, "{:#}", as_json(&garbage, args.delete))?;
        return failed.into_iter().next().map_or(Ok(()), |error| Err(error.into()));
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
    let (records, size) = (garbage.records.len() as u64, bytes(garbage.bytes));
    let Garbage { objects, runs, unfinished, .. } = garbage;
    let counts = [(records, "result"), (objects, "object"), (runs, "run"), (unfinished, "unfinished step")];
    let counts: Vec<String> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| counted(*n, noun)).collect();
    match (counts.is_empty(), args.delete) {
        (true, _) => writeln!(out, "nothing to delete")?,
        (false, true) => writeln!(out, "deleted {size}: {}", counts.join(", "))?,
        (false, false) => writeln!(out, "unreferenced: {size}: {}", counts.join(", "))?,
    }
    if !args.delete && !counts.is_empty() && verbosity != Verbosity::Quiet {
        writeln!(
            out,
            "\nhint: `igpt-flow gc --delete` deletes this; name the pipelines whose results to keep"
        )?;
    }
    for error in &failed {
        writeln!(out, "cannot delete: {}", Failure::from_error(error).error)?;
    }
    // The rest is deleted; the exit code says that something is left.
    failed.into_iter().next().map_or(Ok(()), |error| Err(error.into()))
}

/// The same on a remote.
fn gc_remote(
    store: &Path,
    json: bool,
    verbosity: Verbosity,
    args: &GcArgs,
    named: Option<&str>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let first = args.files.first().map(|file| load_profiles(file)).transpose()?;
    let plan = first.as_ref().and_then(|plans| plans.first());
    let folder = args.files.first().map_or_else(PathBuf::new, |file| folder_of(file));
    let keep = keys_of_files(store, args)?;
    let remote = sharing::reached(named, plan, &folder, true, None)?;
    let garbage = remote.garbage(&keep, args.keep_for, args.grace)?;
    let deleted = if args.delete { remote.delete(&garbage)? } else { 0 };
    let RemoteGarbage { records, objects, kept, damaged, bytes: size, .. } = &garbage;
    if json {
        let found = json!({
            "remote": remote.address().to_string(), "records": records.len(), "objects": objects.len(),
            "bytes": size, "kept_records": kept, "damaged_records": damaged, "deleted": deleted,
        });
        writeln!(out, "{found:#}")?;
        return Ok(());
    }
    let counts = format!("{}, {}", counted(records.len(), "record"), counted(objects.len(), "object"));
    let stay = counted(*kept, "record");
    match (records.len() + objects.len(), args.delete) {
        (0, _) => writeln!(out, "nothing to delete on {}; {stay} kept", remote.address())?,
        (_, false) => {
            writeln!(out, "unreferenced on {}: {}: {counts}; {stay} kept", remote.address(), bytes(*size))?
        }
        (found, true) => {
            writeln!(out, "deleted from {}: {}: {counts}; {stay} kept", remote.address(), bytes(*size))?;
            if deleted < found {
                writeln!(out, "{} of these were renewed or removed meanwhile", found - deleted)?;
            }
        }
    }
    if !args.delete && records.len() + objects.len() > 0 && verbosity != Verbosity::Quiet {
        writeln!(out, "\nhint: `--delete` deletes this")?;
    }
    Ok(())
}

/// The keys of the named pipelines' steps.
fn keys_of_files(store: &Path, args: &GcArgs) -> Result<BTreeSet<Digest>, CliError> {
    let mut keys = BTreeSet::new();
    for file in &args.files {
        for plan in load_profiles(file)? {
            let mut outlooks = look_ahead(store, &plan, file, On::device("auto"))?;
            let cluster = folder_of(file).join(cluster::FILE);
            if cluster.is_file() {
                // What was made on the cluster has keys of its own.
                let on = On { device: "auto", cluster: Some(&cluster) };
                outlooks.extend(look_ahead(store, &plan, file, on)?);
            }
            keys.extend(outlooks.iter().filter_map(|outlook| outlook.forecast.key()));
        }
    }
    Ok(keys)
}

/// The keys of what the named pipelines and the recent runs use.
fn kept(path: &Path, store: &Store, args: &GcArgs) -> Result<Roots, CliError> {
    let mut keep = Roots { keys: keys_of_files(path, args)?, ..Roots::default() };
    let newer = args.keep_for.map(|time| Timestamp::now().saturating_sub(time).unwrap_or(Timestamp::MIN));
    for run in recent(store.runs()?, args.keep_runs, newer) {
        keep.keys.extend(run.keys());
        keep.runs.insert(run.id().to_owned());
    }
    Ok(keep)
}

/// What makes two runs runs of the same thing: the file, the pipeline's name and the command line.
/// Projects that share a store often type the same words in different folders.
type Same = (PathBuf, String, Vec<String>);

/// For each such thing, the latest successful runs and everything after them; and all runs that ended
/// later than `newer`.
fn recent(runs: Vec<RunFolder>, keep: usize, newer: Option<Timestamp>) -> Vec<RunFolder> {
    let mut successes: BTreeMap<Same, usize> = BTreeMap::new();
    // Of a run that did not end it is only known of which pipeline it was.
    let mut pipelines: BTreeMap<String, usize> = BTreeMap::new();
    let newest_first = runs.into_iter().rev();
    newest_first
        .filter(|run| {
            let Some(record) = run.record() else {
                let (pipeline, _) = steps_of(run);
                return pipelines.get(&pipeline).is_none_or(|seen| *seen < keep.max(1));
            };
            let RunRecord { file, pipeline, arguments, status, finished, .. } = record;
            let success = usize::from(status == "succeeded");
            *pipelines.entry(pipeline.clone()).or_default() += success;
            let same = (file, pipeline, arguments.into_iter().skip(1).collect());
            let seen = successes.entry(same).or_default();
            let stays = *seen < keep || newer.is_some_and(|newer| finished > newer);
            *seen += success;
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
        "runs": garbage.runs, "unfinished_steps": garbage.unfinished, "records": records,
    })
}

//! `lint PAPER.tex...`: whether a paper says what its pipelines say.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use igpt_contract::{Digest, hash_file};
use serde_json::json;

use super::error::CliError;
use super::numbers;
use super::options::{On, PipelineArgs};
use super::outlooks::ExportsNow;
use super::recorded::{OfPipeline, of_pipeline};
use crate::paper::{self, Exported, Files, Finding, Kind, MadeOf, Now};
use crate::paths::normal;
use crate::pipeline::nearest;
use crate::step_name::typed;
use crate::store::Store;

/// The exit code where something was found.
const FOUND: u8 = 3;

/// Which papers, against what.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// The LaTeX files; files they include are checked too.
    #[arg(required = true, value_name = "TEX", value_hint = ValueHint::FilePath)]
    papers: Vec<PathBuf>,
    /// The pipeline (repeatable) [default: the pipelines named in the included files of `values`].
    #[arg(long = "pipeline", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pipelines: Vec<PathBuf>,
    /// Look up the results of this device: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Prints what is wrong; nothing where nothing is.
pub(super) fn lint(
    store: &Path,
    json: bool,
    args: &LintArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let files =
        paper::read(&args.papers).map_err(|(path, source)| CliError::File { doing: "read", path, source })?;
    let mut now = Now::default();
    for pipeline in pipelines(&files, args)? {
        add(store, &pipeline, args, &files, &mut now)?;
    }
    let near = |key: &str, known: &[&str]| nearest(key, known).map(str::to_owned);
    let found = paper::check(&files, &now, near);
    let (hints, wrong): (Vec<&Finding>, Vec<&Finding>) =
        found.iter().partition(|finding| finding.kind == Kind::NearMiss);
    if json {
        writeln!(out, "{:#}", json!({"ok": wrong.is_empty(), "findings": wrong, "hints": hints}))?;
    } else {
        for finding in &found {
            let Finding { file, line, key, message, .. } = finding;
            let file = file.display();
            match finding.kind {
                Kind::NearMiss => writeln!(out, "{file}:{line}: hint: {message}")?,
                Kind::Table => writeln!(out, "{file}:{line}: `{key}` {message}{}", lines_of(finding))?,
                _ => writeln!(out, "{file}:{line}: `{key}`: {message}")?,
            }
        }
    }
    out.flush()?;
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// The lines of a table that differ.
fn lines_of(finding: &Finding) -> String {
    match (&finding.old, &finding.new) {
        (Some(old), Some(new)) => format!("\n    there  {old}\n    store  {new}"),
        _ => String::new(),
    }
}

/// The pipelines to check against.
fn pipelines(files: &Files, args: &LintArgs) -> Result<Vec<PipelineArgs>, CliError> {
    let named = args.pipelines.iter().map(|file| PipelineArgs {
        file: file.clone(),
        sets: Vec::new(),
        profiles: Vec::new(),
    });
    let mut all: Vec<PipelineArgs> = named.collect();
    if all.is_empty() {
        let mut seen = BTreeSet::new();
        for (path, values) in &files.values {
            let Some(made_of) = &values.made_of else { continue };
            let MadeOf { pipeline, profiles, sets } = made_of.clone();
            let file = normal(&path.parent().unwrap_or(Path::new("")).join(pipeline));
            if seen.insert((file.clone(), made_of.clone())) {
                all.push(PipelineArgs { file, sets, profiles });
            }
        }
    }
    if all.is_empty() {
        let what = "no pipeline to check the paper against";
        let hint = "name it with --pipeline FILE, or let the paper include what `igpt-flow values FILE -o values.tex` writes";
        return Err(CliError::Usage { what: what.to_owned(), hint: Some(hint.to_owned()) });
    }
    Ok(all)
}

/// Adds what a pipeline says now.
fn add(
    store: &Path,
    pipeline: &PipelineArgs,
    args: &LintArgs,
    files: &Files,
    now: &mut Now,
) -> Result<(), CliError> {
    let OfPipeline { steps, missing, exports, store } =
        of_pipeline(store, pipeline, On::device(&args.device), &[])?;
    now.numbers.extend(numbers::of_steps(store.as_ref(), &steps).0);
    let mut command = format!("`igpt-flow run {}", pipeline.file.display());
    pipeline.profiles.iter().for_each(|profile| command.push_str(&format!(" --profile {profile}")));
    pipeline.sets.iter().for_each(|set| command.push_str(&format!(" --set {set}")));
    command.push_str("` makes it");
    now.missing.extend(missing.iter().map(|name| (paper::key(&typed(name), ""), command.clone())));
    for path in files.included() {
        let absolute = std::path::absolute(path).map_err(CliError::file("find", path))?;
        if let Some(exported) = exported(store.as_ref(), &normal(&absolute), &exports, &command)? {
            now.exports.insert(path.to_owned(), exported);
        }
    }
    Ok(())
}

/// What an included file should hold, where it is an exported one.
fn exported(
    store: Option<&Store>,
    path: &Path,
    exports: &ExportsNow,
    command: &str,
) -> Result<Option<Exported>, CliError> {
    let Some((place, artifact)) = exports.iter().find(|(place, _)| path.starts_with(normal(place))) else {
        return Ok(None);
    };
    let Some((artifact, store)) = artifact.as_ref().zip(store) else {
        return Ok(Some(Exported::Missing(command.to_owned())));
    };
    let name = path.strip_prefix(normal(place)).unwrap_or(Path::new(""));
    let entries = store.entries(artifact)?;
    let is_meant = |entry: &&crate::store::TreeEntry| artifact.is_file() || entry.name == name;
    let meant = entries.iter().find(is_meant);
    let Some((entry, (expected, _))) = meant.and_then(|entry| Some((entry, entry.file()?))) else {
        // A file of the user's beside the exported ones.
        return Ok(None);
    };
    let (found, _) = hash_file(path).map_err(CliError::file("read", path))?;
    if found == expected {
        return Ok(Some(Exported::Same));
    }
    let here = std::fs::read_to_string(path).map_err(CliError::file("read", path))?.replace("\r\n", "\n");
    // A checkout may have converted the ends of its lines.
    if Digest::of(here.as_bytes()) == expected {
        return Ok(Some(Exported::Same));
    }
    // It differs, also where the bytes that should be there cannot be had.
    let there = store.read_entry(artifact, &entry.name).ok().flatten().unwrap_or_default();
    let there = String::from_utf8_lossy(&there);
    let (mut old, mut new) = (here.lines(), there.lines());
    loop {
        match (old.next(), new.next()) {
            (Some(old), Some(new)) if old == new => {}
            (old, new) => {
                let shown = |line: Option<&str>| line.unwrap_or("(nothing)").trim().to_owned();
                return Ok(Some(Exported::Differs(shown(old), shown(new))));
            }
        }
    }
}

//! The last lines of `run`: where the results are.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::CliError;
use crate::engine::Summary;
use crate::event::RunStatus;
use crate::plan::{Plan, StepId};
use crate::store::{Artifact, Form, Store};

/// How many files of one output are named; `show` names them all.
const FILES: usize = 6;

/// Tells the exports, and the outputs of the targets in the store. A run without either is about
/// the steps that no other step reads.
pub(super) fn tell(
    plan: &Plan,
    store: &Store,
    targets: &BTreeSet<String>,
    summary: &Summary,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut out = BufWriter::new(out);
    let here = std::env::current_dir().unwrap_or_default();
    for (path, artifact) in &summary.exports {
        writeln!(out, "result {}", shorten(path, &here).display())?;
        if artifact.form == Form::Tree {
            table(&path.join("table.md"), &mut out)?;
        }
    }
    for id in told(plan, targets, summary) {
        for (port, artifact) in summary.made.get(&id).into_iter().flatten() {
            output(store, &format!("{}.{port}", plan.steps[id].name), artifact, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// The steps whose outputs in the store are told.
fn told(plan: &Plan, targets: &BTreeSet<String>, summary: &Summary) -> Vec<StepId> {
    let steps = 0..plan.steps.len();
    if !targets.is_empty() {
        let is_target = |id: &StepId| {
            let step = &plan.steps[*id];
            targets.contains(&step.name) || targets.contains(&step.base)
        };
        return steps.filter(is_target).collect();
    }
    if !summary.exports.is_empty() || summary.status != RunStatus::Succeeded {
        return Vec::new();
    }
    let read: BTreeSet<StepId> = plan.steps.iter().flat_map(|step| step.reads(&plan.searches)).collect();
    steps.filter(|id| !read.contains(id)).collect()
}

/// An output's files in the store; of a table also what is in it.
fn output(store: &Store, name: &str, artifact: &Artifact, out: &mut dyn Write) -> Result<(), CliError> {
    if artifact.form == Form::File {
        writeln!(out, "result {name}: {}", store.path_of_file(&artifact.digest).display())?;
        return Ok(());
    }
    let entries = store.entries(artifact)?;
    for entry in entries.iter().take(FILES) {
        let path = store.path_of_file(&entry.digest);
        writeln!(out, "result {name} {}: {}", entry.name.display(), path.display())?;
    }
    if entries.len() > FILES {
        let step = name.split(['.', '[']).next().unwrap_or(name);
        writeln!(out, "       and {} files more: igpt-flow show {step}", entries.len() - FILES)?;
    }
    match entries.iter().find(|entry| entry.name == Path::new("table.md")) {
        Some(entry) => table(&store.path_of_file(&entry.digest), out),
        None => Ok(()),
    }
}

/// Prints a table, where there is one.
fn table(path: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    if let Ok(text) = std::fs::read_to_string(path) {
        writeln!(out, "\n{}", text.trim_end())?;
    }
    Ok(())
}

/// A path from the folder `here`, where it is below it.
fn shorten(path: &Path, here: &Path) -> PathBuf {
    let clean: PathBuf = path.components().collect();
    clean.strip_prefix(here).map_or(clean.clone(), Path::to_path_buf)
}

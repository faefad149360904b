//! The last lines of `run`: where the results are. What they show of names and files is cleaned here,
//! so that links can pass.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use igpt_contract::counted;

use super::error::CliError;
use crate::engine::Summary;
use crate::engine::export::result_steps;
use crate::event::RunStatus;
use crate::plan::Plan;
use crate::report::Style;
use crate::report::clean::{lines, one_line};
use crate::store::{Artifact, Form, Store};

/// How many files of one output are named; `show` names them all.
const FILES: usize = 6;
/// How many exports are named; those with a table are always. The pipeline names them all.
const EXPORTS: usize = 40;

/// Tells the exports, and the outputs of the targets in the store. A run without either is about
/// the steps that no other step reads.
pub(super) fn tell(
    plan: &Plan,
    store: &Store,
    targets: &BTreeSet<String>,
    summary: &Summary,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut out = BufWriter::new(out);
    let here = std::env::current_dir().unwrap_or_default();
    let mut left = 0;
    for (place, (path, artifact)) in summary.exports.iter().enumerate() {
        let table_file = path.join("table.md");
        let has_table = artifact.form == Form::Tree && table_file.is_file();
        if place >= EXPORTS && !has_table {
            left += 1;
            continue;
        }
        let shown = shorten(path, &here);
        writeln!(out, "result {}", style.link(path, &one_line(&shown.to_string_lossy())))?;
        if has_table {
            table(&table_file, &mut out)?;
        }
    }
    if left > 0 {
        writeln!(out, "       and {}", counted(left, "more export"))?;
    }
    let told = summary.status == RunStatus::Succeeded || !targets.is_empty();
    for id in result_steps(plan, targets).into_iter().filter(|_| told) {
        for (port, artifact) in summary.outputs.get(&id).into_iter().flatten() {
            output(store, &format!("{}.{port}", plan.steps[id].name), artifact, style, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// An output's files in the store; of a table also what is in it.
fn output(
    store: &Store,
    name: &str,
    artifact: &Artifact,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let entries = store.entries(artifact)?;
    let files: Vec<_> = entries.iter().filter_map(|entry| Some((&entry.name, entry.file()?.0))).collect();
    for (file, digest) in files.iter().take(FILES) {
        let path = store.path_of_file(digest);
        let name = if artifact.is_file() { name.to_owned() } else { format!("{name} {}", file.display()) };
        writeln!(
            out,
            "result {}: {}",
            one_line(&name),
            style.link(&path, &one_line(&path.to_string_lossy()))
        )?;
    }
    if files.len() > FILES {
        let step = name.split(['.', '[']).next().unwrap_or(name);
        let more = counted(files.len() - FILES, "more file");
        writeln!(out, "       and {more}: igpt-flow show {}", one_line(step))?;
    }
    match files.iter().find(|(name, _)| *name == Path::new("table.md")) {
        Some((_, digest)) => table(&store.path_of_file(digest), out),
        None => Ok(()),
    }
}

/// Prints a table, where there is one.
fn table(path: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    if let Ok(text) = std::fs::read_to_string(path) {
        writeln!(out, "\n{}", lines(text.trim_end()))?;
    }
    Ok(())
}

/// A path from the folder `here`, where it is below it.
fn shorten(path: &Path, here: &Path) -> PathBuf {
    let clean: PathBuf = path.components().collect();
    clean.strip_prefix(here).map_or(clean.clone(), Path::to_path_buf)
}

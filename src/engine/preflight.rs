//! What can be known before the first step: inputs on disk, and places where exports may not go.
//!
//! It looks and changes nothing. What it finds is reported at its line, before an hour of work instead of
//! after it. Whether a file at an export's place is the user's own is a question for the store, and
//! is asked by the engine.

mod exports;
mod file_types;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, FileType};
use std::io;
use std::path::{Path, PathBuf};

use super::{glob, scheduling};
use crate::paths::{lies_in, order_key};
use crate::pipeline::{Diagnostic, nearest};
use crate::plan::{Export, Plan, Source};
use crate::real_paths::real;
use file_types::FileTypes;

/// Looks at the inputs and the exports of the wanted steps (all, where no targets are named). Paths
/// are relative to `folder`; `store` is the store's folder, which need not be there.
pub fn preflight(
    plan: &Plan,
    folder: &Path,
    store: &Path,
    targets: &std::collections::BTreeSet<String>,
) -> Vec<Diagnostic> {
    let file_types = FileTypes::new(2 * plan.exports.len());
    let folder = &std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let checks = Preflight {
        plan,
        folder,
        store: real(store),
        home: real(folder),
        file_types,
        unwritable: RefCell::default(),
    };
    let wanted = scheduling::wanted(plan, targets);
    let mut found = Vec::new();
    let at = |export: &Export| checks.file_types.real(&folder.join(&export.path));
    let (places, there): (Vec<PathBuf>, Vec<Option<FileType>>) = plan.exports.iter().map(at).unzip();
    let apart = are_apart(&places);
    for (n, export) in plan.exports.iter().enumerate() {
        // Those before it that it may get into the way of.
        let before = if apart { &[] } else { &places[..n] };
        if export.source.steps(&plan.searches).iter().any(|step| wanted[*step])
            && let Some((what, hint)) = checks.export(export, &places[n], there[n], before)
        {
            found.push(diagnostic(&export.place, what, hint));
        }
    }
    let taken: Taken = places.iter().map(PathBuf::as_path).zip(&plan.exports).collect();
    let mut seen: HashSet<&Source> = HashSet::new();
    for (step, _) in plan.steps.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
        for input in &step.inputs {
            let Some(place) = &input.place else { continue };
            if seen.insert(&input.source)
                && let Some((what, hint)) = checks.input(&step.base, &input.source, &taken)
            {
                found.push(diagnostic(place, what, hint));
            }
        }
    }
    found
}

/// What is wrong, and what to do about it.
type Finding = (String, Option<String>);

/// The real places of the exports.
type Taken<'a> = HashMap<&'a Path, &'a Export>;

/// Whether none of the paths is another or lies in it.
fn are_apart(paths: &[PathBuf]) -> bool {
    let mut sorted: Vec<&PathBuf> = paths.iter().collect();
    sorted.sort_by_cached_key(|path| order_key(path));
    // What lies in a folder follows it.
    sorted.windows(2).all(|pair| !lies_in(pair[1], pair[0]))
}

/// What was found, at its place in the pipeline.
pub(crate) fn diagnostic(
    place: &crate::pipeline::Location,
    what: String,
    hint: Option<String>,
) -> Diagnostic {
    let found = Diagnostic::new(place.clone(), what);
    match hint {
        Some(hint) => found.with_hint(hint),
        None => found,
    }
}

struct Preflight<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    /// The store's folder and the pipeline's, without links on the way.
    store: PathBuf,
    home: PathBuf,
    file_types: FileTypes,
    /// Folders that were looked at, and why nothing can be put there.
    unwritable: RefCell<HashMap<PathBuf, Option<Finding>>>,
}

impl Preflight<'_> {
    fn input(&self, reader: &str, source: &Source, taken: &Taken<'_>) -> Option<Finding> {
        match source {
            Source::Path(path) => {
                let (place, _) = self.file_types.real(&self.folder.join(path));
                self.feedback(reader, path, &place, taken).or_else(|| self.path(path, &place))
            }
            Source::Glob { files, ignore } => {
                let exports = self.plan.exports.iter().map(|export| self.folder.join(&export.path));
                let excluded: Vec<PathBuf> = exports.chain([self.store.clone()]).collect();
                let error = glob::expand(self.folder, files, ignore, &excluded).err()?;
                Some((error.to_string(), Some("patterns are relative to the pipeline's file".into())))
            }
            Source::Step { .. } | Source::Winner { .. } => None,
        }
    }

    /// An input that is an export after all, by a link or a detour that its text does not show.
    fn feedback(&self, reader: &str, path: &Path, place: &Path, taken: &Taken<'_>) -> Option<Finding> {
        if taken.is_empty() {
            return None;
        }
        let (at, export) = place.ancestors().find_map(|above| taken.get_key_value(above))?;
        let told = self.plan.feedback(reader, path, place.strip_prefix(at).ok()?, export)?;
        Some((told.what, Some(told.hint)))
    }

    fn path(&self, path: &Path, place: &Path) -> Option<Finding> {
        let full = self.folder.join(path);
        let shown = path.display();
        if self.is_in_store(place) {
            let hint = "use the step's output, as in `step.port`";
            return Some((format!("the input `{shown}` is inside the store"), Some(hint.into())));
        }
        let opened = full.metadata().and_then(|meta| {
            if meta.is_dir() {
                return fs::read_dir(&full).map(drop).map(|()| None);
            }
            if !meta.is_file() {
                return Ok(Some((format!("the input `{shown}` is neither a file nor a folder"), None)));
            }
            File::open(&full).map(|_| None)
        });
        match opened {
            Ok(fault) => fault,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let near = similar_name(&full)
                    .map(|name| format!("did you mean `{}`?", path.with_file_name(name).display()));
                let hint = near.unwrap_or_else(|| "paths are relative to the pipeline's file".into());
                Some((format!("the input `{shown}` does not exist"), Some(hint)))
            }
            Err(error) => Some((format!("the input `{shown}` cannot be read: {error}"), None)),
        }
    }

    /// Whether a path is the store's. A project may lie in the folder of its store: then only what
    /// looks like the store's own is.
    fn is_in_store(&self, path: &Path) -> bool {
        if !lies_in(path, &self.store) {
            return false;
        }
        let rest = path.strip_prefix(&self.store).unwrap_or(path);
        if !self.home.starts_with(&self.store) {
            return true;
        }
        let first = rest.iter().next().map(|name| name.to_string_lossy());
        first.is_some_and(|name| {
            name.starts_with("index.")
                || name.rsplit_once("-v").is_some_and(|(_, v)| v.starts_with(|c: char| c.is_ascii_digit()))
        })
    }
}

/// The name in a folder that a missing one most likely meant.
fn similar_name(path: &Path) -> Option<String> {
    let written = path.file_name()?.to_str()?;
    let items = fs::read_dir(path.parent()?).ok()?.take(1000).flatten();
    let names: Vec<String> = items.filter_map(|item| item.file_name().into_string().ok()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    nearest(written, &names).map(str::to_owned)
}

#[cfg(test)]
mod tests;

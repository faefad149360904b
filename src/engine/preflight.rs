//! What can be known before the first step: inputs on disk, and places where exports may not go.
//!
//! It looks and changes nothing. What it finds is told at its line, before an hour of work instead of
//! after it. Whether a file at an export's place is the user's own is a question for the store, and
//! is asked by the engine.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{CString, OsString};
use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{glob, scheduling};
use crate::paths::{lies_in, order_key};
use crate::pipeline::{Diagnostic, nearest};
use crate::plan::{Export, Plan, Source};
use crate::real_paths::{RealPaths, real};

/// Looks at the inputs and the exports of the wanted steps (all, where no targets are named). Paths
/// are relative to `folder`; `store` is the store's folder, which need not be there.
pub fn preflight(
    plan: &Plan,
    folder: &Path,
    store: &Path,
    targets: &std::collections::BTreeSet<String>,
) -> Vec<Diagnostic> {
    let (real_paths, listings, faults) = (RefCell::default(), RefCell::default(), RefCell::default());
    let folder = &std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let checks =
        Preflight { plan, folder, store: real(store), home: real(folder), real_paths, listings, faults };
    let wanted = scheduling::wanted(plan, targets);
    let mut found = Vec::new();
    let at = |export: &Export| checks.real(&folder.join(&export.path));
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

/// So many questions about what lies in a folder are worth a listing of it.
const OFTEN: usize = 32;

/// What is known of what lies in a folder.
enum Listing {
    /// Asked for so often.
    Asked(usize),
    Known(HashMap<OsString, FileType>),
    /// It cannot be listed, or is too long.
    Unknown,
}

/// What lies in a folder, where that is not more than `most`.
fn list(folder: &Path, most: usize) -> Option<HashMap<OsString, FileType>> {
    let mut kinds = HashMap::new();
    for item in fs::read_dir(folder).ok()? {
        let item = item.ok()?;
        kinds.insert(item.file_name(), item.file_type().ok()?);
        if kinds.len() > most {
            return None;
        }
    }
    Some(kinds)
}

struct Preflight<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    /// The store's folder and the pipeline's, without links on the way.
    store: PathBuf,
    home: PathBuf,
    real_paths: RefCell<RealPaths>,
    listings: RefCell<HashMap<OsString, Listing>>,
    /// Folders that were looked at, and why nothing can be put there.
    faults: RefCell<HashMap<PathBuf, Option<Finding>>>,
}

impl Preflight<'_> {
    /// The real path of a file or folder, and what it is, where it is there.
    fn real(&self, path: &Path) -> (PathBuf, Option<FileType>) {
        let path = self.real_paths.borrow_mut().of(path);
        match self.kind(&path) {
            Some(kind) if kind.is_symlink() => {
                let path = real(&path);
                let kind = path.metadata().ok().map(|meta| meta.file_type());
                (path, kind)
            }
            kind => (path, kind),
        }
    }

    /// What a path is, where it is there: by itself, or by a listing of the folder around it, once
    /// that was asked for often.
    fn kind(&self, path: &Path) -> Option<FileType> {
        let by_itself = || path.symlink_metadata().ok().map(|meta| meta.file_type());
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return by_itself() };
        let mut listings = self.listings.borrow_mut();
        let listing = listings.entry(folder.into()).or_insert(Listing::Asked(0));
        if let Listing::Asked(times) = listing {
            *times += 1;
            if *times == OFTEN {
                // A folder of other things besides is not worth it.
                *listing = list(folder, 2 * self.plan.exports.len()).map_or(Listing::Unknown, Listing::Known);
            }
        }
        match listing {
            Listing::Known(kinds) => kinds.get(name).copied(),
            Listing::Asked(_) | Listing::Unknown => by_itself(),
        }
    }

    fn input(&self, reader: &str, source: &Source, taken: &Taken<'_>) -> Option<Finding> {
        match source {
            Source::Path(path) => {
                let (place, _) = self.real(&self.folder.join(path));
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
            let hint = "name the step's output, as in `step.port`; the store's files are its own";
            return Some((format!("the input `{shown}` lies in the store"), Some(hint.into())));
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

    fn export(
        &self,
        export: &Export,
        target: &Path,
        there: Option<FileType>,
        before: &[PathBuf],
    ) -> Option<Finding> {
        let shown = export.path.display();
        if self.is_in_store(target) || lies_in(&self.store, target) {
            let hint = "name a place outside of it; `--store` and IGPT_FLOW_STORE say where the store is";
            return Some((
                format!("the export to `{shown}` lies in the store, or holds it"),
                Some(hint.into()),
            ));
        }
        if lies_in(&self.home, target) {
            return Some((format!("the export to `{shown}` would replace the pipeline's own folder"), None));
        }
        let clashes = |other: &Path| lies_in(other, target) || lies_in(target, other);
        if let Some((_, other)) = before.iter().zip(&self.plan.exports).find(|(place, _)| clashes(place)) {
            let what = format!(
                "the exports to `{}` and `{shown}` lie in each other, or are one place",
                other.path.display()
            );
            return Some((what, Some("give each a place of its own".into())));
        }
        if there.is_some_and(|kind| !kind.is_file() && !kind.is_dir()) {
            let what = format!("the export goes to `{shown}`, which is neither a file nor a folder");
            return Some((what, None));
        }
        // What is there may be what is wanted, and then nothing is written.
        if there.is_some() {
            return None;
        }
        let (what, hint) = self.folder_fault(target.parent()?)?;
        Some((format!("the export to `{shown}` {what}"), hint))
    }

    /// Why nothing can be put into a folder, which need not be there yet.
    fn folder_fault(&self, folder: &Path) -> Option<Finding> {
        if let Some(known) = self.faults.borrow().get(folder) {
            return known.clone();
        }
        let fault = (|| {
            let above = folder.ancestors().find(|above| above.symlink_metadata().is_ok())?;
            if !above.is_dir() {
                let what = format!("has no folder to go to: `{}` is none", above.display());
                return Some((what, Some("move that file, or name another place".into())));
            }
            let error = unwritable(above)?;
            Some((format!("cannot be written: `{}`: {error}", above.display()), None))
        })();
        self.faults.borrow_mut().insert(folder.to_owned(), fault.clone());
        fault
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

/// Why nothing can be written into a folder.
fn unwritable(folder: &Path) -> Option<io::Error> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: a question about a path that ends with a null byte.
    let answer = unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) };
    (answer != 0).then(io::Error::last_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;

    fn found(yaml: &str, prepare: impl Fn(&Path)) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        prepare(&folder);
        let plan = planned(yaml, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let found = preflight(&plan, &folder, &folder.join("artifacts"), &Default::default());
        let shown = |text: &str| text.replace(&format!("{}/", folder.display()), "");
        found
            .into_iter()
            .map(|d| format!("{} {} | {}", d.place.line, shown(&d.message), d.hint.unwrap_or_default()))
            .collect()
    }

    const STEP: &str = "  a: {uses: command, in: {x: INPUT}, with: {run: x}}\n";

    #[track_caller]
    fn input(written: &str, prepare: impl Fn(&Path), told: &[&str]) {
        assert_eq!(
            found(&format!("stages:\n{}", STEP.replace("INPUT", written)), prepare),
            told,
            "{written}"
        );
    }

    #[track_caller]
    fn export(to: &str, prepare: impl Fn(&Path), told: &[&str]) {
        let yaml = format!(
            "stages:\n  a: {{uses: command, with: {{run: x, outputs: [o, p]}}}}\nexport:\n  a.o: {to}\n"
        );
        assert_eq!(found(&yaml, prepare), told, "{to}");
    }

    #[test]
    fn inputs_on_disk_must_be_there_and_files_or_folders() {
        let files = |folder: &Path| {
            fs::write(folder.join("config.json"), "x").unwrap();
            fs::create_dir_all(folder.join("artifacts/objects-v1")).unwrap();
        };
        input("./config.json", files, &[]);
        input("./", files, &[]);
        input(
            "./confg.json",
            files,
            &["2 the input `./confg.json` does not exist | did you mean `./config.json`?"],
        );
        input(
            "./config.json/x",
            files,
            &["2 the input `./config.json/x` cannot be read: Not a directory (os error 20) | "],
        );
        input(
            "./x",
            files,
            &["2 the input `./x` does not exist | paths are relative to the pipeline's file"],
        );
        input("/dev/null", files, &["2 the input `/dev/null` is neither a file nor a folder | "]);
        input(
            "./artifacts/objects-v1",
            files,
            &[
                "2 the input `./artifacts/objects-v1` lies in the store | name the step's output, as in `step.port`; the store's files are its own",
            ],
        );
        input("{files: \"*.json\"}", files, &[]);
        input(
            "{files: [\"*.json\", \"*.txt\"]}",
            files,
            &["2 no file matches the pattern `*.txt` | patterns are relative to the pipeline's file"],
        );
    }

    #[test]
    fn an_input_that_is_an_export_by_a_detour() {
        let linked = |folder: &Path| std::os::unix::fs::symlink("res", folder.join("link")).unwrap();
        let yaml = "stages:\n  a: {uses: command, with: {run: x}}\n  b: {uses: command, in: {x: ./link/a/f}, with: {run: x}}\nexport:\n  a.out: res/a\n";
        let told =
            "3 `./link/a/f` is written by this pipeline: `a` exports it | name the output instead: `a.out/f`";
        let prepare = |folder: &Path| {
            fs::create_dir(folder.join("res")).unwrap();
            linked(folder);
        };
        assert_eq!(found(yaml, prepare), [told]);
    }

    #[test]
    fn many_exports_in_one_folder_are_looked_at_no_less() {
        let names = || 0..2 * OFTEN;
        let steps = names().map(|n| format!("  s{n}: {{uses: command, with: {{run: x}}}}\n"));
        let exports = names().map(|n| format!("  s{n}.out: res/{n}\n"));
        let yaml = format!("stages:\n{}export:\n{}", steps.collect::<String>(), exports.collect::<String>());
        let late = OFTEN + 5;
        let prepare = |folder: &Path| {
            fs::create_dir(folder.join("res")).unwrap();
            fs::write(folder.join("res/9"), "x").unwrap();
            for (n, to) in [(3, "/dev/null"), (late, "/dev/null"), (late + 1, "./9")] {
                std::os::unix::fs::symlink(to, folder.join(format!("res/{n}"))).unwrap();
            }
        };
        let line = |n: usize| 3 + 2 * OFTEN + n;
        let device = "which is neither a file nor a folder | ";
        let one_place = "lie in each other, or are one place | give each a place of its own";
        assert_eq!(
            found(&yaml, prepare),
            [
                format!("{} the export goes to `res/3`, {device}", line(3)),
                format!("{} the exports to `res/3` and `res/{late}` {one_place}", line(late)),
                format!("{} the exports to `res/9` and `res/{}` {one_place}", line(late + 1), late + 1),
            ]
        );
    }

    #[test]
    fn exports_go_where_something_can_be_put() {
        let files = |folder: &Path| {
            fs::write(folder.join("file"), "x").unwrap();
            fs::create_dir(folder.join("artifacts")).unwrap();
            std::os::unix::fs::symlink("artifacts", folder.join("link")).unwrap();
        };
        let in_store = "lies in the store, or holds it | name a place outside of it; `--store` and IGPT_FLOW_STORE say where the store is";
        export("res/o", files, &[]);
        export("artifacts/x", files, &[&format!("4 the export to `artifacts/x` {in_store}")]);
        export("./x/../artifacts", files, &[&format!("4 the export to `./x/../artifacts` {in_store}")]);
        export("link/x", files, &[&format!("4 the export to `link/x` {in_store}")]);
        export(
            "file/x",
            files,
            &[
                "4 the export to `file/x` has no folder to go to: `file` is none | move that file, or name another place",
            ],
        );
        export(
            "/dev/null",
            files,
            &["4 the export goes to `/dev/null`, which is neither a file nor a folder | "],
        );
        export(
            "here/o\n  a.p: other/o",
            |folder| {
                fs::create_dir(folder.join("here")).unwrap();
                std::os::unix::fs::symlink("here", folder.join("other")).unwrap();
            },
            &[
                "5 the exports to `here/o` and `other/o` lie in each other, or are one place | give each a place of its own",
            ],
        );
    }
}

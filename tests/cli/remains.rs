//! What a run left: the exports as they are, what should be gone, who still lives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::support::Project;

/// What is somewhere, by its name from there.
pub(crate) type Snapshot = BTreeMap<PathBuf, String>;

/// What is at and below a path, by its name from there: `file`, `tool` (an executable one) with the
/// text, `link` with its target, `folder`. Nothing where there is nothing.
fn snapshot(path: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut todo = vec![path.to_owned()];
    while let Some(at) = todo.pop() {
        let Ok(meta) = at.symlink_metadata() else { continue };
        let what = if meta.is_symlink() {
            format!("link {}", fs::read_link(&at).unwrap().display())
        } else if meta.is_dir() {
            todo.extend(fs::read_dir(&at).unwrap().map(|item| item.unwrap().path()));
            "folder".to_owned()
        } else {
            let kind = if meta.permissions().mode() & 0o100 != 0 { "tool" } else { "file" };
            format!("{kind} {}", String::from_utf8_lossy(&fs::read(&at).unwrap()))
        };
        found.insert(at.strip_prefix(path).unwrap().to_owned(), what);
    }
    found
}

/// What is exported: names from the project's `results`. Files on their way into place are not among
/// them; `leftovers` finds those.
pub(crate) fn exports(project: &Project) -> Snapshot {
    let mut exports = snapshot(&project.path("results"));
    exports.retain(|name, _| !is_aside(name));
    for (name, what) in &mut exports {
        if name.to_string_lossy().ends_with("provenance.json") {
            *what = said(what);
        }
    }
    exports
}

/// What does not move from run to run of what an export says of itself.
fn said(what: &str) -> String {
    let text = what.strip_prefix("file ").unwrap_or(what);
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|_| what.into());
    format!("{} {} {} {}", value["digest"], value["step"], value["port"], value["part"])
}

/// The names at which two snapshots differ.
pub(crate) fn differences(found: &Snapshot, right: &Snapshot) -> Vec<PathBuf> {
    let names: BTreeSet<&PathBuf> = found.keys().chain(right.keys()).collect();
    names.into_iter().filter(|name| found.get(*name) != right.get(*name)).cloned().collect()
}

fn is_aside(name: &Path) -> bool {
    name.to_string_lossy().contains(".igpt-flow-")
}

/// What no run that ended well may leave: scratch, files on their way, locks that nobody holds, and
/// what an export wrote beside its place.
pub(crate) fn leftovers(project: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    for item in fs::read_dir(project.join("artifacts")).into_iter().flatten().flatten() {
        let name = item.file_name().into_string().unwrap();
        let is_passing = ["work-", "tmp-", "locks-"].iter().any(|of| name.starts_with(of));
        if is_passing && let Ok(items) = fs::read_dir(item.path()) {
            // One lock is the store's own.
            left.extend(items.map(|item| item.unwrap().path()).filter(|path| !path.ends_with("live")));
        }
    }
    left.extend(snapshot(project).keys().filter(|name| is_aside(name)).map(|name| project.join(name)));
    left
}

/// The processes whose folder, command line or environment names the project, with what they are:
/// none, once all of its runs have ended. Our own is not among them.
#[cfg(target_os = "linux")]
pub(crate) fn living(project: &Path) -> Vec<(u32, String)> {
    let name = project.as_os_str().as_bytes();
    let names_it = |bytes: &[u8]| bytes.windows(name.len()).any(|part| part == name);
    let mut living = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten().map(|item| item.path()) {
        let id = process.file_name().and_then(|name| name.to_str()?.parse().ok());
        let Some(id) = id.filter(|id| *id != std::process::id()) else { continue };
        let read = |file: &str| fs::read(process.join(file)).unwrap_or_default();
        let cwd = fs::read_link(process.join("cwd")).unwrap_or_default();
        let command = read("cmdline");
        if cwd.starts_with(project) || names_it(&command) || names_it(&read("environ")) {
            living.push((id, format!("{id} {}", String::from_utf8_lossy(&command).replace('\0', " "))));
        }
    }
    living
}

/// Ends a process that a test left alive.
pub(crate) fn kill(process: u32) {
    let _ = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
}

/// Copies what is in a folder into another, with dates, modes and links.
pub(crate) fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(done.success());
}

/// Says a line that is seen although the test passes.
pub(crate) fn tell(line: &str) {
    // In one piece: the runner writes at the same time.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

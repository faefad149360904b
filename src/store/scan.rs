//! What lies at a path: every file, link and empty folder below it, and what identifies them.
//!
//! The rule for symbolic links: one that stays in the folder that is read (by its text: relative,
//! `..` at its beginning alone) is content itself and kept as a link. One that leaves the folder is
//! followed where the user put it there (an input on disk), and refused by name where a step did
//! (an output): nobody else would find what it leads to. A link that leads into a cycle is refused.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use igpt_contract::Digest;

use super::manifest::stays_inside;
use super::provenance_file::is_export_provenance;
use super::walk::changed;
use super::{Result, StoreError};

/// As many links as the system itself follows on the way to a file.
const MAX_LINKS: usize = 40;

/// What becomes of a link that leaves its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutwardLinks {
    /// What it leads to counts as if it were there.
    Followed,
    /// It is reported as it is, for whoever knows what to do with it.
    Kept,
}

/// One thing below the scanned path.
#[derive(Debug)]
pub(super) struct ScannedEntry {
    /// Its name relative to the scanned path; empty for the path itself.
    pub(super) name: PathBuf,
    /// Where it really is.
    pub(super) path: PathBuf,
    /// What `lstat` says of it there.
    pub(super) meta: Metadata,
    /// What it is.
    pub(super) what: EntryKind,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    /// A link, and whether it stays in the folder.
    Link {
        target: PathBuf,
        stays: bool,
    },
    /// A folder with nothing in it but what was left out.
    EmptyFolder,
}

/// Everything at a path, and the identity of all of it.
#[derive(Debug)]
pub(super) struct Scan {
    /// Sorted by name. A single file is one entry without a name.
    pub(super) found: Vec<ScannedEntry>,
    /// A digest of what `lstat` says of every file, link and folder, those on the way included. It
    /// moves with every exchange and every write, also where the bytes are equal again afterwards.
    pub(super) identity: Digest,
    /// The newest change time of all, in nanoseconds since 1970.
    pub(super) newest: u64,
    /// Whether change times are whole seconds here.
    pub(super) coarse: bool,
}

/// Scans a path that the user named; links on the way to it are followed. Paths in `without` (real
/// ones) and what is below them are left out.
///
/// # Errors
/// [`StoreError::NotContent`] for devices, pipes, sockets and cycles; else what the system said.
pub(super) fn scan(path: &Path, leaving: OutwardLinks, without: &BTreeSet<PathBuf>) -> Result<Scan> {
    let mut scanner = Scanner {
        leaving,
        without,
        above: Vec::new(),
        hasher: blake3::Hasher::new(),
        newest: 0,
        coarse: false,
        found: Vec::new(),
    };
    let real = scanner.follow(path)?;
    let meta = fs::symlink_metadata(&real).map_err(|e| StoreError::io("read", path, e))?;
    if meta.is_dir() {
        scanner.enter(&real, &meta, Path::new(""), Path::new(""))?;
    } else {
        scanner.leaf(PathBuf::new(), real, meta, EntryKind::File)?;
    }
    let Scanner { hasher, newest, coarse, mut found, .. } = scanner;
    found.sort_by(|a, b| a.name.as_os_str().as_bytes().cmp(b.name.as_os_str().as_bytes()));
    Ok(Scan { found, identity: hasher.finalize().into(), newest, coarse })
}

/// Scans files of a folder by their names; links among them are followed.
///
/// # Errors
/// As [`scan`].
pub(super) fn scan_named(folder: &Path, names: &[PathBuf]) -> Result<Scan> {
    let mut whole = blake3::Hasher::new();
    let (mut found, mut newest, mut coarse) = (Vec::new(), 0, false);
    for name in names {
        let one = scan(&folder.join(name), OutwardLinks::Followed, &BTreeSet::new())?;
        whole.update(one.identity.as_bytes());
        newest = one.newest.max(newest);
        coarse |= one.coarse;
        found.extend(one.found.into_iter().map(|one| ScannedEntry { name: name.join(one.name), ..one }));
    }
    for one in &mut found {
        // Joining the empty name of a file added a `/`.
        one.name = one.name.components().collect();
    }
    found.sort_by(|a, b| a.name.as_os_str().as_bytes().cmp(b.name.as_os_str().as_bytes()));
    Ok(Scan { found, identity: whole.finalize().into(), newest, coarse })
}

struct Scanner<'a> {
    leaving: OutwardLinks,
    without: &'a BTreeSet<PathBuf>,
    /// The devices and inodes of the folders around the one that is read.
    above: Vec<(u64, u64)>,
    hasher: blake3::Hasher,
    newest: u64,
    coarse: bool,
    found: Vec<ScannedEntry>,
}

impl Scanner<'_> {
    /// Where a path leads, link by link; every folder and link on the way is part of the identity.
    fn follow(&mut self, path: &Path) -> Result<PathBuf> {
        let failed = |e| StoreError::io("read", path, e);
        let whole = std::path::absolute(path).map_err(failed)?;
        let mut open = names(&whole);
        let mut real = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = open.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            let meta = fs::symlink_metadata(&next).map_err(failed)?;
            if !meta.is_symlink() {
                self.note(&[meta.dev(), meta.ino()], next.as_os_str());
                real = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(StoreError::NotContent {
                    path: path.to_owned(),
                    what: "a loop of symbolic links",
                });
            }
            let target = fs::read_link(&next).map_err(failed)?;
            self.stamp(&meta, target.as_os_str());
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            let mut first = names(&target);
            first.append(&mut open);
            open = first;
        }
        Ok(real)
    }

    /// Everything in a folder. `name` is its name from the scanned path; `inside` its name from the
    /// folder in which links stay, which is another where a link was followed.
    fn folder(&mut self, path: &Path, meta: &Metadata, name: &Path, inside: &Path) -> Result<()> {
        let failed = |e| StoreError::io("read", path, e);
        let mut items = Vec::new();
        let mut left_out = false;
        for item in fs::read_dir(path).map_err(failed)? {
            let item = item.map_err(failed)?;
            let is_left_out = !self.without.is_empty() && self.without.contains(&item.path())
                || self.leaving == OutwardLinks::Followed && is_export_provenance(&item.path());
            left_out |= is_left_out;
            if !is_left_out {
                items.push(item.file_name());
            }
        }
        items.sort();
        match left_out {
            // What is left out may come and go.
            true => self.note(&[meta.dev(), meta.ino()], name.as_os_str()),
            false => self.stamp(meta, name.as_os_str()),
        }
        if items.is_empty() && !name.as_os_str().is_empty() {
            let (name, path) = (name.to_owned(), path.to_owned());
            self.found.push(ScannedEntry { name, path, meta: meta.clone(), what: EntryKind::EmptyFolder });
            return Ok(());
        }
        for item in items {
            let path = path.join(&item);
            let (name, inside) = (name.join(&item), inside.join(&item));
            let meta = fs::symlink_metadata(&path).map_err(|e| StoreError::io("read", &path, e))?;
            if meta.is_dir() {
                self.enter(&path, &meta, &name, &inside)?;
                continue;
            }
            if !meta.is_symlink() {
                self.leaf(name, path, meta, EntryKind::File)?;
                continue;
            }
            let target = fs::read_link(&path).map_err(|e| StoreError::io("read", &path, e))?;
            let stays = stays_inside(&inside, &target);
            if stays || self.leaving == OutwardLinks::Kept {
                self.leaf(name, path, meta, EntryKind::Link { target, stays })?;
                continue;
            }
            self.stamp(&meta, name.as_os_str());
            let real = self.follow(&path)?;
            let meta = fs::symlink_metadata(&real).map_err(|e| StoreError::io("read", &path, e))?;
            if self.without.contains(&real) {
                continue;
            }
            if meta.is_dir() {
                self.enter(&real, &meta, &name, Path::new(""))?;
            } else {
                self.leaf(name, real, meta, EntryKind::File)?;
            }
        }
        Ok(())
    }

    /// A folder, unless it is one of those around it.
    fn enter(&mut self, path: &Path, meta: &Metadata, name: &Path, inside: &Path) -> Result<()> {
        let id = (meta.dev(), meta.ino());
        if self.above.contains(&id) {
            let what = "a link to a folder that contains it";
            return Err(StoreError::NotContent { path: path.to_owned(), what });
        }
        self.above.push(id);
        let read = self.folder(path, meta, name, inside);
        self.above.pop();
        read
    }

    fn leaf(&mut self, name: PathBuf, path: PathBuf, meta: Metadata, what: EntryKind) -> Result<()> {
        if what == EntryKind::File && !meta.is_file() {
            return Err(StoreError::NotContent { path, what: "neither a file nor a folder" });
        }
        self.stamp(&meta, name.as_os_str());
        self.found.push(ScannedEntry { name, path, meta, what });
        Ok(())
    }

    /// Adds all that moves when something is written or exchanged.
    fn stamp(&mut self, meta: &Metadata, name: &OsStr) {
        let changed = changed(meta);
        self.newest = self.newest.max(changed);
        self.coarse |= meta.ctime_nsec() == 0;
        self.note(&[meta.dev(), meta.ino(), meta.size(), changed, u64::from(meta.mode())], name);
    }

    fn note(&mut self, numbers: &[u64], name: &OsStr) {
        for number in numbers {
            self.hasher.update(&number.to_le_bytes());
        }
        self.hasher.update(name.as_bytes()).update(&[0]);
    }
}

/// The names of a path, its root and `.` left out.
fn names(path: &Path) -> VecDeque<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names_of(scan: &Scan) -> Vec<String> {
        let shown = |found: &ScannedEntry| {
            let name = found.name.display();
            match &found.what {
                EntryKind::File => format!("{name}"),
                EntryKind::Link { stays, .. } => format!("{name}@{stays}"),
                EntryKind::EmptyFolder => format!("{name}/"),
            }
        };
        scan.found.iter().map(shown).collect()
    }

    #[test]
    fn links_that_leave_are_followed_and_others_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        for folder in [inside.join("a"), inside.join("empty"), outside.join("sub")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(inside.join("a/x"), "1").unwrap();
        fs::write(outside.join("sub/y"), "2").unwrap();
        symlink("x", inside.join("a/own")).unwrap();
        symlink("../out/sub", inside.join("far")).unwrap();
        // Stays in what `far` leads to, whichever way it is read.
        symlink("y", outside.join("sub/own")).unwrap();
        let scanned = scan(&inside, OutwardLinks::Followed, &BTreeSet::new()).unwrap();
        assert_eq!(names_of(&scanned), ["a/own@true", "a/x", "empty/", "far/own@true", "far/y"]);
        let kept = scan(&inside, OutwardLinks::Kept, &BTreeSet::new()).unwrap();
        assert_eq!(names_of(&kept), ["a/own@true", "a/x", "empty/", "far@false"]);
    }

    #[test]
    fn a_circle_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        symlink(&folder, folder.join("self")).unwrap();
        let error = scan(&folder, OutwardLinks::Followed, &BTreeSet::new()).unwrap_err().to_string();
        assert!(error.contains("a link to a folder that contains it"), "{error}");
        symlink("two", folder.join("one")).unwrap();
        symlink("one", folder.join("two")).unwrap();
        assert!(scan(&folder.join("one"), OutwardLinks::Followed, &BTreeSet::new()).is_err());
    }

    #[test]
    fn every_exchange_moves_the_identity() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["v1", "v2"] {
            fs::create_dir(at(folder)).unwrap();
            fs::write(at(folder).join("x"), "same").unwrap();
        }
        symlink("v1", at("current")).unwrap();
        let identity =
            |name: &str| scan(&at(name), OutwardLinks::Followed, &BTreeSet::new()).unwrap().identity;
        let (linked, direct) = (identity("current/x"), identity("v1/x"));
        assert_eq!(identity("current/x"), linked);
        fs::remove_file(at("current")).unwrap();
        symlink("v2", at("current")).unwrap();
        assert_ne!(identity("current/x"), linked, "a link on the way leads elsewhere");
        fs::rename(at("v1"), at("old")).unwrap();
        fs::rename(at("v2"), at("v1")).unwrap();
        assert_ne!(identity("v1/x"), direct, "a folder on the way is another");
        let before = identity("v1");
        fs::rename(at("v1/x"), at("v1/y")).unwrap();
        fs::rename(at("v1/y"), at("v1/x")).unwrap();
        assert_ne!(identity("v1"), before, "what was taken away and put back is seen");
    }

    #[test]
    fn what_is_left_out_may_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::write(folder.join("x"), "1").unwrap();
        let without = [folder.join("artifacts")].into();
        let scanned = |_: ()| scan(&folder, OutwardLinks::Followed, &without).unwrap();
        fs::create_dir(folder.join("artifacts")).unwrap();
        let before = scanned(()).identity;
        fs::write(folder.join("artifacts/y"), "2").unwrap();
        let after = scanned(());
        assert_eq!(names_of(&after), ["x"]);
        assert_eq!(after.identity, before);
    }
}

//! Lists the files and folders of a folder on disk or of a tar, by their paths.
//!
//! Links in a folder are followed; in an archive they are refused. Hidden and system files and folders are
//! skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{shown, shown_path};

use crate::gunzip::plain_tar;
use crate::hidden::{hidden_part, is_hidden};
use crate::image_file::{MOST_BYTES, is_image, read_file};
use crate::skipped::Skipped;
use crate::tarball::{PlainTar, SizeLimits, TarEntry, TarMember, each_entry};

/// ImageNet's training images take 150 GB.
pub(crate) const LIMITS: SizeLimits = SizeLimits { member: MOST_BYTES, total: 1 << 40 };

/// What hidden paths are called, and why they are skipped.
const HIDDEN: [&str; 2] = ["path", "hidden or a system file"];

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum FileLocation {
    /// A file of its own.
    OnDisk(PathBuf),
    /// A member of one of the listing's tars.
    InTar {
        /// The index of the tar.
        tar: usize,
        /// Where its bytes start.
        position: u64,
        /// Bytes.
        size: u64,
    },
}

/// Files and folders by their paths below a root, joined by `/` and sorted.
pub(crate) struct FileListing {
    /// The folder or archive, for errors.
    pub(crate) root: PathBuf,
    /// Files, images or not.
    pub(crate) files: BTreeMap<String, FileLocation>,
    /// Folders, also those without a file.
    pub(crate) folders: BTreeSet<String>,
    /// The tars that members are read from.
    pub(crate) tars: Vec<PlainTar>,
}

impl FileListing {
    /// Lists a folder, a tar, or a folder with one tar and no images. A gzipped tar is expanded to
    /// `expanded`.
    ///
    /// # Errors
    /// If a folder cannot be listed, or an archive has members that are refused.
    pub(crate) fn open(path: &Path, expanded: &Path, cx: &StageContext) -> Result<Self, StageError> {
        if !path.is_dir() {
            return Self::of_tar(path, expanded, cx);
        }
        let listing = Self::of_folder(path, cx)?;
        let archives: Vec<&String> = listing.files.keys().filter(|name| is_archive(name)).collect();
        match archives.as_slice() {
            [only] if !only.contains('/') && !listing.files.keys().any(|name| is_image(name)) => {
                Self::of_tar(&path.join(only), expanded, cx)
            }
            _ => Ok(listing),
        }
    }

    /// Lists a folder and all below it.
    ///
    /// # Errors
    /// If a folder cannot be listed, a name is not UTF-8, or a link leads to a folder that contains it.
    pub(crate) fn of_folder(path: &Path, cx: &StageContext) -> Result<Self, StageError> {
        let (files, folders) = (BTreeMap::new(), BTreeSet::new());
        let hidden = Skipped::new(HIDDEN[0], HIDDEN[1], cx);
        let special = Skipped::new("path", "neither a file nor a folder", cx);
        let mut walk = FolderWalk { cx, files, folders, hidden, special, parents: Vec::new() };
        walk.folder(path, "")?;
        walk.hidden.note();
        walk.special.note();
        Ok(Self { root: path.to_owned(), files: walk.files, folders: walk.folders, tars: Vec::new() })
    }

    /// Lists a tar; a gzipped one is expanded first.
    fn of_tar(path: &Path, expanded: &Path, cx: &StageContext) -> Result<Self, StageError> {
        let tar = plain_tar(path, path, expanded, LIMITS.total, cx)?;
        let (mut files, mut folders, mut hidden) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        each_entry(tar, path, LIMITS, cx, |found| {
            let (TarEntry::Folder(name) | TarEntry::File(TarMember { name, .. }, _)) = &found;
            if let Some(part) = hidden_part(name) {
                // As on disk, where its folder is listed too.
                with_parents(&mut folders, part.rsplit_once('/').map(|(folder, _)| folder));
                hidden.insert(part.to_owned());
                return Ok(());
            }
            let folder = name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            match found {
                TarEntry::Folder(name) => with_parents(&mut folders, Some(&name)),
                TarEntry::File(member, _) => {
                    with_parents(&mut folders, folder.as_deref());
                    let TarMember { name, size, position } = member;
                    files.insert(name, FileLocation::InTar { tar: 0, position, size });
                }
            }
            Ok(())
        })?;
        let mut skipped = Skipped::new(HIDDEN[0], HIDDEN[1], cx);
        hidden.iter().for_each(|name| skipped.add(name));
        skipped.note();
        Ok(Self { root: path.to_owned(), files, folders, tars: vec![PlainTar::new(tar)] })
    }

    /// Reads a file by its path.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than an image may be.
    pub(crate) fn read(&self, name: &str) -> std::io::Result<Vec<u8>> {
        match self.files.get(name) {
            Some(FileLocation::OnDisk(path)) => read_file(path),
            Some(&FileLocation::InTar { tar, position, size }) => match self.tars.get(tar) {
                Some(tar) => tar.read(&TarMember { name: name.to_owned(), size, position }),
                None => Err(std::io::Error::other("no such archive")),
            },
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

/// Adds a folder and its parents.
fn with_parents(folders: &mut BTreeSet<String>, folder: Option<&str>) {
    let mut folder = folder;
    while let Some(name) = folder {
        if !folders.insert(name.to_owned()) {
            return;
        }
        folder = name.rsplit_once('/').map(|(above, _)| above);
    }
}

/// The entries of a folder by name, hidden ones included.
///
/// # Errors
/// If the folder cannot be listed, or a name is not UTF-8.
pub(crate) fn folder_entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, StageError> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| cannot_list(folder, error))? {
        let path = entry.map_err(|error| cannot_list(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(StageError::new(format!("expected names in UTF-8, found `{}`", shown_path(&path))));
        };
        found.insert(name.to_owned(), path);
    }
    Ok(found)
}

fn cannot_list(folder: &Path, error: std::io::Error) -> StageError {
    StageError::caused(format!("cannot list the folder `{}`", shown_path(folder)), error)
}

/// Whether a path has a tar extension.
pub(crate) fn is_archive(name: &str) -> bool {
    let name = name.to_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
}

/// A walk through a folder and those below it.
struct FolderWalk<'a> {
    cx: &'a StageContext,
    files: BTreeMap<String, FileLocation>,
    folders: BTreeSet<String>,
    hidden: Skipped<'a>,
    special: Skipped<'a>,
    /// The canonical paths of the folders that the walk is in.
    parents: Vec<PathBuf>,
}

impl FolderWalk<'_> {
    /// Lists a folder; `prefix` is its path with `/` at the end.
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<(), StageError> {
        self.cx.check()?;
        let real = std::fs::canonicalize(folder).map_err(|error| cannot_list(folder, error))?;
        if self.parents.contains(&real) {
            // Name the link, not its target.
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let parent = shown_path(folder.parent().unwrap_or(Path::new("")));
            let what = format!("`{parent}/{}` is a link to a folder that contains it", shown(&name));
            return Err(StageError::new(what).hint("remove the link: it makes the folder endless"));
        }
        self.parents.push(real);
        for (name, path) in folder_entries(folder)? {
            let hidden = is_hidden(&name);
            let name = format!("{prefix}{name}");
            if hidden {
                self.hidden.add(&name);
                continue;
            }
            match std::fs::metadata(&path) {
                Ok(found) if found.is_dir() => {
                    self.folder(&path, &format!("{name}/"))?;
                    self.folders.insert(name);
                }
                // Reading a pipe or a device may never end.
                Ok(found) if !found.is_file() => self.special.add(&name),
                // An entry that cannot be inspected, such as a broken link, is reported when it is read.
                Ok(_) | Err(_) => drop(self.files.insert(name, FileLocation::OnDisk(path))),
            }
        }
        self.parents.pop();
        Ok(())
    }
}

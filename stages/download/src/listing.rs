//! What there is to read: the files and folders of a folder on disk or of a tar, by their paths.
//!
//! Links within a folder are followed, to files and to folders; within an archive they are refused.
//! Hidden and system files and folders are passed over.

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

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum FileLocation {
    /// A file of its own.
    OnDisk(PathBuf),
    /// A part of one of the listing's tars, by its number.
    InTar {
        /// Which tar.
        tar: usize,
        /// Where its bytes start.
        position: u64,
        /// Bytes.
        size: u64,
    },
}

/// Files and folders by their paths below a root, joined by `/` and sorted.
pub(crate) struct FileListing {
    /// What errors call the whole.
    pub(crate) root: PathBuf,
    /// Files, images or not.
    pub(crate) files: BTreeMap<String, FileLocation>,
    /// Folders, also those without a file.
    pub(crate) folders: BTreeSet<String>,
    /// What members are read from.
    pub(crate) tars: Vec<PlainTar>,
}

impl FileListing {
    /// Lists a folder, a tar, or a folder with one tar and no image. A gzipped tar is put at
    /// `expanded` on the way.
    ///
    /// # Errors
    /// If something cannot be listed, or an archive holds what is refused.
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
    /// If a folder cannot be listed, has a name that is no text, or a link leads back to a folder
    /// that it lies in.
    pub(crate) fn of_folder(path: &Path, cx: &StageContext) -> Result<Self, StageError> {
        let (files, folders) = (BTreeMap::new(), BTreeSet::new());
        let left = Skipped::new("hidden or special files and folders are", cx);
        let mut walk = FolderWalk { cx, files, folders, left, above: Vec::new() };
        walk.folder(path, "")?;
        walk.left.note();
        Ok(Self { root: path.to_owned(), files: walk.files, folders: walk.folders, tars: Vec::new() })
    }

    /// Lists a tar; a gzipped one is expanded first.
    fn of_tar(path: &Path, expanded: &Path, cx: &StageContext) -> Result<Self, StageError> {
        let tar = plain_tar(path, path, expanded, LIMITS.total, cx)?;
        let (mut files, mut folders, mut hidden) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        each_entry(tar, path, LIMITS, cx, |found| {
            let (TarEntry::Folder(name) | TarEntry::File(TarMember { name, .. }, _)) = &found;
            if let Some(part) = hidden_part(name) {
                // On disk the folder that it lies in is there, too.
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
        let mut left = Skipped::new("hidden or special files and folders are", cx);
        hidden.iter().for_each(|name| left.add(name, "hidden, or a system's"));
        left.note();
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
                None => Err(std::io::Error::other("the archive is gone")),
            },
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

/// Adds a folder and those that it lies in.
fn with_parents(folders: &mut BTreeSet<String>, folder: Option<&str>) {
    let mut folder = folder;
    while let Some(name) = folder {
        if !folders.insert(name.to_owned()) {
            return;
        }
        folder = name.rsplit_once('/').map(|(above, _)| above);
    }
}

/// What lies in a folder, by name; hidden files and folders too.
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

/// Whether a path is a tar's, by its name.
pub(crate) fn is_archive(name: &str) -> bool {
    let name = name.to_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
}

/// A walk through folders.
struct FolderWalk<'a> {
    cx: &'a StageContext,
    files: BTreeMap<String, FileLocation>,
    folders: BTreeSet<String>,
    left: Skipped<'a>,
    /// The folders that the walk is in, as the file system knows them.
    above: Vec<PathBuf>,
}

impl FolderWalk<'_> {
    /// Collects what lies in a folder; `prefix` is its own path with `/` at its end.
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<(), StageError> {
        self.cx.check()?;
        let real = std::fs::canonicalize(folder).map_err(|error| cannot_list(folder, error))?;
        if self.above.contains(&real) {
            // The link itself is named, not what it leads to.
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let lies_in = shown_path(folder.parent().unwrap_or(Path::new("")));
            let what = format!("`{lies_in}/{}` is a link to a folder that it lies in", shown(&name));
            return Err(StageError::new(what).hint("take the link away: its files would be read without end"));
        }
        self.above.push(real);
        for (name, path) in folder_entries(folder)? {
            let hidden = is_hidden(&name);
            let name = format!("{prefix}{name}");
            if hidden {
                self.left.add(&name, "hidden, or a system's");
                continue;
            }
            match std::fs::metadata(&path) {
                Ok(found) if found.is_dir() => {
                    self.folder(&path, &format!("{name}/"))?;
                    self.folders.insert(name);
                }
                // Reading a pipe or a device may never end.
                Ok(found) if !found.is_file() => self.left.add(&name, "neither a file nor a folder"),
                // What cannot be looked at, such as a link to nothing, is told when it is read.
                Ok(_) | Err(_) => drop(self.files.insert(name, FileLocation::OnDisk(path))),
            }
        }
        self.above.pop();
        Ok(())
    }
}

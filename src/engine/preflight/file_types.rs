//! What lies at many paths in few folders: asked for one by one, or by a listing of the folder.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

use crate::real_paths::{RealPaths, real};

/// So many questions about what lies in a folder are worth a listing of it.
pub(super) const OFTEN: usize = 32;

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

/// Real paths and what lies there, as far as it was asked for.
pub(super) struct FileTypes {
    real_paths: RefCell<RealPaths>,
    listings: RefCell<HashMap<OsString, Listing>>,
    /// The longest folder that is worth a listing.
    longest: usize,
}

impl FileTypes {
    /// Nothing is known yet; folders with more than `longest` items are not listed.
    pub(super) fn new(longest: usize) -> Self {
        Self { real_paths: RefCell::default(), listings: RefCell::default(), longest }
    }

    /// The real path of a file or folder, and what it is, where it is there.
    pub(super) fn real(&self, path: &Path) -> (PathBuf, Option<FileType>) {
        let path = self.real_paths.borrow_mut().resolve(path);
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
                *listing = list(folder, self.longest).map_or(Listing::Unknown, Listing::Known);
            }
        }
        match listing {
            Listing::Known(kinds) => kinds.get(name).copied(),
            Listing::Asked(_) | Listing::Unknown => by_itself(),
        }
    }
}

//! Removing trees that commands made: read-only folders among them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Removes a file, or a folder with all that is in it, whatever its modes are. What is not there is
/// removed already.
///
/// # Errors
/// What the system said of the first thing that stays.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let meta = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !meta.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Makes every folder below a path one that its owner may change.
fn open_folders(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for item in fs::read_dir(path)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            open_folders(&item.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_folders_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (top, deep) = (dir.path().join("top"), dir.path().join("top/deep"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("x"), "1").unwrap();
        for folder in [&deep, &top] {
            fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
        }
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        remove_tree(&top).unwrap();
    }
}

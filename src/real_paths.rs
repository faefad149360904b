//! Real paths of many files in few folders: the system is asked once for each folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::paths::normal;

/// What is known of folders so far.
#[derive(Debug, Default)]
pub(crate) struct RealPaths {
    /// By their texts, which are hashed faster than paths.
    folders: HashMap<OsString, PathBuf>,
}

impl RealPaths {
    /// The path with the links on the way to it followed, as far as its folder is there. Its last name
    /// stays, whatever it is.
    pub(crate) fn resolve(&mut self, path: &Path) -> PathBuf {
        let path = if path.is_absolute() { path.to_owned() } else { absolute(path) };
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return real(&path) };
        if let Some(folder) = self.folders.get(folder.as_os_str()) {
            return folder.join(name);
        }
        let there = real(folder);
        let path = there.join(name);
        self.folders.insert(folder.into(), there);
        path
    }
}

/// The path without links, as far as it is there.
pub(crate) fn real(path: &Path) -> PathBuf {
    let path = absolute(path);
    for above in path.ancestors() {
        if let Ok(there) = above.canonicalize() {
            let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { there } else { there.join(rest) };
        }
    }
    path
}

/// The path from the root, without `.` and `..`.
fn absolute(path: &Path) -> PathBuf {
    normal(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_followed_and_the_end_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        std::fs::create_dir(home.join("there")).unwrap();
        std::os::unix::fs::symlink(home.join("there"), home.join("link")).unwrap();
        let mut paths = RealPaths::default();
        for (path, real) in
            [("link/x", "there/x"), ("link/y", "there/y"), ("link", "link"), ("no/../link/z", "there/z")]
        {
            assert_eq!(paths.resolve(&home.join(path)), home.join(real), "{path}");
        }
        assert_eq!(paths.resolve(&home.join("link/new/x")), home.join("there/new/x"));
        assert_eq!(real(&home.join("link")), home.join("there"));
    }
}

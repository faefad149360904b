//! Places of exports: where none may go, and where nothing can be written.

use std::ffi::CString;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Finding, Preflight};
use crate::paths::lies_in;
use crate::plan::Export;

impl Preflight<'_> {
    pub(super) fn export(
        &self,
        export: &Export,
        target: &Path,
        there: Option<FileType>,
        before: &[PathBuf],
    ) -> Option<Finding> {
        let shown = export.path.display();
        if self.is_in_store(target) || lies_in(&self.store, target) {
            let hint = "choose a path outside of it; `--store` or IGPT_FLOW_STORE sets the store's folder";
            return Some((
                format!("the export to `{shown}` is inside the store, or contains it"),
                Some(hint.into()),
            ));
        }
        if lies_in(&self.home, target) {
            return Some((format!("the export to `{shown}` would replace the pipeline's own folder"), None));
        }
        let clashes = |other: &Path| lies_in(other, target) || lies_in(target, other);
        if let Some((_, other)) = before.iter().zip(&self.plan.exports).find(|(place, _)| clashes(place)) {
            let what = format!("the exports to `{}` and `{shown}` overlap", other.path.display());
            return Some((what, Some("give each its own path".into())));
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
        if let Some(known) = self.unwritable.borrow().get(folder) {
            return known.clone();
        }
        let fault = (|| {
            let above = folder.ancestors().find(|above| above.symlink_metadata().is_ok())?;
            if !above.is_dir() {
                let what = format!("cannot be written: `{}` is not a folder", above.display());
                return Some((what, Some("move that file, or choose another path".into())));
            }
            let error = unwritable(above)?;
            Some((format!("cannot be written: `{}`: {error}", above.display()), None))
        })();
        self.unwritable.borrow_mut().insert(folder.to_owned(), fault.clone());
        fault
    }
}

/// Why nothing can be written into a folder.
fn unwritable(folder: &Path) -> Option<io::Error> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: a question about a path that ends with a null byte.
    let answer = unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) };
    (answer != 0).then(io::Error::last_os_error)
}

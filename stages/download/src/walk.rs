//! The files below a folder. Links are followed, as deep as folders go; one that leads back to a
//! folder that it lies in is an error by name.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{shown, shown_path};

/// Every file below `folder` by its path from there, joined by `/`.
///
/// # Errors
/// For a circle of links, a name that is no text, and a folder that cannot be listed.
pub(crate) fn walk(folder: &Path, cx: &StageContext) -> Result<BTreeMap<String, PathBuf>, StageError> {
    let mut files = BTreeMap::new();
    let mut above = Vec::new();
    // The folders that are open, with what is left of each: no folder is too deep for the stack.
    let mut open = vec![(String::new(), list(folder, &mut above)?)];
    while let Some((prefix, left)) = open.last_mut() {
        let Some(path) = left.pop() else {
            open.pop();
            above.pop();
            continue;
        };
        cx.check()?;
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let what = format!("expected names in UTF-8, found `{}`", shown_path(&path));
            return Err(StageError::new(what));
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            open.push((format!("{name}/"), list(&path, &mut above)?));
        } else {
            files.insert(name, path);
        }
    }
    Ok(files)
}

/// What lies in a folder, which joins those that are open.
fn list(folder: &Path, above: &mut Vec<(u64, u64)>) -> Result<Vec<PathBuf>, StageError> {
    let failed =
        |error| StageError::caused(format!("cannot list the folder `{}`", shown_path(folder)), error);
    let meta = folder.metadata().map_err(failed)?;
    let id = (meta.dev(), meta.ino());
    if above.contains(&id) {
        // The link itself is named, not what it leads to.
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let lies_in = shown_path(folder.parent().unwrap_or(Path::new("")));
        let what = format!("`{lies_in}/{}` is a link to a folder that it lies in", shown(&name));
        return Err(StageError::new(what).hint("take the link away: its files would be read without end"));
    }
    above.push(id);
    std::fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

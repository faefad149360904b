//! Locates an official archive: on this machine, at a mirror, or at its official URL.

use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::shown_path;
use igpt_fetch::{FileRequest, fetch, record_source};

use crate::catalogue::OfficialArchive;
use crate::hidden::is_hidden;
use crate::listing::is_archive;
use crate::local_archive::LocalArchive;

/// The environment variable that names another place for the official archives: a URL prefix
/// (`http://`, `https://`) or a local folder. It is not part of the cache key: the content is checked.
pub const MIRROR: &str = "IGPT_FLOW_MIRROR";

/// The value of [`MIRROR`], where it is set.
pub(crate) fn mirror() -> Option<String> {
    std::env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty())
}

/// The archive as a local file: the user's own, the mirror's, or a download.
///
/// # Errors
/// If it cannot be obtained.
pub(crate) fn archive<'a>(
    official: &'static OfficialArchive,
    own: Option<&Path>,
    mirror: Option<&str>,
    cx: &'a StageContext,
) -> Result<LocalArchive<'a>, StageError> {
    let local = |path, subset, downloaded| LocalArchive { official, path, subset, downloaded, cx };
    if let Some(path) = own {
        return Ok(local(archive_in(path)?, true, false));
    }
    let is_url = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    match mirror {
        Some(folder) if !is_url(folder) => {
            let path = Path::new(folder).join(official.file);
            if path.is_file() {
                let address = format!("{}/{}", official.url.trim_end_matches('/'), official.file);
                record_source("archive", &address, &path, cx)?;
                return Ok(local(path, false, false));
            }
            Err(StageError::new(format!(
                "expected the archive of {} at `{}` (from `{MIRROR}`), found no such file",
                official.name,
                shown_path(&path)
            )))
        }
        _ if cx.is_offline() => Err(StageError::new(format!(
            "the archive `{}` of {} must be downloaded, and the network may not be used",
            official.file, official.name
        ))
        .hint(format!(
            "set `in: {{archive: ./{}}}` to a local copy, or `{MIRROR}` to its folder",
            official.file
        ))),
        _ => {
            let prefix = mirror.unwrap_or(official.url);
            let url = format!("{}/{}", prefix.trim_end_matches('/'), official.file);
            let wanted = FileRequest {
                url: &url,
                folder: cx.checkpoint_dir(),
                name: official.file,
                limit: official.total,
                elsewhere: &format!(
                    "set `in: {{archive: ./{}}}` to a local copy, or `{MIRROR}` to a URL prefix or folder that has it",
                    official.file
                ),
            };
            let path = fetch(&wanted, cx)?;
            record_source("archive", &url, &path, cx)?;
            Ok(local(path, false, true))
        }
    }
}

/// The archive itself, or the only one in a folder, such as the output of a `command` step.
pub(crate) fn archive_in(path: &Path) -> Result<PathBuf, StageError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let mut archives = archives_of(path)?;
    match (archives.pop(), archives.pop()) {
        (Some(archive), None) => Ok(archive),
        (found, _) => Err(StageError::new(format!(
            "expected one archive (`.tar`, `.tar.gz`, `.tgz`) in the folder `{}`, found {}",
            shown_path(path),
            if found.is_none() { "none" } else { "several" }
        ))),
    }
}

/// The archives in a folder, sorted.
fn archives_of(folder: &Path) -> Result<Vec<PathBuf>, StageError> {
    let mut archives = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && is_archive(&name) && !is_hidden(&name) {
            archives.push(path);
        }
    }
    archives.sort();
    Ok(archives)
}

//! Putting an export in its place: turns, names for the time being, and the exchange.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;

use super::remove::remove_tree;
use super::{Result, StoreError};

/// How the names of files on their way into place begin; they lie beside their place.
pub(super) const ASIDE: &str = ".igpt-flow-";

/// The right to export into a folder, until it is dropped. What a killed export left is removed.
pub(super) fn take_turn(folder: &Path) -> Result<File> {
    let turn = File::open(folder).map_err(|e| StoreError::io("open", folder, e))?;
    // Some network file systems have no locks on folders: there exports do not wait for each other.
    if turn.lock().is_ok() {
        let _ = sweep(folder);
    }
    Ok(turn)
}

pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for item in fs::read_dir(folder)?.flatten() {
        if item.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)) {
            remove_tree(&item.path())?;
        }
    }
    Ok(())
}

/// Moves what is the user's to a free name beside its place, and returns that.
pub(super) fn keep_beside(to: &Path) -> Result<PathBuf> {
    let name = to.file_name().unwrap_or_default();
    for n in 1.. {
        let suffix = if n == 1 { ".bak".to_owned() } else { format!(".bak{n}") };
        let mut kept = name.to_owned();
        kept.push(&suffix);
        if kept.len() > 255 {
            kept = format!("igpt-flow-{}{suffix}", Digest::of(name.as_encoded_bytes()).short()).into();
        }
        let kept = to.with_file_name(kept);
        if fs::symlink_metadata(&kept).is_err() {
            fs::rename(to, &kept).map_err(|e| StoreError::io("move", to, e))?;
            return Ok(kept);
        }
    }
    Ok(to.to_owned())
}

/// Exchanges two paths in one step; afterwards the new one is in place, and the old one aside.
#[cfg(target_os = "linux")]
pub(super) fn exchange(aside: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes());
    let (from, to) = (path(aside)?, path(to)?);
    // SAFETY: both are texts that end with a null character; the call only reads them.
    let done = unsafe {
        libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_EXCHANGE)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Exchanges two paths where the system cannot do it in one step.
#[cfg(not(target_os = "linux"))]
pub(super) fn exchange(aside: &Path, to: &Path) -> io::Result<()> {
    let old = super::durable::fresh_with(to.parent().unwrap_or(Path::new("/")), ASIDE);
    fs::rename(to, &old)?;
    fs::rename(aside, to).or_else(|e| fs::rename(&old, to).and(Err(e)))?;
    remove_tree(&old)
}

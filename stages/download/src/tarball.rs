//! Reads tar archives from untrusted sources, gzipped or not.
//!
//! Names that lead outside the archive, links and devices are refused, and so are two members of one name.
//! Sizes are checked before anything is read. A truncated archive is an error, even if it ends between
//! members. Concatenated archives (`cat a.tar b.tar`) are read to the end of the file; anything else after
//! an end mark is an error.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{shown, shown_path};
use tar::{EntryType, PaxExtensions};

use crate::forward_reader::ForwardReader;
use crate::gunzip::found_gzip;

/// The longest name of a member, in bytes.
const MAX_NAME: u64 = 1 << 14;

/// The most bytes of an archive and of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SizeLimits {
    /// Bytes of a member.
    pub(crate) member: u64,
    /// Bytes of the whole archive, uncompressed.
    pub(crate) total: u64,
}

/// A regular file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TarMember {
    /// The path, of normal components only, joined by `/`.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// The position of its bytes in the uncompressed file; for a nested archive, in the outer one.
    pub(crate) position: u64,
}

/// An entry of an archive.
pub(crate) enum TarEntry<'a> {
    /// A folder, by its path.
    Folder(String),
    /// A file and its bytes.
    File(TarMember, &'a mut dyn Read),
}

/// Calls `visit` with every regular file of the archive at `path`, in order. What `visit` does not read is
/// skipped. Errors name the archive `own`, as `path` may be an expanded copy.
///
/// # Errors
/// If the archive is not valid or has a member that is refused, and those of `visit`.
pub(crate) fn each_file(
    path: &Path,
    own: &Path,
    bounds: SizeLimits,
    cx: &StageContext,
    mut visit: impl FnMut(&TarMember, &mut dyn Read) -> Result<(), StageError>,
) -> Result<(), StageError> {
    each_entry(path, own, bounds, cx, |found| match found {
        TarEntry::Folder(_) => Ok(()),
        TarEntry::File(member, input) => visit(&member, input),
    })
}

/// Like [`each_file`], for a tar that is the member `inner` of the uncompressed tar at `path`. Positions
/// are those in the outer file, so that [`PlainTar`] reads these members too.
///
/// # Errors
/// Those of [`each_file`].
pub(crate) fn each_nested_file(
    path: &Path,
    inner: &TarMember,
    bounds: SizeLimits,
    cx: &StageContext,
    mut visit: impl FnMut(&TarMember) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let own = path.join(&inner.name);
    let input = ForwardReader::within(path, inner.position, inner.size, bounds.total).map_err(|error| {
        StageError::caused(format!("`{}`: cannot open the archive", shown_path(&own)), error)
    })?;
    if input.is_gzip() {
        return Err(found_gzip(&own).hint("the official archive contains uncompressed tars, one per class"));
    }
    read(input, &own, bounds, cx, |found| match found {
        TarEntry::Folder(_) => Ok(()),
        TarEntry::File(member, _) => {
            visit(&TarMember { position: inner.position + member.position, ..member })
        }
    })
}

/// Like [`each_file`], for folders too.
///
/// # Errors
/// Those of [`each_file`].
pub(crate) fn each_entry(
    path: &Path,
    own: &Path,
    bounds: SizeLimits,
    cx: &StageContext,
    visit: impl FnMut(TarEntry<'_>) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let input = ForwardReader::open(path, bounds.total).map_err(|error| {
        StageError::caused(format!("cannot open the archive `{}`", shown_path(own)), error)
    })?;
    read(input, own, bounds, cx, visit)
}

fn read(
    input: ForwardReader,
    own: &Path,
    bounds: SizeLimits,
    cx: &StageContext,
    mut visit: impl FnMut(TarEntry<'_>) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let refuse = |what: String| StageError::new(format!("`{}`: {what}", shown_path(own)));
    let broken = |error: io::Error| {
        let what = format!(
            "`{}`: expected a tar archive (gzipped or not), found a truncated one or another kind of file",
            shown_path(own)
        );
        // The cause quotes names of the archive unchanged.
        let cause = io::Error::new(error.kind(), shown(&error.to_string()));
        StageError::caused(what, cause).hint("download the file again, or check that it is the right one")
    };
    let mut archive = tar::Archive::new(input);
    // Read on after an end mark: a concatenated archive, or more zeros.
    archive.set_ignore_zeros(true);
    let mut names: HashSet<Box<str>> = HashSet::new();
    // The extended name that the next member has.
    let mut long_name: Option<Vec<u8>> = None;
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(broken)?.raw(true) {
        cx.check()?;
        let mut entry = entry.map_err(broken)?;
        let size = entry.size();
        let kind = entry.header().entry_type();
        // Whole blocks; the size is from the header and may be any number.
        end = entry.raw_file_position().saturating_add(size).saturating_add(511) / 512 * 512;
        let header_name = entry.path_bytes().into_owned();
        let own_name = |long: &mut Option<Vec<u8>>| long.take().unwrap_or(header_name);
        match kind {
            EntryType::GNULongName | EntryType::XHeader => {
                if size > MAX_NAME {
                    return Err(refuse(format!("expected a name of at most {MAX_NAME} bytes, found {size}")));
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(broken)?;
                if kind == EntryType::GNULongName {
                    long_name = Some(bytes.into_iter().take_while(|byte| *byte != 0).collect());
                } else if let Some(path) = pax_path(&bytes).map_err(refuse)? {
                    long_name = Some(path);
                }
            }
            EntryType::XGlobalHeader => {}
            EntryType::Directory => {
                if let Some(name) = folder_name(&own_name(&mut long_name)).map_err(refuse)? {
                    visit(TarEntry::Folder(name))?;
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                let name = own_name(&mut long_name);
                // Archives from before POSIX mark folders only in this way.
                if size == 0 && name.ends_with(b"/") {
                    if let Some(name) = folder_name(&name).map_err(refuse)? {
                        visit(TarEntry::Folder(name))?;
                    }
                    continue;
                }
                let name = safe_name(&name).map_err(refuse)?;
                if size > bounds.member {
                    let (name, most) = (shown(&name), bounds.member);
                    return Err(refuse(format!(
                        "expected members of at most {most} bytes, found `{name}` with {size}"
                    )));
                }
                if !names.insert(name.as_str().into()) {
                    let what = format!("expected each file once, found the member `{}` twice", shown(&name));
                    let hint =
                        "`tar` keeps every version of a file that was added again; create the archive again";
                    return Err(refuse(what).hint(hint));
                }
                let member = TarMember { name, size, position: entry.raw_file_position() };
                visit(TarEntry::File(member, &mut entry))?;
            }
            _ => {
                let name = own_name(&mut long_name);
                return Err(refuse(format!(
                    "expected only files and folders, found the link, device or sparse file `{}`",
                    shown_name(&name)
                )));
            }
        }
    }
    if long_name.is_some() {
        return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, "a long name without a member")));
    }
    let found = archive.into_inner().position();
    // A tar ends with blocks of zeros; without them it is truncated, if between two members.
    if found < end.saturating_add(512) {
        let what = format!("expected {end} bytes and an end mark, found {found} bytes");
        return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
    }
    Ok(())
}

/// Reads a whole member.
///
/// # Errors
/// If the archive ends within the member.
pub(crate) fn read_member(member: &TarMember, input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(member.size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == member.size {
        return Ok(bytes);
    }
    let (name, expected, found) = (shown(&member.name), member.size, bytes.len());
    let what = format!("the archive ends within `{name}`: expected {expected} bytes, found {found}");
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

/// An uncompressed tar, whose members can be read in any order.
#[derive(Debug)]
pub(crate) struct PlainTar {
    path: PathBuf,
}

impl PlainTar {
    /// The archive at a path, which [`each_file`] has walked.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads a member.
    ///
    /// # Errors
    /// If the file has become shorter or cannot be read.
    pub(crate) fn read(&self, member: &TarMember) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(member.position))?;
        read_member(member, &mut file)
    }
}

/// The path of a pax header, if it has one. A size is refused: it exceeds the limits.
fn pax_path(records: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut path = None;
    for record in PaxExtensions::new(records) {
        let record = record.map_err(|_| "a pax header that is not valid".to_owned())?;
        match record.key_bytes() {
            b"path" => path = Some(record.value_bytes().to_vec()),
            b"size" => return Err("a member above 8 GiB".to_owned()),
            key if key.starts_with(b"GNU.sparse") => return Err("a sparse member".to_owned()),
            _ => {}
        }
    }
    Ok(path)
}

/// A name for an error, escaped and shortened.
fn shown_name(name: &[u8]) -> String {
    let name = &name[..name.len().min(200)];
    std::str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), shown)
}

/// The name without `.` and empty components (`./a//b` is `a/b`).
///
/// # Errors
/// If it is not UTF-8 or leads outside the archive.
fn safe_name(name: &[u8]) -> Result<String, String> {
    let Ok(text) = std::str::from_utf8(name) else {
        let name = shown_name(name);
        return Err(format!("expected names in UTF-8, found the member `{name}`"));
    };
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let safe = |part: &&str| *part != ".." && !part.contains(['\\', '\0']);
    let is_file = !text.starts_with('/') && !text.ends_with('/');
    if is_file && !parts.is_empty() && parts.iter().all(safe) {
        return Ok(parts.join("/"));
    }
    Err(format!("the member `{}` leads outside the archive", shown_name(name)))
}

/// The name of a folder, like [`safe_name`]; `None` for the archive's root.
fn folder_name(name: &[u8]) -> Result<Option<String>, String> {
    let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let name = &name[..end];
    if name.split(|byte| *byte == b'/').all(|part| matches!(part, b"" | b".")) {
        return Ok(None);
    }
    safe_name(name).map(Some)
}

//! Reads tar archives, gzipped or not, that nobody vouches for.
//!
//! Names that reach outside the archive, links and devices are refused, and so are two members of
//! one name; sizes are bounded before anything is read; an archive that ends early is an error, also
//! where it ends between members. Archives that were joined (`cat a.tar b.tar`) are read to the end
//! of the file; what follows an end mark and is no archive is an error.

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

/// What an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SizeLimits {
    /// Bytes of one member.
    pub(crate) member: u64,
    /// Bytes of the whole archive, not compressed.
    pub(crate) total: u64,
}

/// A regular file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TarMember {
    /// The path, of normal components only, joined by `/`.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Where its bytes start in the (not compressed) file; of an archive in an archive in the outer
    /// one's.
    pub(crate) position: u64,
}

/// What an archive holds under a name.
pub(crate) enum TarEntry<'a> {
    /// A folder, by its path.
    Folder(String),
    /// A file and its bytes.
    File(TarMember, &'a mut dyn Read),
}

/// Calls `visit` with every regular file of the archive at `path`, in its order. Whatever `visit`
/// leaves unread is skipped. Errors name the archive `own`: what the user knows it as, where `path`
/// is an expanded copy.
///
/// # Errors
/// If the archive is not one, or holds what is refused; and whatever `visit` answers.
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

/// As [`each_file`], of a tar that is itself the member `inner` of the not compressed tar at `path`.
/// The positions are those in the outer file, so that [`PlainTar`] reads these members too.
///
/// # Errors
/// As [`each_file`].
pub(crate) fn each_nested_file(
    path: &Path,
    inner: &TarMember,
    bounds: SizeLimits,
    cx: &StageContext,
    mut visit: impl FnMut(&TarMember) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let own = path.join(&inner.name);
    let tape = ForwardReader::within(path, inner.position, inner.size, bounds.total).map_err(|error| {
        StageError::caused(format!("`{}`: cannot open the archive", shown_path(&own)), error)
    })?;
    if tape.is_gzip() {
        return Err(found_gzip(&own).hint("the official archive holds plain tars, one a class"));
    }
    read(tape, &own, bounds, cx, |found| match found {
        TarEntry::Folder(_) => Ok(()),
        TarEntry::File(member, _) => {
            visit(&TarMember { position: inner.position + member.position, ..member })
        }
    })
}

/// Calls `visit` with every regular file and folder of the archive, as [`each_file`] does.
///
/// # Errors
/// As those of [`each_file`].
pub(crate) fn each_entry(
    path: &Path,
    own: &Path,
    bounds: SizeLimits,
    cx: &StageContext,
    visit: impl FnMut(TarEntry<'_>) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let tape = ForwardReader::open(path, bounds.total).map_err(|error| {
        StageError::caused(format!("cannot open the archive `{}`", shown_path(own)), error)
    })?;
    read(tape, own, bounds, cx, visit)
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
            "`{}`: expected a whole tar archive (gzip or not), found a truncated or another file",
            shown_path(own)
        );
        // The cause quotes the archive's names as they are.
        let cause = io::Error::new(error.kind(), shown(&error.to_string()));
        StageError::caused(what, cause).hint("get the file again, or check which one it is")
    };
    let mut archive = tar::Archive::new(tape);
    // What follows an end mark is read on: a joined archive, or more zeros.
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
        // Whole blocks; the size is the header's word, and may be any number.
        end = entry.raw_file_position().saturating_add(size).saturating_add(511) / 512 * 512;
        let header_name = entry.path_bytes().into_owned();
        let own_name = |long: &mut Option<Vec<u8>>| long.take().unwrap_or(header_name);
        match kind {
            EntryType::GNULongName | EntryType::XHeader => {
                if size > MAX_NAME {
                    return Err(refuse(format!("a name of {size} bytes, expected at most {MAX_NAME}")));
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
                // Archives from before POSIX have no other sign of a folder.
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
                        "the member `{name}` has {size} bytes, expected at most {most}"
                    )));
                }
                if !names.insert(name.as_str().into()) {
                    let what = format!("expected each file once, found the member `{}` twice", shown(&name));
                    let hint =
                        "`tar` keeps each version of a file that was added again; make the archive anew";
                    return Err(refuse(what).hint(hint));
                }
                let member = TarMember { name, size, position: entry.raw_file_position() };
                visit(TarEntry::File(member, &mut entry))?;
            }
            _ => {
                let name = own_name(&mut long_name);
                return Err(refuse(format!(
                    "the member `{}` is a link, a device or a sparse file; only files are read",
                    shown_name(&name)
                )));
            }
        }
    }
    if long_name.is_some() {
        return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, "a name without a member")));
    }
    let found = archive.into_inner().position();
    // A tar ends with blocks of zeros; without them it was cut off, if between two members.
    if found < end.saturating_add(512) {
        let what = format!("expected {end} bytes and an end mark, found {found} bytes");
        return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
    }
    Ok(())
}

/// Reads a member as a whole.
///
/// # Errors
/// If the archive ends within it.
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

/// A tar that is not compressed, whose members are read in any order.
#[derive(Debug)]
pub(crate) struct PlainTar {
    path: PathBuf,
}

impl PlainTar {
    /// An archive at a path, which [`each_file`] has walked.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads a member.
    ///
    /// # Errors
    /// If the file has become shorter, or whatever reading answers.
    pub(crate) fn read(&self, member: &TarMember) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(member.position))?;
        read_member(member, &mut file)
    }
}

/// The path of a pax header, where it has one. A size of its own is refused: it exceeds the bounds.
fn pax_path(records: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut path = None;
    for record in PaxExtensions::new(records) {
        let record = record.map_err(|_| "a pax header that is not one".to_owned())?;
        match record.key_bytes() {
            b"path" => path = Some(record.value_bytes().to_vec()),
            b"size" => return Err("a member above 8 GiB".to_owned()),
            key if key.starts_with(b"GNU.sparse") => return Err("a sparse member".to_owned()),
            _ => {}
        }
    }
    Ok(path)
}

/// A name for an error: it may be anything, and of any length.
fn shown_name(name: &[u8]) -> String {
    let name = &name[..name.len().min(200)];
    std::str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), shown)
}

/// The name with `.` and empty components left out (`./a//b` is `a/b`), if it is text and stays within the archive; else what is
/// wrong with it.
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
    Err(format!("the member `{}` reaches outside the archive", shown_name(name)))
}

/// The name of a folder, as [`safe_name`]'s; none for the archive's own root.
fn folder_name(name: &[u8]) -> Result<Option<String>, String> {
    let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let name = &name[..end];
    if name.split(|byte| *byte == b'/').all(|part| matches!(part, b"" | b".")) {
        return Ok(None);
    }
    safe_name(name).map(Some)
}

//! Reads tar archives, gzipped or not, that nobody vouches for.
//!
//! Names that reach outside the archive, links and devices are refused; sizes are bounded before
//! anything is read; an archive that ends early is an error, also where it ends between members.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use igpt_contract::{StageContext, StageError};
use tar::{EntryType, PaxExtensions};

/// The longest name of a member, in bytes.
const MAX_NAME: u64 = 1 << 14;

/// What an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of one member.
    pub(crate) member: u64,
    /// Bytes of the whole archive, not compressed.
    pub(crate) total: u64,
}

/// A regular file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The path, of normal components only, joined by `/`.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Where its bytes start in the (not compressed) archive.
    pub(crate) position: u64,
}

/// Whether the file starts as gzip does.
pub(crate) fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut magic = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut magic)?;
    Ok(magic == [0x1f, 0x8b])
}

/// Opens an archive, undoing gzip.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(1 << 18, File::open(path)?);
    Ok(if is_gzip(path)? { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Calls `visit` with every regular file of the archive, in its order. Whatever `visit` leaves
/// unread is skipped.
///
/// # Errors
/// If the archive is not one, or holds what is refused; and whatever `visit` answers.
pub(crate) fn members(
    path: &Path,
    bounds: Bounds,
    cx: &StageContext,
    mut visit: impl FnMut(&Member, &mut dyn Read) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let refuse = |what: String| StageError::new(format!("`{}`: {what}", path.display()));
    let broken = |error: io::Error| {
        let what = format!(
            "`{}`: expected a whole tar archive (gzip or not), found a truncated or another file",
            path.display()
        );
        StageError::caused(what, error).hint("get the file again, or check which one it is")
    };
    let input = open(path).map_err(|error| {
        StageError::caused(format!("cannot open the archive `{}`", path.display()), error)
    })?;
    let mut archive = tar::Archive::new(Counted { inner: input, left: bounds.total, read: 0 });
    // The extended name that the next member has.
    let mut long_name: Option<Vec<u8>> = None;
    let mut end = 0;
    for entry in archive.entries().map_err(broken)?.raw(true) {
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
            EntryType::Directory => drop(own_name(&mut long_name)),
            EntryType::Regular | EntryType::Continuous => {
                let name = own_name(&mut long_name);
                let name = safe_name(&name).ok_or_else(|| {
                    refuse(format!("the member `{}` reaches outside the archive", shown(&name)))
                })?;
                if size > bounds.member {
                    let most = bounds.member;
                    return Err(refuse(format!(
                        "the member `{name}` has {size} bytes, expected at most {most}"
                    )));
                }
                let member = Member { name, size, position: entry.raw_file_position() };
                visit(&member, &mut entry)?;
            }
            _ => {
                let name = own_name(&mut long_name);
                return Err(refuse(format!(
                    "the member `{}` is a link, a device or a sparse file; only files are read",
                    shown(&name)
                )));
            }
        }
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    // A tar ends with blocks of zeros; without them it was cut off, if between two members.
    if rest.read < end.saturating_add(512) {
        let what = format!("expected {} bytes and an end mark, found {} bytes", end, rest.read);
        return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
    }
    Ok(())
}

/// Reads a member as a whole.
///
/// # Errors
/// If the archive ends within it.
pub(crate) fn read_member(member: &Member, input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(member.size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == member.size {
        return Ok(bytes);
    }
    let (name, expected, found) = (&member.name, member.size, bytes.len());
    let what = format!("the archive ends within `{name}`: expected {expected} bytes, found {found}");
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

/// Undoes gzip into a file, so that members can be read in any order.
///
/// # Errors
/// If the file is truncated, is larger than the bound, or cannot be written.
pub(crate) fn expand(path: &Path, to: &Path, bounds: Bounds, cx: &StageContext) -> Result<(), StageError> {
    let failed = |error: io::Error| {
        let what =
            format!("`{}`: expected a whole gzip file, found a truncated or damaged one", path.display());
        StageError::caused(what, error)
    };
    let mut input = open(path).map_err(failed)?.take(bounds.total.saturating_add(1));
    let mut output = File::create(to)?;
    let mut done = 0;
    loop {
        cx.check()?;
        let n = io::copy(&mut input.by_ref().take(1 << 22), &mut output).map_err(failed)?;
        done += n;
        cx.progress(done, 0, "bytes");
        if n == 0 {
            break;
        }
    }
    if done > bounds.total {
        let what = format!(
            "`{}`: expected at most {} bytes when expanded, found more",
            path.display(),
            bounds.total
        );
        return Err(StageError::new(what));
    }
    Ok(())
}

/// A tar that is not compressed, whose members are read in any order.
#[derive(Debug)]
pub(crate) struct Seekable {
    path: PathBuf,
}

impl Seekable {
    /// An archive at a path, which [`members`] has walked.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads a member.
    ///
    /// # Errors
    /// If the file has become shorter, or whatever reading answers.
    pub(crate) fn read(&self, member: &Member) -> io::Result<Vec<u8>> {
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
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned()
}

/// The name with `.` components left out, if it is text and stays within the archive.
fn safe_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let parts: Vec<&str> = name.split('/').filter(|part| *part != ".").collect();
    let safe = |part: &&str| !part.is_empty() && *part != ".." && !part.contains(['\\', '\0', ':']);
    (!parts.is_empty() && parts.iter().all(safe)).then(|| parts.join("/"))
}

/// A reader that knows how far it is, and fails where a bound is passed.
struct Counted<R> {
    inner: R,
    left: u64,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "the archive is larger than any of its kind")
        })?;
        Ok(n)
    }
}

//! Reads the bytes of an archive from start to end: a file, a part of one, or the content of a gzip file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::gunzip::{is_gzip, open};

/// Bytes that are discarded at a time when skipping forward in a compressed archive.
const CHUNK: u64 = 1 << 18;

/// A forward-only reader that knows its position and fails beyond a limit. In a file that is not compressed
/// it skips without reading.
pub(crate) struct ForwardReader {
    source: Input,
    position: u64,
    /// The most bytes, from the start.
    most: u64,
    gzip: bool,
}

enum Input {
    /// A file at its current position, and the bytes that are left.
    Plain(File, u64),
    Gzip(Box<dyn Read>),
}

impl ForwardReader {
    /// A whole file; gzip is decompressed.
    pub(crate) fn open(path: &Path, most: u64) -> io::Result<Self> {
        if is_gzip(path)? {
            return Ok(Self { source: Input::Gzip(open(path)?), position: 0, most, gzip: true });
        }
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { source: Input::Plain(file, size), position: 0, most, gzip: false })
    }

    /// `size` bytes of a file from `start` on, unchanged.
    pub(crate) fn within(path: &Path, start: u64, size: u64, most: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut file).take(size.min(2)).read_to_end(&mut magic)?;
        file.seek(SeekFrom::Start(start))?;
        let gzip = magic == [0x1f, 0x8b];
        Ok(Self { source: Input::Plain(file, size), position: 0, most, gzip })
    }

    /// Whether the file is gzipped.
    pub(crate) fn is_gzip(&self) -> bool {
        self.gzip
    }

    /// The position, in bytes from the start.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn advance(&mut self, n: u64) -> io::Result<()> {
        self.position =
            self.position.checked_add(n).filter(|position| *position <= self.most).ok_or_else(|| {
                io::Error::new(io::ErrorKind::FileTooLarge, "the archive exceeds the limit for its kind")
            })?;
        Ok(())
    }
}

impl Read for ForwardReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.source {
            Input::Plain(file, left) => {
                let most = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                let n = file.read(&mut buffer[..most])?;
                *left -= n as u64;
                n
            }
            Input::Gzip(input) => input.read(buffer)?,
        };
        self.advance(n as u64)?;
        Ok(n)
    }
}

impl Seek for ForwardReader {
    /// Forward from the current position only, and not past the end.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(delta) = to else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "an archive is read forward only"));
        };
        let by = u64::try_from(delta)
            .map_err(|_| io::Error::new(io::ErrorKind::Unsupported, "an archive is read forward only"))?;
        let short = |found: u64| {
            let what = format!("expected {by} more bytes, found {found}");
            io::Error::new(io::ErrorKind::UnexpectedEof, what)
        };
        if self.position.checked_add(by).is_none_or(|position| position > self.most) {
            self.advance(by)?;
        }
        match &mut self.source {
            Input::Plain(file, left) => {
                if by > *left {
                    return Err(short(*left));
                }
                file.seek(SeekFrom::Current(delta))?;
                *left -= by;
            }
            Input::Gzip(input) => {
                let mut done = 0;
                while done < by {
                    match io::copy(&mut input.take(CHUNK.min(by - done)), &mut io::sink())? {
                        0 => return Err(short(done)),
                        n => done += n,
                    }
                }
            }
        }
        self.advance(by)?;
        Ok(self.position)
    }
}

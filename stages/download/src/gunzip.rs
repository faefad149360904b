//! Decompresses gzip files from untrusted sources.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::Path;

use flate2::bufread::GzDecoder;
use igpt_contract::{StageContext, StageError};
use igpt_dataset::shown_path;

/// Bytes that are decompressed at a time.
const CHUNK: usize = 1 << 18;

/// Whether the file starts like a gzip file.
pub(crate) fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut magic = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut magic)?;
    Ok(magic == [0x1f, 0x8b])
}

/// The error for a gzipped tar that would have to be read in place.
pub(crate) fn found_gzip(path: &Path) -> StageError {
    StageError::new(format!("`{}`: expected an uncompressed tar, found gzip", shown_path(path)))
}

/// Refuses a gzipped tar, whose members cannot be read in place.
///
/// # Errors
/// If it is gzipped or cannot be opened.
pub(crate) fn refuse_gzip(path: &Path) -> Result<(), StageError> {
    if is_gzip(path)? { Err(found_gzip(path).hint("decompress it first with `gunzip`")) } else { Ok(()) }
}

/// A file with the uncompressed tar at `path`: `path` itself or, if it is gzipped, `expanded`, which it is
/// expanded to. Errors name the archive `own`.
///
/// # Errors
/// If the archive cannot be read, is larger than `most` bytes when expanded, or cannot be written.
pub(crate) fn plain_tar<'p>(
    path: &'p Path,
    own: &Path,
    expanded: &'p Path,
    most: u64,
    cx: &StageContext,
) -> Result<&'p Path, StageError> {
    let failed = |error| StageError::caused(format!("cannot open `{}`", shown_path(own)), error);
    if !is_gzip(path).map_err(failed)? {
        return Ok(path);
    }
    std::fs::create_dir_all(cx.checkpoint_dir())?;
    expand(path, expanded, most, cx)?;
    Ok(expanded)
}

/// Opens a file, decompressing it if it is gzipped.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(CHUNK, File::open(path)?);
    Ok(if is_gzip(path)? { Box::new(Gunzip::new(file)) } else { Box::new(file) })
}

/// The content of one gzip stream after another. Zeros after a stream are ignored, as `gzip` itself does:
/// tapes and some servers pad blocks with them. Anything else is an error.
struct Gunzip<R> {
    stream: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    fn new(input: R) -> Self {
        Self { stream: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(stream) = &mut self.stream {
            let n = stream.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            if let Some(stream) = self.stream.take() {
                let mut input = stream.into_inner();
                self.stream = skip_zeros(&mut input)?.then(|| GzDecoder::new(input));
            }
        }
        Ok(0)
    }
}

/// Skips zeros; returns whether anything follows them.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (end, more) = (bytes.is_empty(), zeros < bytes.len());
        input.consume(zeros);
        if end || more {
            return Ok(more);
        }
    }
}

/// Decompresses into a file of at most `most` bytes, so that its parts can be read in any order.
///
/// # Errors
/// If the file is truncated, is larger than the bound, or cannot be written.
fn expand(path: &Path, to: &Path, most: u64, cx: &StageContext) -> Result<(), StageError> {
    let failed = |error: io::Error| {
        let path = shown_path(path);
        let what = format!("`{path}`: expected a valid gzip file, found a truncated or damaged one");
        StageError::caused(what, error).hint("download the file again, or check that it is the right one")
    };
    let unwritten = |error: io::Error| {
        StageError::caused(format!("cannot write `{}`, the expanded archive", shown_path(to)), error)
    };
    let mut input = open(path).map_err(failed)?;
    let mut output = File::create(to).map_err(unwritten)?;
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        cx.check()?;
        let n = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        done += n as u64;
        if done > most {
            let path = shown_path(path);
            let what = format!("`{path}`: expected at most {most} bytes when expanded, found more");
            return Err(StageError::new(what));
        }
        output.write_all(&buffer[..n]).map_err(unwritten)?;
        cx.progress(done, 0, "bytes");
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // So small a buffer that zeros and streams lie across its end.
        Gunzip::new(BufReader::with_capacity(7, bytes)).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn zeros_behind_a_stream_are_passed_over_and_nothing_else_is() {
        let (one, two) = (gzip(b"one"), gzip(b"two"));
        assert_eq!(read(&[&one[..], &two].concat()).unwrap(), b"onetwo");
        assert_eq!(read(&[&one[..], &[0; 600]].concat()).unwrap(), b"one");
        assert_eq!(read(&[&one[..], &[0; 600], &two].concat()).unwrap(), b"onetwo");
        assert!(read(&[&one[..], &[0; 600], b"else"].concat()).is_err());
        assert!(read(&[&one[..], &two[..two.len() - 1]].concat()).is_err());
    }
}

//! The tokens of many images by row number: in memory, or in a scratch file where they would take more
//! of it than allowed.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Token rows of one length, in the order in which they were added.
#[derive(Debug)]
pub struct TokenRows {
    positions: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u16>),
    /// A file that has no name any more, so that it is gone with the process, however that ends.
    File(File),
}

/// Fills [`TokenRows`].
#[derive(Debug)]
pub struct TokenRowsWriter(TokenRows);

impl TokenRowsWriter {
    /// Rows of `positions` tokens that stay in memory.
    pub fn in_memory(positions: usize) -> Self {
        Self(TokenRows::from_memory(positions, Vec::new()))
    }

    /// Rows of `positions` tokens that go to a scratch file in a folder, which is made if need be.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn in_file(positions: usize, folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("tokens.u16");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self(TokenRows { positions, place: Place::File(file) }))
    }

    /// Adds whole rows.
    ///
    /// # Errors
    /// If the scratch file cannot be written.
    pub fn append(&mut self, tokens: &[u16]) -> io::Result<()> {
        match &mut self.0.place {
            Place::Memory(rows) => rows.extend_from_slice(tokens),
            Place::File(file) => {
                let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
                file.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// The rows.
    pub fn finish(self) -> TokenRows {
        self.0
    }
}

impl TokenRows {
    /// Rows that are in memory already.
    pub fn from_memory(positions: usize, tokens: Vec<u16>) -> Self {
        Self { positions, place: Place::Memory(tokens) }
    }

    /// Tokens of a row.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Copies the tokens of a row, which must be one of those that were added.
    ///
    /// # Errors
    /// If the scratch file cannot be read.
    ///
    /// # Panics
    /// If `out` is not as long as a row.
    pub fn read(&self, row: usize, out: &mut [u16]) -> io::Result<()> {
        assert_eq!(out.len(), self.positions, "a row has so many tokens");
        match &self.place {
            Place::Memory(rows) => out.copy_from_slice(&rows[row * self.positions..][..self.positions]),
            Place::File(file) => {
                let mut bytes = vec![0; 2 * self.positions];
                file.read_exact_at(&mut bytes, self.offset(row))?;
                for (token, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                    *token = u16::from_le_bytes([pair[0], pair[1]]);
                }
            }
        }
        Ok(())
    }

    /// The tokens of several rows, one after another.
    ///
    /// # Errors
    /// If the scratch file cannot be read.
    pub fn gather(&self, rows: impl IntoIterator<Item = usize>) -> io::Result<Vec<u16>> {
        let mut tokens = Vec::new();
        for row in rows {
            let start = tokens.len();
            tokens.resize(start + self.positions, 0);
            self.read(row, &mut tokens[start..])?;
        }
        Ok(tokens)
    }

    /// Asks the system to have these rows at hand soon: reading them later waits for no disk. Rows in memory
    /// are at hand already.
    pub fn prefetch(&self, rows: impl IntoIterator<Item = usize>) {
        #[cfg(target_os = "linux")]
        if let Place::File(file) = &self.place {
            use std::os::fd::AsRawFd as _;
            for row in rows {
                let (offset, length) = (self.offset(row) as i64, 2 * self.positions as i64);
                // SAFETY: advice about an open file touches no memory.
                unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, length, libc::POSIX_FADV_WILLNEED) };
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = rows;
    }

    fn offset(&self, row: usize) -> u64 {
        2 * (row * self.positions) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_the_same_from_memory_and_from_a_file_that_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        let mut writers = [TokenRowsWriter::in_memory(3), TokenRowsWriter::in_file(3, &scratch).unwrap()];
        for writer in &mut writers {
            writer.append(&[1, 2, 3, 4, 5, 65_535]).unwrap();
            writer.append(&[7, 8, 9]).unwrap();
        }
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
        for rows in writers.map(TokenRowsWriter::finish) {
            rows.prefetch([0, 2]);
            assert_eq!(rows.gather([1, 2, 0]).unwrap(), [4, 5, 65_535, 7, 8, 9, 1, 2, 3]);
        }
    }

    #[test]
    fn a_row_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let rows = TokenRowsWriter::in_file(3, dir.path()).unwrap().finish();
        assert!(rows.read(0, &mut [0; 3]).is_err());
    }
}

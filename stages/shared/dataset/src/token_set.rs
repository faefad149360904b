//! A whole token set, as a training reads it: the keys of all rows in memory, their tokens wherever there is
//! room.

use std::ops::Range;
use std::path::Path;

use crate::error::DatasetError;
use crate::row::{RowKey, Split, images_of_keys};
use crate::token_rows::{TokenRows, TokenRowsWriter};
use crate::token_table::{TokenTable, TokensReader};
use crate::tokens::TokensInfo;

/// The rows of a token set by number.
#[derive(Debug)]
pub struct TokenSet {
    /// The set's resolution, palette and classes.
    pub info: TokensInfo,
    /// The key of each row.
    pub keys: Vec<RowKey>,
    /// The tokens of each row.
    pub tokens: TokenRows,
}

/// Where the tokens of sets may be while a step runs.
#[derive(Debug, Clone, Copy)]
pub struct TokenPlace<'a> {
    /// The most memory that they may take, in MiB.
    pub memory_mib: u64,
    /// The folder for a scratch file, where they would take more.
    pub scratch: &'a Path,
}

impl TokenPlace<'_> {
    /// A writer for so many rows of `positions` tokens.
    ///
    /// # Errors
    /// If a scratch file is needed and cannot be made.
    pub fn writer(self, rows: u64, positions: usize) -> Result<TokenRowsWriter, DatasetError> {
        let bytes = rows.saturating_mul(2 * positions as u64);
        if bytes <= self.memory_mib.saturating_mul(1 << 20) {
            return Ok(TokenRowsWriter::in_memory(positions));
        }
        TokenRowsWriter::in_file(positions, self.scratch).map_err(|error| {
            DatasetError::caused(self.scratch, "cannot make a scratch file for tokens", error)
        })
    }
}

impl TokenSet {
    /// Reads the set of a folder, a row group at a time.
    ///
    /// # Errors
    /// If a file is missing or not valid, or the scratch file cannot be written.
    pub fn read(dir: &Path, place: TokenPlace<'_>) -> Result<Self, DatasetError> {
        let reader = TokensReader::open(dir)?;
        let mut writer = place.writer(reader.counts().total(), reader.info().positions())?;
        let keys = reader.copy_to(&mut writer)?;
        Ok(Self { info: reader.info().clone(), keys, tokens: writer.finish() })
    }

    /// The rows of each image of a split.
    pub fn images(&self, split: Split) -> Vec<Range<usize>> {
        images_of_keys(&self.keys, split)
    }
}

impl From<TokenTable> for TokenSet {
    fn from(table: TokenTable) -> Self {
        let keys = (0..table.len()).map(|row| table.key(row)).collect();
        let tokens = TokenRows::from_memory(table.info.positions(), table.tokens);
        Self { info: table.info, keys, tokens }
    }
}

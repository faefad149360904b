//! Reads token sets: whole, or one row group at a time.

use std::ops::Range;
use std::path::Path;

use arrow_array::UInt16Array;

use crate::columns;
use crate::error::DatasetError;
use crate::json;
use crate::row::{RowKey, Split, SplitCounts, rows_of};
use crate::row_groups::{self, RowGroup};
use crate::shards;
use crate::token_rows::TokenRowsWriter;
use crate::tokens::{TokensInfo, TokensJson, check_info, check_tokens, json_path};

/// Token rows in memory: a whole set, or a row group of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTable {
    /// The set's resolution, palette and classes.
    pub info: TokensInfo,
    /// The image of each row.
    pub ids: Vec<u64>,
    /// The split of each row: all training rows come first.
    pub splits: Vec<Split>,
    /// The class of each row; -1 if unknown.
    pub labels: Vec<i32>,
    /// The augmented view of each row.
    pub views: Vec<u16>,
    /// The tokens of all rows, one row after another.
    pub tokens: Vec<u16>,
}

impl TokenTable {
    /// A table without rows.
    fn empty(info: TokensInfo) -> Self {
        let (ids, splits, labels, views, tokens) = Default::default();
        Self { info, ids, splits, labels, views, tokens }
    }

    /// Reads the whole set of a folder.
    ///
    /// # Errors
    /// If a file is missing or not valid.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let reader = TokensReader::open(dir)?;
        let mut table = Self::empty(reader.info.clone());
        for group in 0..reader.groups() {
            reader.read_into(group, &mut table)?;
        }
        Ok(table)
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The tokens of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[u16] {
        let positions = self.info.positions();
        &self.tokens[row * positions..][..positions]
    }

    /// The key of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn key(&self, row: usize) -> RowKey {
        RowKey { id: self.ids[row], split: self.splits[row], label: self.labels[row], view: self.views[row] }
    }

    /// The rows of a split.
    pub fn rows_of(&self, split: Split) -> Range<usize> {
        rows_of(&self.splits, split)
    }

    fn push(&mut self, key: RowKey) {
        self.ids.push(key.id);
        self.splits.push(key.split);
        self.labels.push(key.label);
        self.views.push(key.view);
    }
}

/// Reads a token set by row group, for sets that are larger than memory.
#[derive(Debug)]
pub struct TokensReader {
    info: TokensInfo,
    counts: SplitCounts,
    groups: Vec<RowGroup>,
}

impl TokensReader {
    /// Opens the set of a folder: reads `tokens.json` and the footers of the shards.
    ///
    /// # Errors
    /// If a file is missing or not valid.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let path = json_path(dir);
        let TokensJson { name, height, width, vocab, palette, classes, rows, sets } = json::read_json(&path)?;
        let info = TokensInfo { name, height, width, vocab, palette, classes, sets };
        check_info(&info).map_err(|what| DatasetError::new(&path, what))?;
        let groups = row_groups::row_groups(&shards::list_shards(dir, "tokens")?)?;
        let found: usize = groups.iter().map(|group| group.rows).sum();
        if found as u64 != rows.total() {
            let what =
                format!("expected the {} rows of `tokens.json`, found {found} in the shards", rows.total());
            return Err(DatasetError::new(dir, what));
        }
        Ok(Self { info, counts: rows, groups })
    }

    /// The set's resolution, palette and classes.
    pub fn info(&self) -> &TokensInfo {
        &self.info
    }

    /// Rows by split.
    pub fn counts(&self) -> SplitCounts {
        self.counts
    }

    /// The key of each row, in order; the tokens are not read.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn keys(&self) -> Result<Vec<RowKey>, DatasetError> {
        row_groups::all_keys(&self.groups)
    }

    /// Row groups.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Rows of a row group; nothing is read.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn group_rows(&self, group: usize) -> usize {
        self.groups[group].rows
    }

    /// Reads one row group.
    ///
    /// # Errors
    /// If the file is damaged or holds rows that do not fit the set.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn group(&self, group: usize) -> Result<TokenTable, DatasetError> {
        let mut table = TokenTable::empty(self.info.clone());
        self.read_into(group, &mut table)?;
        Ok(table)
    }

    /// The row groups one after another, each read when it is needed.
    pub fn tables(&self) -> impl Iterator<Item = Result<TokenTable, DatasetError>> + '_ {
        (0..self.groups()).map(|group| self.group(group))
    }

    /// Copies the tokens of all rows, a row group at a time, and answers the rows' keys.
    ///
    /// # Errors
    /// If a file is damaged, or the copy cannot be written.
    pub fn copy_to(&self, writer: &mut TokenRowsWriter) -> Result<Vec<RowKey>, DatasetError> {
        let mut table = TokenTable::empty(self.info.clone());
        for (number, group) in self.groups.iter().enumerate() {
            self.read_into(number, &mut table)?;
            writer.append(&table.tokens).map_err(|error| {
                DatasetError::caused(group.path(), "its tokens cannot be copied to a scratch file", error)
                    .hint("free some room on the disk of the store, or raise `memory_mib`")
            })?;
            table.tokens.clear();
        }
        Ok((0..table.len()).map(|row| table.key(row)).collect())
    }

    fn read_into(&self, group: usize, table: &mut TokenTable) -> Result<(), DatasetError> {
        let group = &self.groups[group];
        let path = group.path();
        let fail = |what| DatasetError::new(path, what);
        let mut last = table.len().checked_sub(1).map(|row| table.key(row));
        for batch in group.read(group.rows)? {
            let keys = columns::keys(path, &batch)?;
            let (size, values) = columns::fixed_size_list::<UInt16Array>(path, &batch, "tokens")?;
            if size != self.info.positions() {
                let what = format!("expected rows of {} tokens, found {size}", self.info.positions());
                return Err(fail(what));
            }
            let values = values.values();
            for (key, tokens) in keys.into_iter().zip(values.chunks_exact(size)) {
                key.check(last.as_ref(), self.info.classes.len()).map_err(fail)?;
                check_tokens(&self.info, key.id, tokens).map_err(fail)?;
                table.push(key);
                last = Some(key);
            }
            table.tokens.extend_from_slice(values);
        }
        Ok(())
    }
}

//! Token sets: images as rows of colour indices, in Parquet shards that any reader understands.
//!
//! `tokens-00000.parquet`, ... hold the columns id (u64), split (`train`, `test`), label (i32, -1
//! for none), view (u16) and tokens (a list of fixed size of u16, raster order). (split, id) is that
//! of the image in its set; where several sets were read as one, `sets` says what the ids of each
//! were raised by. `tokens.json` holds the resolution, the palette's size and digest, class names,
//! the rows by split and those sets. Each
//! shard says the resolution and the palette in its footer too (`igpt.height`, `igpt.width`,
//! `igpt.vocab`, `igpt.palette`), for readers of a shard alone.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, UInt16Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};
use igpt_contract::Digest;
use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::joined::JoinedSet;
use crate::row::{RowKey, Split, SplitCounts, rows_of};
use crate::table::{self, RowGroup, ShardWriter};

/// The tokens after which a row group ends: 4 MiB of them in memory.
const GROUP_TOKENS: usize = 1 << 21;
/// The rows after which a row group ends.
const GROUP_ROWS: usize = 8192;

/// What is known of a set of token rows as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensInfo {
    /// The image set's name.
    pub name: String,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Colours of the palette: tokens are below it.
    pub vocab: usize,
    /// The palette's digest, see [`crate::PaletteTable::digest`]; none where it is not known.
    pub palette: Option<Digest>,
    /// The class names, by label.
    pub classes: Vec<String>,
    /// The image sets that were read as one, in the order of their ids; empty where it is one set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<JoinedSet>,
}

impl TokensInfo {
    /// Tokens of a row.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }
}

/// `tokens.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    height: usize,
    width: usize,
    vocab: usize,
    palette: Option<Digest>,
    classes: Vec<String>,
    rows: SplitCounts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sets: Vec<JoinedSet>,
}

fn document_path(dir: &Path) -> PathBuf {
    dir.join("tokens.json")
}

/// What a shard's footer says of the set.
fn footer(info: &TokensInfo) -> Vec<KeyValue> {
    let pair = |name: &str, value: String| KeyValue::new(name.to_owned(), value);
    let mut pairs = vec![
        pair("igpt.height", info.height.to_string()),
        pair("igpt.width", info.width.to_string()),
        pair("igpt.vocab", info.vocab.to_string()),
    ];
    pairs.extend(info.palette.map(|digest| pair("igpt.palette", digest.to_string())));
    pairs
}

/// What is wrong with the description itself.
fn check_info(info: &TokensInfo) -> Result<(), String> {
    let side = 1..=1024;
    if !side.contains(&info.height) || !side.contains(&info.width) {
        return Err(format!("expected 1 to 1024 pixels a side, found {}x{}", info.height, info.width));
    }
    if !(1..=65_535).contains(&info.vocab) {
        return Err(format!("expected a `vocab` of 1 to 65535 colours, found {}", info.vocab));
    }
    Ok(())
}

/// What is wrong with a row's tokens.
fn check_tokens(info: &TokensInfo, id: u64, tokens: &[u16]) -> Result<(), String> {
    if tokens.len() != info.positions() {
        return Err(format!("row {id}: expected {} tokens, found {}", info.positions(), tokens.len()));
    }
    match tokens.iter().max() {
        Some(&token) if usize::from(token) >= info.vocab => {
            Err(format!("row {id}: expected tokens below the {} colours, found {token}", info.vocab))
        }
        _ => Ok(()),
    }
}

/// Writes a token set, one row after another.
pub struct TokensWriter {
    dir: PathBuf,
    info: TokensInfo,
    counts: SplitCounts,
    last: Option<RowKey>,
    keys: Vec<RowKey>,
    tokens: Vec<u16>,
    item: Arc<Field>,
    shards: ShardWriter,
}

impl TokensWriter {
    /// Starts a set in an existing, empty folder.
    ///
    /// # Errors
    /// If the resolution or the palette's size makes no sense.
    pub fn create(dir: &Path, info: &TokensInfo) -> Result<Self, DatasetError> {
        check_info(info).map_err(|what| DatasetError::new(dir, what))?;
        let item = Arc::new(Field::new_list_field(DataType::UInt16, false));
        let mut fields = table::key_fields();
        let list = DataType::FixedSizeList(item.clone(), info.positions() as i32);
        fields.push(Field::new("tokens", list, false));
        let properties = table::properties(3)
            .map_err(|error| DatasetError::caused(dir, "cannot set up the writer", error))?
            .set_key_value_metadata(Some(footer(info)))
            .build();
        Ok(Self {
            dir: dir.to_owned(),
            info: info.clone(),
            counts: SplitCounts::default(),
            last: None,
            keys: Vec::new(),
            tokens: Vec::new(),
            item,
            shards: ShardWriter::sharded(dir, "tokens", fields, properties),
        })
    }

    /// Adds a row of `height * width` tokens; rows come in the order of (split, id, view).
    ///
    /// # Errors
    /// If the row is out of order, has a label without a class, other than the right number of
    /// tokens, a token outside the palette, or cannot be written.
    pub fn append(&mut self, key: RowKey, tokens: &[u16]) -> Result<(), DatasetError> {
        key.check(self.last.as_ref(), self.info.classes.len())
            .and_then(|()| check_tokens(&self.info, key.id, tokens))
            .map_err(|what| DatasetError::new(&self.dir, what))?;
        self.last = Some(key);
        self.counts.add(key.split);
        self.keys.push(key);
        self.tokens.extend_from_slice(tokens);
        let full = self.keys.len() >= GROUP_ROWS || self.tokens.len() >= GROUP_TOKENS;
        if full { self.flush() } else { Ok(()) }
    }

    /// Ends the set; answers its rows by split.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> Result<SplitCounts, DatasetError> {
        if !self.keys.is_empty() {
            self.flush()?;
        }
        self.shards.finish()?;
        let TokensInfo { name, height, width, vocab, palette, classes, sets } = self.info;
        let document = Document { name, height, width, vocab, palette, classes, rows: self.counts, sets };
        table::write_json(&document_path(&self.dir), &document)?;
        Ok(self.counts)
    }

    fn flush(&mut self) -> Result<(), DatasetError> {
        let keys = std::mem::take(&mut self.keys);
        let tokens = std::mem::take(&mut self.tokens);
        let bytes = 2 * tokens.len() as u64;
        let values: ArrayRef = Arc::new(UInt16Array::new(ScalarBuffer::from(tokens), None));
        let size = self.info.positions() as i32;
        let list = FixedSizeListArray::try_new(self.item.clone(), size, values, None)
            .map_err(|error| DatasetError::caused(&self.dir, "cannot form the tokens' column", error))?;
        let mut columns = table::key_columns(&keys);
        columns.push(Arc::new(list));
        self.shards.write(columns, bytes)
    }
}

/// Token rows in memory: a whole set, or a row group of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTable {
    /// The set's resolution, palette and classes.
    pub info: TokensInfo,
    /// The image of each row.
    pub ids: Vec<u64>,
    /// The split of each row: all training rows come first.
    pub splits: Vec<Split>,
    /// The class of each row; -1 where nobody knows it.
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
    /// If a file is missing or is not what it should be.
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

    /// Whose row it is.
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
    /// If a file is missing or is not what it should be.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let path = document_path(dir);
        let Document { name, height, width, vocab, palette, classes, rows, sets } = table::read_json(&path)?;
        let info = TokensInfo { name, height, width, vocab, palette, classes, sets };
        check_info(&info).map_err(|what| DatasetError::new(&path, what))?;
        let groups = table::row_groups(&table::shards(dir, "tokens")?)?;
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

    /// Whose each row is, in order; the tokens are not read.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn keys(&self) -> Result<Vec<RowKey>, DatasetError> {
        table::all_keys(&self.groups)
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
    /// If the file is damaged or holds rows that do not belong to the set.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn group(&self, group: usize) -> Result<TokenTable, DatasetError> {
        let mut table = TokenTable::empty(self.info.clone());
        self.read_into(group, &mut table)?;
        Ok(table)
    }

    /// The row groups one after another, each read when its turn comes.
    pub fn tables(&self) -> impl Iterator<Item = Result<TokenTable, DatasetError>> + '_ {
        (0..self.groups()).map(|group| self.group(group))
    }

    fn read_into(&self, group: usize, table: &mut TokenTable) -> Result<(), DatasetError> {
        let group = &self.groups[group];
        let path = group.path();
        let fail = |what| DatasetError::new(path, what);
        let mut last = table.len().checked_sub(1).map(|row| table.key(row));
        for batch in group.read(group.rows)? {
            let keys = table::keys(path, &batch)?;
            let (size, values) = table::fixed_size_list::<UInt16Array>(path, &batch, "tokens")?;
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

//! Token sets: images as rows of colour indices, in Parquet shards.
//!
//! `tokens-00000.parquet`, ... hold the columns id (u64), split (`train`, `test`), label (i32, -1
//! for none), view (u16) and tokens (a list of fixed size of u16, raster order). (split, id) is that
//! of the image in its set; if several sets were joined, `sets` gives the offset of each set's ids.
//! `tokens.json` holds the resolution, the palette's size and digest, class names, the rows by split and
//! those sets. Each shard repeats the resolution and the palette in its footer (`igpt.height`,
//! `igpt.width`, `igpt.vocab`, `igpt.palette`), for those who read a single shard.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, UInt16Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};
use igpt_contract::Digest;
use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};

use crate::columns;
use crate::error::DatasetError;
use crate::joined::JoinedSet;
use crate::json;
use crate::row::{RowKey, SplitCounts};
use crate::shards::{self, ShardWriter};

/// The tokens after which a row group ends: 4 MiB in memory.
const GROUP_TOKENS: usize = 1 << 21;
/// The rows after which a row group ends.
const GROUP_ROWS: usize = 8192;

/// A description of a token set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensInfo {
    /// The image set's name.
    pub name: String,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// The number of colours in the palette; tokens are below it.
    pub vocab: usize,
    /// The palette's digest, see [`crate::PaletteTable::digest`]; `None` if unknown.
    pub palette: Option<Digest>,
    /// The class names, by label.
    pub classes: Vec<String>,
    /// The image sets that were joined, in the order of their ids; empty if there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<JoinedSet>,
}

impl TokensInfo {
    /// The number of tokens in a row.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }
}

/// `tokens.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensJson {
    pub(crate) name: String,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) vocab: usize,
    pub(crate) palette: Option<Digest>,
    pub(crate) classes: Vec<String>,
    pub(crate) rows: SplitCounts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sets: Vec<JoinedSet>,
}

pub(crate) fn json_path(dir: &Path) -> PathBuf {
    dir.join("tokens.json")
}

/// The metadata in a shard's footer.
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

/// Checks the resolution and the number of colours.
pub(crate) fn check_info(info: &TokensInfo) -> Result<(), String> {
    let side = 1..=1024;
    if !side.contains(&info.height) || !side.contains(&info.width) {
        return Err(format!("expected 1 to 1024 pixels per side, found {}x{}", info.height, info.width));
    }
    if !(1..=65_535).contains(&info.vocab) {
        return Err(format!("expected a `vocab` of 1 to 65535 colours, found {}", info.vocab));
    }
    Ok(())
}

/// Checks a row's tokens.
pub(crate) fn check_tokens(info: &TokensInfo, id: u64, tokens: &[u16]) -> Result<(), String> {
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
    /// If the resolution or the palette's size is not valid.
    pub fn create(dir: &Path, info: &TokensInfo) -> Result<Self, DatasetError> {
        check_info(info).map_err(|what| DatasetError::new(dir, what))?;
        let item = Arc::new(Field::new_list_field(DataType::UInt16, false));
        let mut fields = columns::key_fields();
        let list = DataType::FixedSizeList(item.clone(), info.positions() as i32);
        fields.push(Field::new("tokens", list, false));
        let properties = shards::properties(3)
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
    /// If the row is out of order, has a label without a class, the wrong number of tokens, a
    /// token outside the palette, or cannot be written.
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

    /// Ends the set; returns its rows by split.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> Result<SplitCounts, DatasetError> {
        if !self.keys.is_empty() {
            self.flush()?;
        }
        self.shards.finish()?;
        let TokensInfo { name, height, width, vocab, palette, classes, sets } = self.info;
        let document = TokensJson { name, height, width, vocab, palette, classes, rows: self.counts, sets };
        json::write_json(&json_path(&self.dir), &document)?;
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
        let mut columns = columns::key_columns(&keys);
        columns.push(Arc::new(list));
        self.shards.write(columns, bytes)
    }
}

//! The data that stages share: image sets, tokens, features, predictions and palettes, and their files.
//!
//! Each module is one artifact kind, or one operation on its rows. Equal rows give equal bytes. A file
//! that is not valid is an error that says what was expected and what was found. The crate knows no
//! stage.

mod bad_image;
mod columns;
mod decode;
mod display;
mod encoding;
mod error;
mod exif;
mod features;
mod folds;
mod gif;
mod grid;
mod image_row;
mod image_set;
mod joined;
mod jpeg;
mod jpeg_decode;
mod json;
mod labels;
mod metric_rows;
mod morton;
mod nearest;
mod npy;
mod palette;
mod palette_file;
mod palette_range;
mod predictions;
mod row;
mod row_groups;
mod shards;
mod subset;
mod swatches;
mod token_rows;
mod token_set;
mod token_table;
mod tokens;
mod vote;

pub use bad_image::BadImage;
pub use decode::{decode, decode_file, turned};
pub use display::{name_list, shown, shown_path};
pub use encoding::Encoding;
pub use error::DatasetError;
pub use exif::orientation;
pub use features::{FeatureReader, FeatureTable, FeatureWriter, LayerInfo};
pub use folds::{Fold, FoldRow, FoldTable};
pub use grid::pad_crop_flip;
pub use image_row::{ImageRow, RAW_SIDE, UPRIGHT};
pub use image_set::{ImageRows, ImageSetInfo, ImageSetReader, ImageSetWriter};
pub use joined::{ID_STEP, JoinedClasses, JoinedSet, image_in, join_classes};
pub use labels::{TooFewLabels, Untrained, select_labels, share_out, untrained, unvalidated};
pub use metric_rows::write_metric_rows;
pub use morton::{morton, morton_colour};
pub use nearest::{BadPalette, NearestColour};
pub use npy::{Npy, read_npy};
pub use palette::{PaletteInfo, PaletteTable};
pub use palette_file::{LoadedPalette, PALETTE_FILES, load_palette, named_palette, palette_digest};
pub use palette_range::PaletteRange;
pub use predictions::PredictionTable;
pub use row::{RowKey, Split, SplitCounts, UnknownSplit, images_of, images_of_keys, rows_of};
pub use subset::{draw_images, spaced, subset_rows};
pub use swatches::swatches;
pub use token_rows::{TokenRows, TokenRowsWriter};
pub use token_set::{TokenPlace, TokenSet};
pub use token_table::{TokenTable, TokensReader};
pub use tokens::{TokensInfo, TokensWriter};
pub use vote::modal;

//! A place in a file as users see it.

use std::path::PathBuf;

/// A place in a file, for messages; lines and columns count from 1. Line 0 is the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Location {
    /// The file as the user named it.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

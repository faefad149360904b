//! The error of a file of a data set.

use std::error::Error;
use std::path::{Path, PathBuf};

use igpt_contract::StageError;

use crate::display::shown_path;

/// A file or folder that is not valid, or cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", shown_path(path))]
pub struct DatasetError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub what: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The cause, if there is one.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl DatasetError {
    /// An error at a file, without a cause.
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into(), hint: None, source: None }
    }

    /// An error at a file with its cause.
    pub fn caused(
        path: &Path,
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(path, what) }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<DatasetError> for StageError {
    fn from(error: DatasetError) -> Self {
        let what = format!("`{}`: {}", shown_path(&error.path), error.what);
        Self::Failed { what, hint: error.hint, source: error.source }
    }
}

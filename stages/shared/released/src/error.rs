//! What is wrong with a network of others, or with one that is to be given to them.

use std::path::{Path, PathBuf};

use igpt_contract::StageError;
use igpt_dataset::shown_path;

/// Files that are not the network they should be, or a network that they cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", shown_path(path))]
pub struct ReleasedError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub what: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The cause, where there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ReleasedError {
    /// An error at a file that explains itself.
    pub(crate) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into(), hint: None, source: None }
    }

    /// An error at a file with its cause.
    pub(crate) fn caused(
        path: &Path,
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(path, what) }
    }

    /// The same error with a hint.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Every difference between the tensors that were expected and those that were found.
    pub(crate) fn differences(path: &Path, differences: &[String]) -> Self {
        /// More lines than this say nothing new.
        const SHOWN: usize = 16;
        let mut lines = differences[..differences.len().min(SHOWN)].to_vec();
        if differences.len() > SHOWN {
            lines.push(format!("  and {} more", differences.len() - SHOWN));
        }
        Self::new(path, format!("the tensors are not those of the network:\n{}", lines.join("\n")))
    }
}

impl From<ReleasedError> for StageError {
    fn from(error: ReleasedError) -> Self {
        let what = format!("`{}`: {}", shown_path(&error.path), error.what);
        Self::Failed { what, hint: error.hint, source: error.source }
    }
}

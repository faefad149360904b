//! The error of reading or writing a network in another format.

use std::path::{Path, PathBuf};

use igpt_contract::StageError;
use igpt_dataset::shown_path;

/// A file or folder that is not valid, or a network that the format cannot express.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", shown_path(path))]
pub struct ReleasedError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub what: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The cause, if there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ReleasedError {
    /// An error at a file, without a cause.
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

    /// The differences between the tensors found and the `expected` number of them, in two lines.
    pub(crate) fn differences(
        path: &Path,
        expected: usize,
        found: usize,
        kinds: [(&str, &[String]); 3],
    ) -> Self {
        /// How many names of each kind are listed.
        const SHOWN: usize = 3;
        let differences = kinds.iter().filter(|(_, which)| !which.is_empty()).map(|(kind, which)| {
            let first = which[..which.len().min(SHOWN)].join(", ");
            let more = if which.len() > SHOWN { ", ..." } else { "" };
            format!("{} {kind} ({first}{more})", which.len())
        });
        let differences: Vec<String> = differences.collect();
        let what = format!(
            "expected the {expected} tensors of the network, found {found} others:\n  {}",
            differences.join(", ")
        );
        Self::new(path, what)
    }
}

impl From<ReleasedError> for StageError {
    fn from(error: ReleasedError) -> Self {
        let what = format!("`{}`: {}", shown_path(&error.path), error.what);
        Self::Failed { what, hint: error.hint, source: error.source }
    }
}

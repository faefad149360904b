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

    /// How the tensors that were found differ from the `expected` ones, in two lines.
    pub(crate) fn differences(
        path: &Path,
        expected: usize,
        found: usize,
        kinds: [(&str, &[String]); 3],
    ) -> Self {
        /// More names than these say nothing new.
        const SHOWN: usize = 3;
        let told = kinds.iter().filter(|(_, which)| !which.is_empty()).map(|(kind, which)| {
            let first = which[..which.len().min(SHOWN)].join(", ");
            let more = if which.len() > SHOWN { ", ..." } else { "" };
            format!("{} {kind} ({first}{more})", which.len())
        });
        let told: Vec<String> = told.collect();
        let what = format!(
            "expected the {expected} tensors of the network, found {found} that are not those:\n  {}",
            told.join(", ")
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

//! Why a bundle is refused, or cannot be written.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is not what it should be.
    #[error("`{}` is refused: {what}", path.display())]
    Refused {
        /// The bundle.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
    /// The system refused.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// A verb: `read`, `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BundleError {
    /// For `map_err`: the system refused to do this to a file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

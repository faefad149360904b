//! What can go wrong with a model: its configuration, its files, its device.

use std::path::PathBuf;

use igpt_module::Mismatch;

/// A model that cannot be built, saved, loaded or placed on a device.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The configuration is not valid.
    #[error("model: {0}")]
    Config(String),
    /// The weights are not those of the structure that was asked for.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The model was trained on tokens of another kind.
    #[error("the model does not belong to these tokens:\n{}", .0.join("\n"))]
    Tokens(Vec<String>),
    /// A file of the model is damaged or is of another kind.
    #[error("`{path}`: {what}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
    /// A file of the model cannot be read or written.
    #[error("`{path}` cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// No such device, or not in this build.
    #[error("device `{name}`: {what}")]
    Device {
        /// The device that was asked for.
        name: String,
        /// Why it cannot be used.
        what: String,
    },
}

impl ModelError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Format { path: path.into(), what: what.into() }
    }
}

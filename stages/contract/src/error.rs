//! Why a stage failed.

/// Why a stage did not finish. Messages are lower-case fragments with names in backticks; a hint says
/// what the user can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The run was interrupted; checkpoints are kept.
    #[error("cancelled")]
    Cancelled,
    /// The inputs, the parameters or something outside are not what the stage needs.
    #[error("{what}")]
    Failed {
        /// What was expected and what was found.
        what: String,
        /// What the user can do about it.
        hint: Option<String>,
        /// The cause, if there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl StageError {
    /// A failure without a cause.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), hint: None, source: None }
    }

    /// A failure with its cause.
    pub fn caused(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), hint: None, source: Some(source.into()) }
    }

    /// The same failure with a hint for the user.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Failed { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }
}

impl From<std::io::Error> for StageError {
    fn from(source: std::io::Error) -> Self {
        Self::caused("an input or output operation failed", source)
    }
}

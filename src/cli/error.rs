//! Errors as the user sees them, and their exit codes.

use std::process::ExitCode;

use crate::store::StoreError;

/// Why a verb did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments make no sense.
    #[error("{what}")]
    Usage {
        /// What was expected and what was found.
        what: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// The pipeline has errors, rendered with their places.
    #[error("{0}")]
    Pipeline(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
}

impl CliError {
    /// A usage error without a hint.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: None }
    }

    /// The error, its causes, a blank line and a hint.
    pub fn render(&self, colour: bool) -> String {
        if let Self::Pipeline(rendered) = self {
            return rendered.clone();
        }
        let label = if colour { "\x1b[1;31merror\x1b[0m" } else { "error" };
        let mut text = format!("{label}: {self}\n");
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text.push_str(&format!("  cause: {source}\n"));
            cause = source.source();
        }
        let hint = match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Store(error) => error.hint(),
            _ => None,
        };
        if let Some(hint) = hint {
            text.push_str(&format!("\nhint: {hint}\n"));
        }
        text
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage { .. } | Self::Pipeline(_) => 2,
            Self::Store(_) => 101,
            Self::Output(_) => 1,
        })
    }
}

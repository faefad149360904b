//! Errors as the user sees them, and their exit codes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::bundle::BundleError;
use crate::pipeline::{Diagnostic, render};
use crate::remote::RemoteFault;
use crate::report::clean::lines;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments are invalid.
    #[error("{what}")]
    Usage {
        /// What was expected and what was found.
        what: String,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// The pipeline has errors, each with its location.
    #[error("the pipeline is invalid")]
    Pipeline(Vec<Diagnostic>),
    /// A bundle is refused, or cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A remote cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteFault),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused an operation on a file.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// A verb: `read`, `create`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system is out of processes, threads or file descriptors.
    #[error("cannot start {what}")]
    NoRoom {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The server of the pages cannot work.
    #[error("cannot serve on port {port}")]
    Serve {
        /// The port; 0 is any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl CliError {
    /// A usage error without a hint.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: None }
    }

    /// For `map_err`: the system refused to do this to a file.
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// For `map_err`: the system was out of what this needs.
    pub(super) fn no_room(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::NoRoom { what, source }
    }

    /// The error, its causes, a blank line and a hint.
    pub fn render(&self, colour: bool) -> String {
        if let Self::Pipeline(errors) = self {
            let mut text = render(errors, colour);
            if errors.len() > 1 {
                text.push_str(&format!("\n{} errors\n", errors.len()));
            }
            return text;
        }
        let label = if colour { "\x1b[1;31merror\x1b[0m" } else { "error" };
        let mut text = format!("{label}: {}\n", lines(&self.to_string()));
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text.push_str(&format!("  cause: {}\n", lines(&source.to_string())));
            cause = source.source();
        }
        let hint = match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Store(error) => error.hint(),
            Self::Bundle(BundleError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Some("without a bundle's name, `verify` checks the store".to_owned())
            }
            Self::Remote(fault) => Some(fault.hint()),
            Self::NoRoom { .. } => Some("raise `ulimit -u`, `ulimit -n` and `ulimit -v`".to_owned()),
            Self::Serve { .. } => {
                Some("choose another with `--port`, or omit it to use any free one".to_owned())
            }
            _ => None,
        };
        if let Some(hint) = hint {
            text.push_str(&format!("\nhint: {}\n", lines(&hint)));
        }
        text
    }

    /// The error as `--json` prints it; only those of a pipeline have such a form.
    pub(super) fn as_json(&self) -> Option<Value> {
        match self {
            Self::Pipeline(errors) => Some(json!({"ok": false, "errors": errors})),
            _ => None,
        }
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            // An unknown run is a mistyped name, not a fault of the store.
            Self::Usage { .. } | Self::Pipeline(_) | Self::Store(StoreError::NoRun { .. }) => 2,
            Self::Remote(RemoteFault::NotBuilt | RemoteFault::Key { .. }) => 2,
            Self::Remote(_) | Self::Store(_) | Self::Bundle(BundleError::Refused { .. }) => 101,
            // So is an unknown bundle.
            Self::Bundle(BundleError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => 2,
            Self::Bundle(BundleError::Io { .. }) => 1,
            Self::File { .. } | Self::NoRoom { .. } | Self::Serve { .. } | Self::Output(_) => 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_opened_is_named_with_its_cause() {
        let error = std::fs::File::open("/nowhere/x.log").map_err(CliError::file("read", Path::new("x.log")));
        let text = error.unwrap_err().render(false);
        assert!(text.starts_with("error: cannot read `x.log`\n  cause: No such file"), "{text}");
    }
}

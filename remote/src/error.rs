//! Why something cannot be done, in words that hold no credentials.

use std::error::Error as _;
use std::io;
use std::time::Duration;

/// Why a remote does not do something.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address, or the environment's settings, are not understood.
    #[error("{what}")]
    Address {
        /// What is wrong.
        what: String,
    },
    /// What is named is not there.
    #[error("it is not there")]
    Absent,
    /// It is there already, and nothing was written.
    #[error("it is there already")]
    Exists,
    /// The server knows the user, or does not, and refuses.
    #[error("the server refuses it: wrong credentials, or no right to do it")]
    Denied,
    /// The server does not answer, or not sensibly.
    #[error("{what}")]
    Away {
        /// What was found.
        what: String,
    },
    /// The file on this side cannot be read or written.
    #[error("{0}")]
    Here(#[source] io::Error),
}

impl RemoteError {
    /// The error without what servers put into theirs: names of keys, signatures, pages of XML.
    pub(crate) fn of(error: &object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } => Self::Absent,
            E::AlreadyExists { .. } | E::Precondition { .. } => Self::Exists,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::Denied,
            E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => {
                Self::Address { what: error.to_string() }
            }
            other => match io_error(other) {
                Some(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::Denied,
                _ => Self::of_status(innermost(other)),
            },
        }
    }

    /// Of a list, refusals and missing buckets come as texts with the number of the status alone.
    fn of_status(what: String) -> Self {
        let status = what.split_once("status code: ").and_then(|(_, rest)| rest.get(..3));
        match status {
            Some("401" | "403") => Self::Denied,
            Some("404") => Self::Absent,
            _ => Self::Away { what },
        }
    }

    pub(crate) fn of_file(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            _ => Self::Away { what: error.to_string() },
        }
    }

    pub(crate) fn stalled(limit: Duration) -> Self {
        Self::Away { what: format!("nothing came or went for {} s", limit.as_secs_f64()) }
    }
}

fn io_error(error: &object_store::Error) -> Option<&io::Error> {
    let mut at = error.source();
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        at = error.source();
    }
    None
}

/// The first cause, in one line and without the body of an answer.
fn innermost(error: &object_store::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    let text = at.to_string();
    let line = text.lines().next().unwrap_or_default();
    let plain = line.split('<').next().unwrap_or_default();
    plain.trim_end_matches([' ', ':']).chars().take(160).collect()
}

//! What a person must mend.

use std::path::PathBuf;

use super::client::RemoteError;
use crate::remote_address::RemoteAddress;

/// Why a remote cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteFault {
    /// This program was built without remotes.
    #[error("this igpt-flow was built without remotes")]
    NotBuilt,
    /// Address, credentials, bucket or rights are of no use.
    #[error("cannot {doing} the remote {address}: {what}")]
    Refused {
        /// A verb: `read`, `write to`.
        doing: &'static str,
        /// The remote.
        address: RemoteAddress,
        /// Why.
        what: String,
    },
    /// It does not answer.
    #[error("the remote {address} does not answer: {what}")]
    Away {
        /// The remote.
        address: RemoteAddress,
        /// What was found.
        what: String,
    },
    /// A secret key cannot be read or written.
    #[error("the signing key `{}`: {what}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        what: String,
    },
}

impl RemoteFault {
    pub(super) fn new(address: &RemoteAddress, doing: &'static str, error: &RemoteError) -> Self {
        let address = address.clone();
        match error {
            RemoteError::Away { what } => Self::Away { address, what: what.clone() },
            RemoteError::Absent => {
                Self::Refused { doing, address, what: "there is no such bucket".to_owned() }
            }
            other => Self::Refused { doing, address, what: other.to_string() },
        }
    }

    /// Why, for a sentence that names the remote.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Refused { what, .. } | Self::Away { what, .. } => what.clone(),
            Self::NotBuilt | Self::Key { .. } => self.to_string(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotBuilt => {
                "`cargo install --path . --features remote` builds one with them; `--remote none` goes without".into()
            }
            Self::Refused { address: RemoteAddress::Folder(_), .. } => {
                "is the disk mounted, and may you use the folder? It is not made by itself".into()
            }
            Self::Refused { .. } => "credentials come from the environment (AWS_ACCESS_KEY_ID, \
                                     AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL; docs/remote.md); reading \
                                     needs the rights to get and list, `push` that to put"
                .into(),
            Self::Away { .. } => "is the server running, and is AWS_ENDPOINT_URL right?".into(),
            Self::Key { .. } => "`igpt-flow remote keygen FILE` makes one".into(),
        }
    }
}

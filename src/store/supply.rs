//! Bytes that are not here, from whoever else has them. The store knows nothing more of him.

use std::fmt::Debug;
use std::sync::Arc;

use igpt_contract::Digest;

use super::{Absent, Artifact, Result, Store, StoreError};

/// Somebody who has objects.
pub trait Supply: Debug + Send + Sync {
    /// Who that is, as people write it.
    fn name(&self) -> String;

    /// Whether all of these objects are there, each with its size; or in words why that cannot be said.
    ///
    /// # Errors
    /// Where nobody answers.
    fn has(&self, objects: &[(Digest, u64)]) -> std::result::Result<bool, String>;

    /// Brings an object into the store. Its size is known but for manifests. Returns whether it is here.
    fn bring(&self, store: &Store, digest: &Digest, size: Option<u64>) -> bool;
}

/// Where the bytes of a recorded artifact are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// In the store, all of them.
    Here,
    /// Not all here, and the rest is in the remote of that name.
    Elsewhere(String),
    /// Not all here, and the remote of that name cannot be asked: why.
    Unknown(String, String),
    /// Not all here, nor in the remote of that name, where there is one.
    Missing(Option<String>),
}

impl Whereabouts {
    /// A word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere(_) => "elsewhere",
            Self::Unknown(..) => "unknown",
            Self::Missing(_) => "missing",
        }
    }

    /// The remote that has the bytes, or was asked for them.
    pub fn remote(&self) -> Option<&str> {
        match self {
            Self::Elsewhere(remote) | Self::Unknown(remote, _) | Self::Missing(Some(remote)) => Some(remote),
            Self::Here | Self::Missing(None) => None,
        }
    }

    /// In words for people; nothing where all is here.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Elsewhere(remote) => Some(format!("not here but in the remote {remote}")),
            Self::Unknown(remote, why) => {
                Some(format!("not here, and the remote {remote} cannot be asked: {why}"))
            }
            Self::Missing(Some(remote)) => {
                Some(format!("neither here nor in the remote {remote}; made again when it is needed"))
            }
            Self::Missing(None) => Some("not in the store; made again when it is needed".to_owned()),
        }
    }

    /// What brings the bytes, where something does.
    pub fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::Elsewhere(_))
            .then_some("`igpt-flow pull FILE` brings all bytes of a pipeline's results")
    }
}

impl Store {
    /// The same store, with somebody behind it who has bytes that are not here: they come when an entry or a
    /// manifest is read.
    #[must_use]
    pub fn backed_by(&self, supply: Arc<dyn Supply>) -> Self {
        Self { supply: Some(supply), ..self.clone() }
    }

    /// Where the bytes of an artifact are.
    pub fn whereabouts(&self, artifact: &Artifact) -> Whereabouts {
        let name = || self.supply.as_ref().map(|supply| supply.name());
        let absent = match self.absent(artifact, None) {
            // One that can be had has come: nobody has it, of whatever size, or nobody answers.
            Ok(Absent::Manifest(digest)) => vec![(digest, 0)],
            Ok(Absent::Files(files)) => files,
            Err(_) => return Whereabouts::Missing(name()),
        };
        if absent.is_empty() {
            return Whereabouts::Here;
        }
        let Some(supply) = &self.supply else { return Whereabouts::Missing(None) };
        match supply.has(&absent) {
            Ok(true) => Whereabouts::Elsewhere(supply.name()),
            Ok(false) => Whereabouts::Missing(Some(supply.name())),
            Err(why) => Whereabouts::Unknown(supply.name(), why),
        }
    }

    /// Does something that reads an object. Where that object is missing and can be had, it comes, and the same
    /// is done once more.
    pub(super) fn supplied<T>(&self, size: Option<u64>, read: impl Fn() -> Result<T>) -> Result<T> {
        match (read(), &self.supply) {
            (Err(StoreError::Missing { digest }), Some(supply)) => {
                // Nothing is collected meanwhile.
                let _live = self.hold_to_read();
                if supply.bring(self, &digest, size) { read() } else { Err(StoreError::Missing { digest }) }
            }
            (done, _) => done,
        }
    }
}

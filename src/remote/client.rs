//! The crate behind the feature `remote`; without it, a client that nobody can have.

#[cfg(feature = "remote")]
pub(super) use igpt_remote::{Limits, Place, Remote as Client, RemoteError, sign};

#[cfg(not(feature = "remote"))]
pub(super) use super::absent::{Client, Limits, Place, RemoteError, sign};

/// Whether this program was built with remotes.
pub(super) const BUILT: bool = cfg!(feature = "remote");

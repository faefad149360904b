//! The crate behind the feature `remote`; without it, a client that nobody can have.

#[cfg(feature = "remote")]
pub(super) use igpt_remote::{Limits, Place, Remote as Client, RemoteError, sign};

#[cfg(not(feature = "remote"))]
pub(super) use absent::{Client, Limits, Place, RemoteError, sign};

/// Whether this program was built with remotes.
pub(super) const BUILT: bool = cfg!(feature = "remote");

#[cfg(not(feature = "remote"))]
#[allow(dead_code, clippy::unused_self, clippy::unnecessary_wraps, missing_docs)]
mod absent {
    use std::io::Write;
    use std::ops::ControlFlow;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    /// As in the crate; none is ever made.
    #[derive(Debug)]
    pub(in super::super) enum Client {}

    #[derive(Debug, thiserror::Error)]
    pub(in super::super) enum RemoteError {
        #[error("{what}")]
        Address { what: String },
        #[error("it is not there")]
        Absent,
        #[error("it is there already")]
        Exists,
        #[error("the server refuses it")]
        Denied,
        #[error("{what}")]
        Away { what: String },
        #[error("{0}")]
        Here(std::io::Error),
    }

    pub(in super::super) enum Place {
        Folder(PathBuf),
        S3(String, String),
        Gcs(String, String),
        Azure(String, String),
    }

    pub(in super::super) struct Limits {
        pub(in super::super) connect: Duration,
        pub(in super::super) stall: Duration,
    }

    impl Limits {
        pub(in super::super) const DEFAULT: Self = Self { connect: Duration::ZERO, stall: Duration::ZERO };
    }

    #[derive(Clone)]
    pub(in super::super) struct Entry {
        pub(in super::super) name: String,
        pub(in super::super) size: u64,
        pub(in super::super) modified: SystemTime,
    }

    type Result<T> = std::result::Result<T, RemoteError>;

    impl Client {
        pub(in super::super) fn open(_: &Place, _: Limits) -> Result<Self> {
            Err(RemoteError::Address { what: "this program was built without remotes".to_owned() })
        }

        pub(in super::super) fn get(&self, _: &str, _: u64, _: &mut dyn Write) -> Result<Option<u64>> {
            match *self {}
        }

        pub(in super::super) fn entry(&self, _: &str) -> Result<Option<Entry>> {
            match *self {}
        }

        pub(in super::super) fn list(&self, _: &str, _: impl FnMut(Entry) -> ControlFlow<()>) -> Result<()> {
            match *self {}
        }

        pub(in super::super) fn delete(&self, _: &str) -> Result<()> {
            match *self {}
        }

        pub(in super::super) fn touch(&self, _: &str) -> Result<()> {
            match *self {}
        }

        pub(in super::super) fn put_new(&self, _: &str, _: Vec<u8>) -> Result<bool> {
            match *self {}
        }

        pub(in super::super) fn put(&self, _: &str, _: Vec<u8>) -> Result<()> {
            match *self {}
        }

        pub(in super::super) fn put_file(&self, _: &str, _: &Path, _: &dyn Fn(u64)) -> Result<u64> {
            match *self {}
        }
    }

    pub(in super::super) mod sign {
        #[derive(Debug)]
        pub(in super::super::super) enum SecretKey {}

        impl SecretKey {
            pub(in super::super::super) fn read(_: &[u8]) -> Option<Self> {
                None
            }

            pub(in super::super::super) fn public(&self) -> [u8; 32] {
                match *self {}
            }

            pub(in super::super::super) fn sign(&self, _: &[u8]) -> [u8; 64] {
                match *self {}
            }
        }

        pub(in super::super::super) fn generate() -> Option<Vec<u8>> {
            None
        }

        pub(in super::super::super) fn verify(_: &[u8; 32], _: &[u8], _: &[u8]) -> bool {
            false
        }
    }
}

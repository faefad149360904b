//! The client of a program that was built without remotes: what the other files name, and nobody ever has.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// As in the crate; none is ever made.
#[derive(Debug)]
pub(super) enum Client {}

#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
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

pub(super) enum Place {
    Folder(PathBuf),
    S3(String, String),
    Gcs(String, String),
    Azure(String, String),
}

pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) stall: Duration,
}

impl Limits {
    pub(super) const DEFAULT: Self = Self { connect: Duration::ZERO, stall: Duration::ZERO };
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

type Result<T> = std::result::Result<T, RemoteError>;

impl Client {
    pub(super) fn open(_: &Place, _: Limits) -> Result<Self> {
        Err(RemoteError::Address { what: "this program was built without remotes".to_owned() })
    }

    pub(super) fn get(&self, _: &str, _: u64, _: &mut dyn Write) -> Result<Option<u64>> {
        match *self {}
    }

    pub(super) fn entry(&self, _: &str) -> Result<Option<Entry>> {
        match *self {}
    }

    pub(super) fn list(&self, _: &str, _: impl FnMut(Entry) -> ControlFlow<()>) -> Result<()> {
        match *self {}
    }

    pub(super) fn delete(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub(super) fn touch(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub(super) fn put_new(&self, _: &str, _: Vec<u8>) -> Result<bool> {
        match *self {}
    }

    pub(super) fn put(&self, _: &str, _: Vec<u8>) -> Result<()> {
        match *self {}
    }

    pub(super) fn put_file(&self, _: &str, _: &Path, _: &dyn Fn(u64)) -> Result<u64> {
        match *self {}
    }
}

pub(super) mod sign {
    #[derive(Debug)]
    pub(in crate::remote) enum SecretKey {}

    impl SecretKey {
        pub(in crate::remote) fn read(_: &[u8]) -> Option<Self> {
            None
        }

        pub(in crate::remote) fn public(&self) -> [u8; 32] {
            match *self {}
        }

        pub(in crate::remote) fn sign(&self, _: &[u8]) -> [u8; 64] {
            match *self {}
        }
    }

    pub(in crate::remote) fn generate() -> Option<Vec<u8>> {
        None
    }

    pub(in crate::remote) fn verify(_: &[u8; 32], _: &[u8], _: &[u8]) -> bool {
        false
    }
}

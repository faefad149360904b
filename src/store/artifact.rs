//! Artifacts as values: files and trees of files, by their digests.

use std::path::PathBuf;

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

/// Content in the store (or on disk): a file or a tree of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The digest of a plain file's bytes, or that of the manifest.
    pub digest: Digest,
    /// What it is.
    pub form: Form,
    /// Bytes of content, manifests not counted.
    pub bytes: u64,
    /// Files in all.
    pub files: u64,
}

/// The forms of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One file.
    File,
    /// One file that may be executed.
    Executable,
    /// A folder of files.
    Tree,
}

impl Form {
    /// A number for the index.
    pub(super) fn number(self) -> u64 {
        self as u64
    }

    /// The form of that number.
    pub(super) fn of_number(number: u64) -> Option<Self> {
        [Self::File, Self::Executable, Self::Tree].into_iter().find(|form| form.number() == number)
    }
}

impl Artifact {
    /// Whether it is a single file, executable or not.
    pub fn is_file(&self) -> bool {
        self.form != Form::Tree
    }
}

/// One entry of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeEntry {
    /// The path relative to the tree; empty for the entry of a single file.
    pub name: PathBuf,
    /// What stands under that name.
    pub content: Content,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// A file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link to another entry of the tree.
    Link {
        /// Where it leads, relative to its folder.
        target: PathBuf,
    },
    /// A folder without anything in it.
    EmptyFolder,
}

impl TreeEntry {
    /// A file's digest and size; none of a link or an empty folder.
    pub fn file(&self) -> Option<(Digest, u64)> {
        match self.content {
            Content::File { digest, size, .. } => Some((digest, size)),
            Content::Link { .. } | Content::EmptyFolder => None,
        }
    }

    pub(super) fn is_plain_file(&self) -> bool {
        matches!(self.content, Content::File { executable: false, .. })
    }
}

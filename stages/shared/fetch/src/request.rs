//! The request for a file.

use std::path::Path;

/// A file to download over HTTP(S).
#[derive(Debug, Clone, Copy)]
pub struct FileRequest<'a> {
    /// Its URL.
    pub url: &'a str,
    /// The folder to put it in.
    pub folder: &'a Path,
    /// Its name in the folder.
    pub name: &'a str,
    /// The most bytes it may have.
    pub limit: u64,
    /// What the user can do if the server keeps failing: a lower-case fragment that names another source.
    pub elsewhere: &'a str,
}

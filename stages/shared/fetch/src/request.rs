//! What is to be downloaded.

use std::path::Path;

/// One file to be had over HTTP(S).
#[derive(Debug, Clone, Copy)]
pub struct FileRequest<'a> {
    /// Its address.
    pub url: &'a str,
    /// Where it is put.
    pub folder: &'a Path,
    /// Its name there.
    pub name: &'a str,
    /// The most bytes it may have.
    pub limit: u64,
    /// What the user can do where a server keeps failing: a lower-case fragment that names another
    /// place.
    pub elsewhere: &'a str,
}

//! Artifacts as values, and the text of a tree's manifest.
//!
//! A file's digest is the BLAKE3 of its bytes. A tree's digest is the BLAKE3 of its manifest:
//!
//! ```text
//! igpt-flow tree 1
//! <64 hexadecimal digits> <size in bytes> <name>
//! ```
//!
//! One line for each file, sorted by the bytes of its name relative to the tree (`/` between
//! folders). In a name, `%` and every byte that is not a printable ASCII character is written as `%`
//! and two upper-case hexadecimal digits. Modes, times and empty folders are not content. The text
//! is canonical: one tree, one text; and a part's manifest is that of the same folder kept alone.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use igpt_contract::Digest;
use serde::{Deserialize, Serialize};

const HEADER: &str = "igpt-flow tree 1";

/// Content in the store (or on disk): a file or a tree of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The file's digest, or that of the tree's manifest.
    pub digest: Digest,
    /// Whether it is a file or a tree.
    pub form: Form,
    /// Bytes of content, manifests not counted.
    pub bytes: u64,
    /// Files in all.
    pub files: u64,
}

/// The two forms of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One file.
    File,
    /// A folder of files.
    Tree,
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The path relative to the tree; empty for a file artifact.
    pub name: PathBuf,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Sorts entries and writes their manifest.
pub(super) fn manifest(entries: &mut [Entry]) -> String {
    entries.sort_by(|a, b| a.name.as_os_str().as_bytes().cmp(b.name.as_os_str().as_bytes()));
    let mut text = String::with_capacity(20 + 100 * entries.len());
    text.push_str(HEADER);
    text.push('\n');
    for Entry { name, digest, size } in entries.iter() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{digest} {size} {}", escape(name));
    }
    text
}

/// Reads a manifest; the error says what is wrong with it.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(format!("its first line is not `{HEADER}`"));
    }
    lines.map(|line| entry(line).ok_or_else(|| format!("the line `{line}` is malformed"))).collect()
}

fn entry(line: &str) -> Option<Entry> {
    let (digest, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let name = unescape(name)?;
    // A manifest is our own text, yet it names files that will be written: nothing may escape.
    let plain = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    (plain && !name.as_os_str().is_empty()).then_some(())?;
    Some(Entry { name, digest: digest.parse().ok()?, size: size.parse().ok()? })
}

fn escape(name: &Path) -> String {
    let mut text = String::new();
    for &byte in name.as_os_str().as_bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(byte as char);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn unescape(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    Some(PathBuf::from(OsStr::from_bytes(&bytes)))
}

/// The artifact that a manifest's text stands for.
pub(super) fn tree(text: &str, entries: &[Entry]) -> Artifact {
    Artifact {
        digest: Digest::of(text.as_bytes()),
        form: Form::Tree,
        bytes: entries.iter().map(|entry| entry.size).sum(),
        files: entries.len() as u64,
    }
}

/// The artifact of one file.
pub(super) fn file(digest: Digest, size: u64) -> Artifact {
    Artifact { digest, form: Form::File, bytes: size, files: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_of(name: &[u8], content: &[u8]) -> Entry {
        Entry {
            name: PathBuf::from(OsStr::from_bytes(name)),
            digest: Digest::of(content),
            size: content.len() as u64,
        }
    }

    #[test]
    fn the_manifest_is_pinned() {
        let mut entries = vec![entry_of(b"b/x", b"2"), entry_of(b"a y%\xff", b"1")];
        let text = manifest(&mut entries);
        // Golden: every tree's digest depends on this text.
        assert_eq!(
            text,
            format!("igpt-flow tree 1\n{} 1 a%20y%25%FF\n{} 1 b/x\n", Digest::of(b"1"), Digest::of(b"2"))
        );
        assert_eq!(parse(text.as_bytes()).unwrap(), entries);
        assert_eq!(
            tree(&text, &entries).digest.to_string(),
            "4f5f92d6027c49ba1072e0594b63b45cac49b2fa13de1ebb8e32215db890fecf"
        );
    }

    #[test]
    fn a_manifest_that_leads_out_of_its_folder_is_refused() {
        for name in ["../x", "/etc/x", "a/../../x", "%2E%2E/x", ""] {
            let line = format!("{HEADER}\n{} 1 {name}\n", Digest::of(b"1"));
            assert!(parse(line.as_bytes()).is_err(), "{name}");
        }
        assert!(parse(b"something else\n").is_err());
    }
}

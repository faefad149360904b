//! The text of a tree's manifest.
//!
//! A file's digest is the BLAKE3 of its bytes. A tree's digest is the BLAKE3 of its manifest. Where
//! all that a tree holds is plain files, the manifest is
//!
//! ```text
//! igpt-flow tree 1
//! <64 hexadecimal digits> <size in bytes> <name>
//! ```
//!
//! and where it also holds executable files, links or empty folders,
//!
//! ```text
//! igpt-flow tree 2
//! f <64 hexadecimal digits> <size in bytes> <name>     a file
//! x <64 hexadecimal digits> <size in bytes> <name>     an executable file
//! l <target> <name>                                    a symbolic link that stays in the tree
//! d <name>                                             an empty folder
//! ```
//!
//! One line for each entry, sorted by the bytes of its name relative to the tree (`/` between
//! folders). In a name or target, `%` and every byte that is not a printable ASCII character is
//! written as `%` and two upper-case hexadecimal digits. All other modes, owners and times are not
//! content. The text is canonical: one tree, one text; and a part's manifest is that of the same
//! folder kept alone. An executable file that is an artifact of its own is a manifest with one `x`
//! line whose name is empty, so that its digest is not that of the same bytes without the bit.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use igpt_contract::Digest;

use super::artifact::{Artifact, Content, Form, TreeEntry};
use crate::paths::percent_decoded;

const PLAIN: &str = "igpt-flow tree 1";
const FULL: &str = "igpt-flow tree 2";

/// An artifact made of entries, and its manifest where it has one.
pub(super) struct BuiltArtifact {
    pub(super) artifact: Artifact,
    pub(super) manifest: Option<String>,
}

/// The artifact that these entries are: a single file where there is one entry with an empty name.
pub(super) fn list(entries: &mut [TreeEntry]) -> BuiltArtifact {
    entries.sort_by(|a, b| a.name.as_os_str().as_bytes().cmp(b.name.as_os_str().as_bytes()));
    let bytes = entries.iter().filter_map(|entry| Some(entry.file()?.1)).sum();
    let files = entries.iter().filter(|entry| entry.file().is_some()).count() as u64;
    let form = match entries {
        [TreeEntry { name, content: Content::File { digest, executable: false, .. } }]
            if name.as_os_str().is_empty() =>
        {
            let artifact = Artifact { digest: *digest, form: Form::File, bytes, files };
            return BuiltArtifact { artifact, manifest: None };
        }
        [one] if one.name.as_os_str().is_empty() => Form::Executable,
        _ => Form::Tree,
    };
    let text = manifest(entries);
    let artifact = Artifact { digest: Digest::of(text.as_bytes()), form, bytes, files };
    BuiltArtifact { artifact, manifest: Some(text) }
}

fn manifest(entries: &[TreeEntry]) -> String {
    let plain = entries.iter().all(TreeEntry::is_plain_file);
    let mut text = String::with_capacity(20 + 102 * entries.len());
    text.push_str(if plain { PLAIN } else { FULL });
    text.push('\n');
    for TreeEntry { name, content } in entries {
        let name = escape(name);
        // Writing to a String cannot fail.
        let _ = match content {
            Content::File { digest, size, .. } if plain => writeln!(text, "{digest} {size} {name}"),
            Content::File { digest, size, executable } => {
                writeln!(text, "{} {digest} {size} {name}", if *executable { 'x' } else { 'f' })
            }
            Content::Link { target } => writeln!(text, "l {} {name}", escape(target)),
            Content::EmptyFolder => writeln!(text, "d {name}"),
        };
    }
    text
}

/// Whether a text begins like a manifest.
pub(super) fn is_manifest(text: &[u8]) -> bool {
    text.starts_with(PLAIN.as_bytes()) || text.starts_with(FULL.as_bytes())
}

/// Reads a manifest; the error says what is wrong with it.
pub(super) fn parse(text: &[u8]) -> Result<Vec<TreeEntry>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
    let mut lines = text.lines();
    let read: fn(&str) -> Option<TreeEntry> = match lines.next() {
        Some(PLAIN) => |line| file(line, false),
        Some(FULL) => entry,
        _ => return Err(format!("its first line is neither `{PLAIN}` nor `{FULL}`")),
    };
    let entries = lines.map(|line| {
        let entry = read(line).filter(is_safe);
        entry.ok_or_else(|| format!("the line `{line}` is malformed"))
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let nameless = entries.iter().any(|entry| entry.name.as_os_str().is_empty());
    if nameless && entries.len() > 1 { Err("an entry has no name".to_owned()) } else { Ok(entries) }
}

/// The digests of the files that a manifest names; none where it is no manifest.
pub fn files(text: &[u8]) -> Vec<Digest> {
    let entries = parse(text).unwrap_or_default();
    entries.iter().filter_map(|entry| Some(entry.file()?.0)).collect()
}

fn entry(line: &str) -> Option<TreeEntry> {
    let (kind, rest) = line.split_once(' ')?;
    match kind {
        "f" => file(rest, false),
        "x" => file(rest, true),
        "l" => {
            let (target, name) = rest.split_once(' ')?;
            let content = Content::Link { target: unescape(target)? };
            Some(TreeEntry { name: unescape(name)?, content })
        }
        "d" => Some(TreeEntry { name: unescape(rest)?, content: Content::EmptyFolder }),
        _ => None,
    }
}

fn file(line: &str, executable: bool) -> Option<TreeEntry> {
    let (digest, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let content = Content::File { digest: digest.parse().ok()?, size: size.parse().ok()?, executable };
    Some(TreeEntry { name: unescape(name)?, content })
}

/// A manifest is our own text, yet it names files that will be written: nothing may escape.
fn is_safe(entry: &TreeEntry) -> bool {
    let plain = entry.name.components().all(|part| matches!(part, Component::Normal(_)));
    let named = !entry.name.as_os_str().is_empty();
    plain
        && match &entry.content {
            Content::File { executable, .. } => named || *executable,
            Content::Link { target } => named && stays_inside(&entry.name, target),
            Content::EmptyFolder => named,
        }
}

/// Whether a link of that name leads to a place in its own tree: its target is relative, and `..`
/// stands at the target's beginning alone, where it leads through real folders and not through
/// other links.
pub(super) fn stays_inside(name: &Path, target: &Path) -> bool {
    let depth = name.components().count().saturating_sub(1);
    let up = target.components().take_while(|part| *part == Component::ParentDir).count();
    let mut rest = target.components().skip(up);
    let plain = rest.all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    plain && up <= depth && !target.as_os_str().is_empty()
}

/// A path as printable ASCII text.
pub(super) fn escape(name: &Path) -> String {
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

/// The path that [`escape`] wrote.
pub(super) fn unescape(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(OsStr::from_bytes(&percent_decoded(text)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8], content: Content) -> TreeEntry {
        TreeEntry { name: PathBuf::from(OsStr::from_bytes(name)), content }
    }

    fn file_of(name: &[u8], bytes: &[u8], executable: bool) -> TreeEntry {
        named(name, Content::File { digest: Digest::of(bytes), size: bytes.len() as u64, executable })
    }

    #[test]
    fn the_manifest_of_plain_files_is_pinned() {
        let mut entries = vec![file_of(b"b/x", b"2", false), file_of(b"a y%\xff", b"1", false)];
        let BuiltArtifact { artifact, manifest } = list(&mut entries);
        let text = manifest.unwrap();
        // Golden: every tree's digest depends on this text.
        assert_eq!(
            text,
            format!("igpt-flow tree 1\n{} 1 a%20y%25%FF\n{} 1 b/x\n", Digest::of(b"1"), Digest::of(b"2"))
        );
        assert_eq!(parse(text.as_bytes()).unwrap(), entries);
        assert_eq!(
            artifact.digest.to_string(),
            "4f5f92d6027c49ba1072e0594b63b45cac49b2fa13de1ebb8e32215db890fecf"
        );
    }

    #[test]
    fn the_manifest_of_all_that_a_tree_may_hold_is_pinned() {
        let mut entries = vec![
            file_of(b"bin/run", b"1", true),
            file_of(b"data", b"2", false),
            named(b"bin/link", Content::Link { target: "../data".into() }),
            named(b"empty", Content::EmptyFolder),
        ];
        let BuiltArtifact { artifact, manifest } = list(&mut entries);
        let text = manifest.unwrap();
        // Golden, as above.
        assert_eq!(
            text,
            format!(
                "igpt-flow tree 2\nl ../data bin/link\nx {} 1 bin/run\nf {} 1 data\nd empty\n",
                Digest::of(b"1"),
                Digest::of(b"2")
            )
        );
        assert_eq!(parse(text.as_bytes()).unwrap(), entries);
        assert_eq!((artifact.form, artifact.bytes, artifact.files), (Form::Tree, 2, 2));
    }

    #[test]
    fn the_executable_bit_is_part_of_a_files_digest() {
        let [plain, executable] = [false, true].map(|bit| list(&mut [file_of(b"", b"1", bit)]));
        assert_eq!((plain.artifact.digest, plain.artifact.form), (Digest::of(b"1"), Form::File));
        assert!(plain.manifest.is_none());
        assert_ne!(executable.artifact.digest, plain.artifact.digest);
        assert_eq!(executable.artifact.form, Form::Executable);
        let text = executable.manifest.unwrap();
        assert_eq!(parse(text.as_bytes()).unwrap(), [file_of(b"", b"1", true)]);
    }

    #[test]
    fn a_manifest_that_leads_out_of_its_folder_is_refused() {
        let digest = Digest::of(b"1");
        for name in ["../x", "/etc/x", "a/../../x", "%2E%2E/x", ""] {
            let line = format!("{PLAIN}\n{digest} 1 {name}\n");
            assert!(parse(line.as_bytes()).is_err(), "{name}");
        }
        for line in ["l /etc/passwd a", "l ../x a", "l b/../../x a/c", "l . ", "d ../x", "q x"] {
            assert!(parse(format!("{FULL}\n{line}\n").as_bytes()).is_err(), "{line}");
        }
        assert!(parse(b"something else\n").is_err());
    }

    #[test]
    fn a_link_stays_inside_by_its_text_alone() {
        let inside = |name: &str, target: &str| stays_inside(Path::new(name), Path::new(target));
        assert!(inside("a/l", "x") && inside("a/l", "../x/y") && inside("l", "./x"));
        assert!(!inside("l", "../x") && !inside("a/l", "../../x") && !inside("l", "/x"));
        // Through another link `a`, which may lead anywhere in the tree, `..` could leave it.
        assert!(!inside("s/l", "a/../x"));
    }
}

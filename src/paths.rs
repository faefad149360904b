//! Paths in JSON, paths compared, paths made normal. A path is bytes, which need not be UTF-8; JSON knows
//! text alone.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path's bytes with its separators as the lowest byte: sorted so, a folder stands before what is
/// in it, and its key is a prefix of theirs. (Paths themselves compare, slowly, to the same order.)
pub fn order_key(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}

/// Whether a path is absolute and every part of it is a name.
pub fn is_clean(path: &Path) -> bool {
    let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    let rest = path.as_os_str().as_bytes().strip_prefix(b"/");
    rest.is_some_and(|rest| rest.split(|byte| *byte == b'/').all(is_name))
}

/// Whether a path is a folder or lies in it: [`Path::starts_with`] for clean paths, many times as fast.
/// The root counts as clean here.
pub fn lies_in(path: &Path, folder: &Path) -> bool {
    let folder = folder.as_os_str().as_bytes();
    // The root alone ends with a separator.
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    let rest = path.as_os_str().as_bytes().strip_prefix(folder);
    rest.is_some_and(|rest| rest.first().is_none_or(|first| *first == b'/'))
}

/// The path without `.`, empty names and, as far as the text shows, without `..`.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match normal.components().next_back() {
                Some(Component::Normal(_)) => drop(normal.pop()),
                // Above the root is the root.
                Some(Component::RootDir) => {}
                _ => normal.push(component),
            },
            other => normal.push(other),
        }
    }
    normal
}

/// The bytes of a text in which `%XX` stands for a byte; none where `%` is followed by anything else.
pub fn percent_decoded(text: &str) -> Option<Vec<u8>> {
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
    Some(bytes)
}

/// For people and for programs that show it: what is not UTF-8 becomes a replacement character.
pub mod shown {
    use super::*;

    /// Writes a path as text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&path.to_string_lossy())
    }

    /// Reads it back.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        PathBuf::deserialize(from)
    }
}

/// One path as [`exact`] has it, for lists of them.
#[derive(Serialize, Deserialize)]
struct Exact(#[serde(with = "exact")] PathBuf);

/// A set of paths as [`exact`] has them.
pub mod exact_set {
    use super::*;

    /// Writes the set.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(paths: &BTreeSet<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(paths.iter().map(|path| Exact(path.clone())))
    }

    /// Reads it back.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<BTreeSet<PathBuf>>, D::Error> {
        let paths = Vec::<Exact>::deserialize(from)?;
        Ok(Arc::new(paths.into_iter().map(|Exact(path)| path).collect()))
    }
}

/// A list of paths that may be none, as [`exact`] has them.
pub mod exact_names {
    use super::*;

    /// Writes the list.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(paths: &Option<Vec<PathBuf>>, to: S) -> Result<S::Ok, S::Error> {
        match paths {
            Some(paths) => to.collect_seq(paths.iter().map(|path| Exact(path.clone()))),
            None => to.serialize_none(),
        }
    }

    /// Reads it back.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
        let paths = Option::<Vec<Exact>>::deserialize(from)?;
        Ok(paths.map(|paths| paths.into_iter().map(|Exact(path)| path).collect()))
    }
}

/// For ourselves: text where it is UTF-8, else its bytes as a list of numbers.
pub mod exact {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    /// Writes a path so that it can be read back.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => to.serialize_str(text),
            None => to.collect_seq(path.as_os_str().as_bytes()),
        }
    }

    /// Reads it back.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Repr {
            Text(PathBuf),
            Bytes(Vec<u8>),
        }
        Ok(match Repr::deserialize(from)? {
            Repr::Text(path) => path,
            Repr::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Two {
        #[serde(with = "exact")]
        exact: PathBuf,
        #[serde(with = "shown")]
        shown: PathBuf,
    }

    #[test]
    fn a_path_lies_in_the_folders_on_the_way_to_it() {
        let paths = ["/", "/a", "/a/b", "/a/b/c", "/a/bc", "/a b", "/b"].map(Path::new);
        let mut sorted = paths;
        sorted.sort_by_key(|path| order_key(path));
        assert_eq!(sorted, ["/", "/a", "/a/b", "/a/b/c", "/a/bc", "/a b", "/b"].map(Path::new));
        for (path, folder) in paths.iter().flat_map(|path| paths.iter().map(move |folder| (path, folder))) {
            assert_eq!(lies_in(path, folder), path.starts_with(folder), "{path:?} {folder:?}");
            assert_eq!(path.cmp(folder), order_key(path).cmp(&order_key(folder)), "{path:?} {folder:?}");
        }
    }

    #[test]
    fn one_place_has_one_normal_path() {
        for path in ["a/b", "./a/b", "a//b/", "a/./b", "a/c/../b", "./x/.././a/b/."] {
            assert_eq!(normal(Path::new(path)), Path::new("a/b"), "{path}");
        }
        assert_eq!(normal(Path::new("../a/..")), Path::new(".."));
        assert_eq!(normal(Path::new("/../a")), Path::new("/a"));
    }

    #[test]
    fn a_clean_path_is_what_its_parts_make() {
        for (path, clean) in [
            ("/a/b.c", true),
            ("/a/..b/...", true),
            ("", false),
            ("/", false),
            ("a/b", false),
            ("/a//b", false),
            ("/a/", false),
            ("/./a", false),
            ("/a/.", false),
            ("/a/../b", false),
            ("/a/..", false),
        ] {
            assert_eq!(is_clean(Path::new(path)), clean, "{path}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf_8_is_no_obstacle() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/caf\xe9/x"));
        let text = serde_json::to_string(&Two { exact: odd.clone(), shown: odd.clone() }).unwrap();
        let read: Two = serde_json::from_str(&text).unwrap();
        assert_eq!(read, Two { exact: odd, shown: "/caf\u{fffd}/x".into() });
        let plain = Two { exact: "/a".into(), shown: "/b".into() };
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"exact":"/a","shown":"/b"}"#);
    }
}

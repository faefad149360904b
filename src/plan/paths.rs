//! Paths as text: what may stand in a pipeline, and which of them mean one place. The disk is not
//! looked at.

use std::path::Path;

use crate::paths::normal;

/// The longest name of a file or folder, and the longest path, in bytes, that systems take.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4095;

/// Why a path cannot be meant as it stands, and what to write; `None` if it can.
pub(super) fn fault(path: &str) -> Option<(String, String)> {
    let shown: String = path.chars().take(60).collect();
    if path.starts_with('~') {
        return Some((
            format!("`{shown}` begins with `~`, which only a shell expands"),
            format!("write the whole path, or `./{shown}` for a file of that name"),
        ));
    }
    if path.contains('\0') {
        return Some((
            format!("the path `{}` contains a null character", shown.replace('\0', "\\0")),
            "remove it".into(),
        ));
    }
    let name = path.split('/').map(str::len).max().unwrap_or(0);
    if name > MAX_NAME || path.len() > MAX_PATH {
        let what = if name > MAX_NAME {
            format!("a name in the path `{shown}…` is {name} bytes long; the limit is {MAX_NAME}")
        } else {
            format!("the path `{shown}…` is {} bytes long; the limit is {MAX_PATH}", path.len())
        };
        return Some((what, "shorten it".into()));
    }
    None
}

/// Whether a path stays in the folder in which its text places it: `before` is the text up to what
/// an instance puts in.
pub(super) fn stays_in(before: &str, path: &str) -> bool {
    let folder = before.rfind('/').map_or("", |end| &before[..=end]);
    let (folder, path) = (normal(Path::new(folder)), normal(Path::new(path)));
    match path.strip_prefix(&folder) {
        Ok(rest) => !(rest.starts_with("..") || path.is_absolute() && folder.is_relative()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_instance_puts_in_stays_where_it_is_put() {
        for (before, path) in [
            ("results/", "results/a"),
            ("results/x-", "results/x-a/b"),
            ("", "a"),
            ("/d/", "/d/a"),
            ("../r/", "../r/a"),
            ("results/", "results//etc/x"),
        ] {
            assert!(stays_in(before, path), "{before} {path}");
        }
        for (before, path) in [
            ("results/", "results/../../x"),
            ("results/", "results/../x"),
            ("", "/etc/x"),
            ("", "../x"),
            ("../r/", "../r/../x"),
            ("x-", "x-a/../../b"),
        ] {
            assert!(!stays_in(before, path), "{before} {path}");
        }
    }

    #[test]
    fn what_no_system_takes_is_told() {
        for wrong in ["~", "~/x", "~user/x", "a\0b", &"n".repeat(256), &"a/".repeat(2100)] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
        for right in ["./~", "a~", &"n".repeat(255), "é"] {
            assert!(fault(right).is_none(), "{right}");
        }
    }
}

//! How errors and notes show names and paths that are not our own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A string from outside with everything that controls a terminal (control characters, marks of writing
/// direction) escaped: `\u{1b}`. Printable characters stay as they are.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Printable, though the escapes of Rust's literals include them.
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// How many names an error or a note gives before it counts the rest.
const NAMED: usize = 5;

/// Names for an error or a note: each once, sorted and in backticks, the first few and how many more
/// there are.
pub fn name_list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let first: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{}`", shown(name))).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A path as the user knows it. A step finds its inputs as symbolic links in a scratch folder, so the
/// target of the last symbolic link on the path is shown.
pub fn shown_path(path: &Path) -> String {
    shown(&behind_link(path).unwrap_or_else(|| path.to_owned()).to_string_lossy())
}

/// The path with its last symbolic link replaced by the target; `None` if there is no link.
fn behind_link(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|link| {
        let target = std::fs::read_link(link).ok()?;
        let rest = path.strip_prefix(link).ok()?;
        // A relative target starts at the folder of the link.
        let target = link.parent().unwrap_or(Path::new("")).join(target);
        Some(if rest.as_os_str().is_empty() { target } else { target.join(rest) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_nothing_else() {
        assert_eq!(shown("a\x1b[31m\u{202e}b\n"), r"a\u{1b}[31m\u{202e}b\n");
        assert_eq!(shown(r#"c:\it's "é" 猫"#), r#"c:\it's "é" 猫"#);
    }

    #[test]
    fn many_names_are_cut_short() {
        assert_eq!(name_list(["b", "a\n", "b"]), r"`a\n`, `b`");
        assert_eq!(name_list(["g", "f", "e", "d", "c", "b", "a"]), "`a`, `b`, `c`, `d`, `e` and 2 more");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_shown_as_its_target_and_so_is_what_lies_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (own, link) = (dir.path().join("own"), dir.path().join("0"));
        std::fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink("own", &link).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        assert_eq!(shown_path(&link), text(own.clone()));
        assert_eq!(shown_path(&link.join("a.tar")), text(own.join("a.tar")));
        assert_eq!(shown_path(&own), text(own));
    }
}

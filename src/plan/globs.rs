//! Patterns of files as inputs: what may stand in them.
//!
//! `*` and `?` stand for what lies within one name, `[a-z]` and `[!a-z]` for one character, and `**`
//! as a whole name for any number of folders. Patterns are relative to the pipeline's folder and do
//! not leave it.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;

/// Why a string is no pattern, and what to write; `None` if it is one.
pub(super) fn fault(text: &str) -> Option<(String, String)> {
    let invalid = |what: &str, hint: &str| Some((format!("the pattern `{text}` {what}"), hint.to_owned()));
    if text.is_empty() {
        return Some(("a pattern is empty".into(), "for example `src/**/*.py`".into()));
    }
    if let Some((what, hint)) = super::paths::fault(text) {
        return Some((what, hint));
    }
    if Path::new(text).is_absolute() {
        return invalid("is absolute", "patterns are relative to the pipeline's folder");
    }
    if Path::new(text).components().any(|part| part == Component::ParentDir) {
        return invalid("leaves the pipeline's folder", "patterns match files in the pipeline's folder");
    }
    if text.ends_with('/') {
        return invalid("ends with `/`", "write `folder/**` for all files in a folder");
    }
    if text.starts_with('!') {
        return invalid(
            "begins with `!`",
            "list what to leave out under `ignore`; write `[!]` for a literal `!`",
        );
    }
    if let Some(c) = outside_sets(text).find(|c| "{}\\".contains(*c)) {
        let hint = format!("write a list for alternatives, and `[{c}]` for a literal `{c}`");
        return invalid(&format!("contains `{c}`, which patterns do not support"), &hint);
    }
    match compile(text) {
        Ok(_) => None,
        Err(error) => invalid(
            &format!("is invalid: {}", error.msg),
            "`**` must stand alone between slashes; `[` opens a set that `]` closes, and `[[]` is a literal `[`",
        ),
    }
}

/// The characters that do not stand in `[ ]`.
fn outside_sets(text: &str) -> impl Iterator<Item = char> + '_ {
    let mut in_set = 0;
    text.chars().filter(move |c| {
        // A `]` at the beginning of a set is one of its characters.
        in_set = match (c, in_set) {
            ('[', 0) => 1,
            ('!', 1) => 1,
            (']', 2) => 0,
            (_, 0) => 0,
            _ => 2,
        };
        in_set == 0
    })
}

/// The pattern of a string that `fault` accepts.
///
/// # Errors
/// Where it is none.
pub fn compile(text: &str) -> Result<Pattern, glob::PatternError> {
    let text = clean(text);
    // All that lies in a folder: the matcher takes a final `**` for folders alone.
    if text == "**" || text.ends_with("/**") {
        Pattern::new(&format!("{text}/*"))
    } else {
        Pattern::new(&text)
    }
}

/// The folder that a pattern names without a doubt, relative to the pipeline's: of `src/**/*.py`,
/// `src`; of a pattern without signs, the file itself.
pub fn fixed_part(text: &str) -> PathBuf {
    let is_fixed = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    Path::new(&clean(text)).components().take_while(is_fixed).collect()
}

/// Without `.` and empty names.
fn clean(text: &str) -> String {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked() {
        for right in ["*.py", "src/**/*.py", "./a/b.txt", "**", "src/**", "[a-c]?.x", "[!a]", "[{]", "a b/ü*"]
        {
            assert_eq!(fault(right), None, "{right}");
        }
        for wrong in [
            "", "/etc/*", "../x", "a/../b", "~/x", "src/", "!x", "{a,b}.py", "a\\*", "a**", "a/***/b", "[a",
            "x**/y",
        ] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn the_fixed_part_ends_before_the_first_sign() {
        for (text, part) in
            [("src/**/*.py", "src"), ("./a//b.txt", "a/b.txt"), ("*.py", ""), ("a/b[0]/c", "a")]
        {
            assert_eq!(fixed_part(text), Path::new(part), "{text}");
        }
    }
}

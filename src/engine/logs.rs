//! The logs of steps: their names as files, and their ends.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use igpt_contract::Digest;

use crate::report::clean;

/// A step's name as a file name: `probe[layer=3]` becomes `probe-layer=3`. Where that would be too
/// long, or another step's too, a digest of the name makes it the step's own.
pub fn file_name(step: &str) -> String {
    const LONGEST: usize = 120;
    let is_kept = |c: char| c.is_ascii_alphanumeric() || "._=-".contains(c);
    let plain = step.strip_suffix(']').and_then(|open| open.split_once('['));
    let name = plain.map_or_else(|| step.to_owned(), |(base, labels)| format!("{base}-{labels}"));
    if name.chars().all(is_kept) && name.len() <= LONGEST {
        return name;
    }
    let kept: String = name.chars().map(|c| if is_kept(c) { c } else { '-' }).take(LONGEST).collect();
    format!("{kept}-{}", Digest::of(step.as_bytes()).short())
}

/// The name of the log of one attempt (from 1). The sign before the number is in no name that
/// [`file_name`] makes, so that no attempt has the log of another step.
pub fn of_attempt(name: &str, attempt: u32) -> String {
    if attempt <= 1 { name.to_owned() } else { format!("{name}@{attempt}") }
}

/// The last lines of a step's log as a terminal would leave them, as many as fit a screen's corner;
/// none where it has no log.
pub(super) fn last_lines(log: &Path) -> Vec<String> {
    end(log, 8, 500)
}

/// The last lines of a log as a terminal would leave them, at most so many of at most so many characters.
pub(crate) fn end(log: &Path, lines: usize, longest: usize) -> Vec<String> {
    // A progress bar is one long line, of which the last state counts.
    const BYTES: u64 = 64 << 10;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        // It may be growing.
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    last.iter().map(|line| clean::at_most(clean::last_state(line), longest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_steps_share_a_file() {
        assert_eq!(file_name("probe[layer=3]"), "probe-layer=3");
        let names = ["img[m=a/b]", "img[m=a-b]", "img[m=a:b]", "img[m=a-b,n=1]", "img[m=a-b-n=1]"];
        let files: std::collections::BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        assert!(file_name(&"é".repeat(300)).len() < 200);
    }

    #[test]
    fn attempts_have_logs_of_their_own() {
        assert_eq!(of_attempt("s", 1), "s");
        let second = of_attempt(&file_name("s[lr=0]"), 2);
        assert_ne!(second, file_name("s[lr=0.2]"));
        assert_ne!(second, file_name("s[lr=0@2]"), "no step's own name has that sign");
    }

    #[test]
    fn the_tail_shows_what_a_terminal_would_show() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let bar: String = (0..9000).map(|i| format!("\r{i:5}|####")).collect();
        std::fs::write(&log, format!("{bar}\nValueError: the real one\r\n")).unwrap();
        assert_eq!(last_lines(&log), [" 8999|####", "ValueError: the real one"]);
        std::fs::write(&log, "x".repeat(10_000)).unwrap();
        assert_eq!(last_lines(&log)[0].chars().count(), 501);
    }
}

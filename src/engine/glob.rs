//! The files that patterns name, on disk.
//!
//! Folders are walked in, links to folders are not: what lies behind one would be taken twice, or lie
//! outside. A link to a folder that a pattern names itself is reported, as is a pattern that names
//! nothing. A link to a file is taken as the file. Names that begin with a dot are names like others.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::plan::globs;
use crate::store::{StoreError, is_export_provenance};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Why patterns could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum GlobError {
    /// A pattern names no file.
    #[error("no file matches the pattern `{pattern}`{but}")]
    Nothing {
        /// The pattern as written.
        pattern: String,
        /// What became of files that it matches.
        but: &'static str,
    },
    /// What a pattern names is no file.
    #[error("the pattern `{pattern}` matches `{}`, which is {what}", path.display())]
    NotFile {
        /// The pattern as written.
        pattern: String,
        /// What it matches.
        path: PathBuf,
        /// What that is.
        what: &'static str,
    },
    /// The system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<GlobError> for StoreError {
    fn from(error: GlobError) -> Self {
        match error {
            GlobError::Nothing { ref pattern, .. } => Self::Io {
                doing: "find",
                path: PathBuf::from(pattern),
                source: io::Error::new(io::ErrorKind::NotFound, error.to_string()),
            },
            GlobError::NotFile { path, what, .. } => Self::NotContent { path, what },
            GlobError::Io { path, source } => Self::Io { doing: "read", path, source },
        }
    }
}

/// The files in a folder that match one of `files` and, themselves or in a folder above, none of
/// `ignore`: relative to the folder and sorted. What lies in one of the `excluded` places is not
/// looked at. The patterns are valid, see [`globs`].
///
/// # Errors
/// See [`GlobError`].
pub fn expand(
    folder: &Path,
    files: &[String],
    ignore: &[String],
    excluded: &[PathBuf],
) -> Result<Vec<PathBuf>, GlobError> {
    let compiled = |patterns: &[String]| -> Vec<Pattern> {
        patterns.iter().filter_map(|text| globs::compile(text).ok()).collect()
    };
    let real = |path: &PathBuf| path.canonicalize().ok();
    let mut walk = Walk {
        folder,
        real: folder.canonicalize().map_err(|source| GlobError::Io { path: folder.to_owned(), source })?,
        ignore: compiled(ignore),
        excluded: excluded.iter().filter_map(real).collect(),
        found: BTreeSet::new(),
    };
    for text in files {
        walk.pattern(text)?;
    }
    Ok(walk.found.into_iter().collect())
}

struct Walk<'a> {
    folder: &'a Path,
    /// The folder without links on the way to it.
    real: PathBuf,
    ignore: Vec<Pattern>,
    excluded: BTreeSet<PathBuf>,
    found: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    /// Adds what one pattern names.
    fn pattern(&mut self, text: &str) -> Result<(), GlobError> {
        let Ok(pattern) = globs::compile(text) else { return Ok(()) };
        let depth = (!text.contains("**")).then(|| pattern.as_str().split('/').count());
        let goes_on = |name: &Path| depth.is_none_or(|depth| name.components().count() < depth);
        let base = globs::fixed_part(text);
        let is_out = base.ancestors().any(|above| self.is_left_out(above));
        let mut left_out = is_out;
        let mut any = false;
        let mut todo = vec![base.clone()];
        while let Some(name) = todo.pop().filter(|_| !is_out) {
            let path = self.folder.join(&name);
            // The folder that the pattern names by itself may be a link.
            let meta = if name == base { path.metadata() } else { path.symlink_metadata() };
            let meta = match meta {
                Err(source) if name == base && source.kind() == io::ErrorKind::NotFound => break,
                meta => meta.map_err(|source| GlobError::Io { path: path.clone(), source })?,
            };
            let is_match = matches(&pattern, &name);
            if meta.is_dir() {
                if goes_on(&name) {
                    let out = self.folder_items(&name, &path, &mut todo)?;
                    left_out |= out.iter().any(|name| goes_on(name) || matches(&pattern, name));
                }
            } else if is_match {
                self.check(text, &path, &meta)?;
                any = true;
                self.found.insert(name);
            }
        }
        if any {
            return Ok(());
        }
        let but = if left_out {
            " (some are left out: by `ignore`, as exports, or as part of the store)"
        } else {
            ""
        };
        Err(GlobError::Nothing { pattern: text.to_owned(), but })
    }

    /// Puts what lies in a folder on the list; returns what is left out.
    fn folder_items(
        &self,
        name: &Path,
        path: &Path,
        todo: &mut Vec<PathBuf>,
    ) -> Result<Vec<PathBuf>, GlobError> {
        let failed = |source| GlobError::Io { path: path.to_owned(), source };
        let mut out = Vec::new();
        for item in fs::read_dir(path).map_err(failed)? {
            let item = name.join(item.map_err(failed)?.file_name());
            if self.is_left_out(&item) { out.push(item) } else { todo.push(item) }
        }
        Ok(out)
    }

    fn is_left_out(&self, name: &Path) -> bool {
        let is_named = !name.as_os_str().is_empty();
        is_named
            && (self.ignore.iter().any(|pattern| matches(pattern, name))
                || self.excluded.contains(&self.real.join(name))
                || is_export_provenance(&self.real.join(name)))
    }

    /// Whether what a pattern names is a file.
    fn check(&self, text: &str, path: &Path, meta: &Metadata) -> Result<(), GlobError> {
        let wrong = |what| GlobError::NotFile { pattern: text.to_owned(), path: path.to_owned(), what };
        if !meta.is_symlink() {
            return if meta.is_file() { Ok(()) } else { Err(wrong("neither a file nor a folder")) };
        }
        match path.metadata() {
            Ok(meta) if meta.is_file() => Ok(()),
            Ok(meta) if meta.is_dir() => Err(wrong("a link to a folder; links to folders are not followed")),
            Ok(_) => Err(wrong("neither a file nor a folder")),
            Err(_) => Err(wrong("a broken link")),
        }
    }
}

/// Whether a pattern matches a name. Bytes that are no text match what any character matches.
fn matches(pattern: &Pattern, name: &Path) -> bool {
    pattern.matches_with(&name.to_string_lossy(), OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        dir
    }

    fn expanded(
        dir: &Path,
        files: &[&str],
        ignore: &[&str],
        excluded: &[&str],
    ) -> Result<Vec<String>, String> {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let excluded: Vec<PathBuf> = excluded.iter().map(|name| dir.join(name)).collect();
        let found =
            expand(dir, &texts(files), &texts(ignore), &excluded).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }

    const NAMES: [&str; 8] = [
        "src/b.py",
        "src/a.py",
        "src/deep/er/c.py",
        "src/__pycache__/a.pyc",
        "src/deep/__pycache__/x.py",
        "src/.hidden.py",
        "data.csv",
        "artifacts/objects/x.py",
    ];

    #[test]
    fn files_are_found_by_patterns_and_sorted() {
        let dir = folder(&NAMES);
        let found = |files: &[&str], ignore: &[&str]| expanded(dir.path(), files, ignore, &[]);
        assert_eq!(
            found(&["src/**/*.py"], &["**/__pycache__"]).unwrap(),
            ["src/.hidden.py", "src/a.py", "src/b.py", "src/deep/er/c.py"]
        );
        assert_eq!(
            found(&["src/*.py", "./data.csv"], &["src/.*"]).unwrap(),
            ["data.csv", "src/a.py", "src/b.py"]
        );
        assert_eq!(
            found(&["src/deep/**"], &["**/*.py/*"]).unwrap(),
            ["src/deep/__pycache__/x.py", "src/deep/er/c.py"]
        );
        assert_eq!(found(&["src/[!b].py", "src/?.py"], &[]).unwrap(), ["src/a.py", "src/b.py"]);
        assert_eq!(found(&["**"], &["src/**", "artifacts"]).unwrap(), ["data.csv"]);
        assert_eq!(found(&["s*/*.py"], &["**/.*"]).unwrap(), ["src/a.py", "src/b.py"]);
    }

    #[test]
    fn a_pattern_that_names_nothing_is_told() {
        let dir = folder(&NAMES);
        let told = |files: &[&str], ignore: &[&str]| expanded(dir.path(), files, ignore, &[]).unwrap_err();
        assert_eq!(told(&["data.csv", "src/*.txt"], &[]), "no file matches the pattern `src/*.txt`");
        assert_eq!(told(&["nowhere/**"], &[]), "no file matches the pattern `nowhere/**`");
        assert_eq!(told(&["data.csv/*"], &[]), "no file matches the pattern `data.csv/*`");
        assert!(told(&["src/a.py"], &["src"]).contains("left out"), "{}", told(&["src/a.py"], &["src"]));
        assert_eq!(told(&["*.py"], &[]), "no file matches the pattern `*.py`", "a star stays in one folder");
    }

    #[test]
    fn the_store_and_exports_are_not_looked_at() {
        let dir = folder(&NAMES);
        let found = expanded(dir.path(), &["**/*.py"], &["src"], &["artifacts", "missing"]);
        assert!(found.unwrap_err().contains("left out"));
        let found =
            expanded(dir.path(), &["**/*.py"], &["**/__pycache__"], &["artifacts", "src/deep/er/c.py"]);
        assert_eq!(found.unwrap(), ["src/.hidden.py", "src/a.py", "src/b.py"]);
    }

    #[test]
    fn links_to_files_are_files_and_links_to_folders_are_not_followed() {
        let dir = folder(&NAMES);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        link("../data.csv", "src/d.py");
        link(".", "src/loop");
        link("src", "other");
        let found = expanded(dir.path(), &["src/**/*.py"], &["**/__pycache__", "**/.*"], &[]).unwrap();
        assert_eq!(found, ["src/a.py", "src/b.py", "src/d.py", "src/deep/er/c.py"]);
        assert_eq!(expanded(dir.path(), &["other/a.py"], &[], &[]).unwrap(), ["other/a.py"]);
        let told = expanded(dir.path(), &["src/l*"], &[], &[]).unwrap_err();
        assert!(told.ends_with("which is a link to a folder; links to folders are not followed"), "{told}");
        link("nowhere", "broken");
        assert!(expanded(dir.path(), &["b*"], &[], &[]).unwrap_err().ends_with("a broken link"));
    }
}

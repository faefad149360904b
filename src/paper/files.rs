//! The files of a paper: those that are named, and what they include.

use std::io;
use std::path::{Path, PathBuf};

use super::tex::{Line, lines};
use super::values::ValuesFile;

/// A LaTeX file.
#[derive(Debug)]
pub struct Document {
    /// Where it is.
    pub path: PathBuf,
    pub(super) lines: Vec<Line>,
    /// The file of each include of each line, where there is one.
    pub(super) included: Vec<(usize, PathBuf)>,
}

/// What a paper consists of.
#[derive(Debug, Default)]
pub struct Files {
    /// The LaTeX files, the named ones first.
    pub documents: Vec<Document>,
    /// Its files of values.
    pub values: Vec<(PathBuf, ValuesFile)>,
}

/// Reads the named files and what they include. Paths are relative to the folder of the named file, as LaTeX
/// has them, else to that of the file that includes.
///
/// # Errors
/// If a named file cannot be read; one that is included and not there is LaTeX's to report.
pub fn read(named: &[PathBuf]) -> Result<Files, (PathBuf, io::Error)> {
    let mut files = Files::default();
    for path in named {
        let root = path.parent().unwrap_or(Path::new("")).to_owned();
        add(path, &root, &mut files).map_err(|error| (path.clone(), error))?;
    }
    Ok(files)
}

fn add(path: &Path, root: &Path, files: &mut Files) -> io::Result<()> {
    let is_read = |known: &Path| known == path;
    if files.documents.iter().any(|file| is_read(&file.path))
        || files.values.iter().any(|(file, _)| is_read(file))
    {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
    if let Some(values) = ValuesFile::parse(&text) {
        files.values.push((path.to_owned(), values));
        return Ok(());
    }
    let lines = lines(&text);
    let own = path.parent().unwrap_or(Path::new(""));
    let find = |name: &str| {
        let written = [root.join(name), own.join(name)];
        let with_ending = written.each_ref().map(|path| {
            let mut name = path.clone().into_os_string();
            name.push(".tex");
            PathBuf::from(name)
        });
        written.into_iter().chain(with_ending).find(|path| path.is_file())
    };
    let all = lines.iter().flat_map(|line| line.includes.iter().map(|name| (line.number, name)));
    let included: Vec<(usize, PathBuf)> = all.filter_map(|(n, name)| Some((n, find(name)?))).collect();
    files.documents.push(Document { path: path.to_owned(), lines, included: included.clone() });
    for (_, path) in included {
        // It may be gone since.
        let _ = add(&path, root, files);
    }
    Ok(())
}

//! Reads and checks an official archive on this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalogue::OfficialArchive;
use crate::tarball::{SizeLimits, each_file, read_member};
use igpt_contract::{StageContext, StageError};
use igpt_dataset::shown_path;

/// An official archive on this machine.
pub(crate) struct LocalArchive<'a> {
    pub(crate) official: &'static OfficialArchive,
    pub(crate) path: PathBuf,
    /// Whether files may be smaller than the official ones, as in the user's own archives.
    pub(crate) subset: bool,
    /// Whether the file was downloaded and is fetched again if it is not valid.
    pub(crate) downloaded: bool,
    pub(crate) cx: &'a StageContext,
}

/// The files of an archive by name, with sizes and checksums verified.
#[derive(Debug)]
pub(crate) struct ArchiveFiles {
    path: PathBuf,
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Whether their content was refused.
    refused: bool,
}

impl LocalArchive<'_> {
    /// Reads the archive and passes its files on. A downloaded archive is deleted if its files or their
    /// content are not valid, so that the next run fetches it again; it is kept if only writing failed.
    pub(crate) fn ingest(
        self,
        ingest: impl FnOnce(&mut ArchiveFiles) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let (error, at_fault) = match self.read() {
            Ok(mut members) => match ingest(&mut members) {
                Ok(()) => return Ok(()),
                Err(error) => (error, members.refused),
            },
            Err(error) => (error, true),
        };
        if !(self.downloaded && at_fault && matches!(error, StageError::Failed { .. })) {
            return Err(error);
        }
        Err(error.hint(match std::fs::remove_file(&self.path) {
            Ok(()) => "the downloaded file was deleted; the next run fetches it again".to_owned(),
            Err(_) => format!("delete the downloaded file `{}` and run again", shown_path(&self.path)),
        }))
    }

    fn read(&self) -> Result<ArchiveFiles, StageError> {
        let (path, official) = (&self.path, self.official);
        let refuse = |what: String| StageError::new(format!("`{}`: {what}", shown_path(path)));
        let bounds = SizeLimits { member: official.total, total: official.total };
        let mut files = BTreeMap::new();
        each_file(path, path, bounds, self.cx, |member, input| {
            let base = member.name.rsplit('/').next().unwrap_or_default();
            let Some(file) = official.file(base) else {
                return official.check_other(base).map_err(|what| {
                    refuse(what).hint("set the `source` of this archive, or use another archive")
                });
            };
            if files.contains_key(file.name) {
                return Err(refuse(format!("expected each file once, found `{base}` twice")));
            }
            file.check_size(member.size, self.subset).map_err(refuse)?;
            let bytes = read_member(member, input)
                .map_err(|error| StageError::caused(format!("`{}` is truncated", shown_path(path)), error))?;
            file.check_md5(&bytes).map_err(refuse)?;
            files.insert(file.name, bytes);
            Ok(())
        })?;
        let missing: Vec<&str> = official
            .files
            .iter()
            .filter(|file| !file.optional)
            .map(|file| file.name)
            .filter(|name| !files.contains_key(name))
            .collect();
        if missing.is_empty() {
            return Ok(ArchiveFiles { path: path.clone(), files, refused: false });
        }
        let what = format!(
            "expected the files of {} (`{}`), found no `{}`",
            official.name,
            official.file,
            missing.join("`, `")
        );
        Err(refuse(what).hint("check that it is the right archive and complete"))
    }
}

impl ArchiveFiles {
    /// Takes a file of records of `record` bytes.
    pub(crate) fn records(&mut self, name: &str, record: usize) -> Result<Vec<u8>, StageError> {
        let bytes = self.files.remove(name).unwrap_or_default();
        if bytes.len().is_multiple_of(record) {
            return Ok(bytes);
        }
        let found = bytes.len();
        let what = format!("expected a multiple of {record} bytes (an image) in `{name}`, found {found}");
        Err(self.refuse(what))
    }

    /// Takes a list of `n` class names, one per line.
    pub(crate) fn names(&mut self, name: &str, n: usize) -> Result<Vec<String>, StageError> {
        let bytes = self.files.remove(name).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<String> =
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        if names.len() == n {
            return Ok(names);
        }
        let what = format!("expected {n} class names in `{name}`, found {}", names.len());
        Err(self.refuse(what))
    }

    /// Takes a text file, if the archive has it.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.files.remove(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// An error in the archive's content. All such errors are made here: a download that has one is
    /// deleted.
    pub(crate) fn refuse(&mut self, what: String) -> StageError {
        self.refused = true;
        StageError::new(format!("`{}`: {what}", shown_path(&self.path)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::catalogue::CIFAR10;
    use crate::cifar;
    use crate::params::{Params, Source};

    /// A small archive in CIFAR-10's layout, with so many class names.
    fn archive(names: usize) -> Vec<u8> {
        let names: String = (0..names).map(|class| format!("class{class}\n")).collect();
        let mut tar = tar::Builder::new(Vec::new());
        for file in CIFAR10.files {
            let bytes = if file.size == 0 { names.as_bytes() } else { &[1; 3073] };
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, file.name, bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn a_download_of_bad_content_is_deleted_so_that_a_repaired_one_is_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cifar-10-binary.tar.gz");
        let cx = StageContext::new(0, 1, dir.path().to_owned(), |_| {});
        let params = Params::of(Source::Cifar10);
        let ingest = |out: &str| {
            let (official, path) = (&CIFAR10, path.clone());
            let local = LocalArchive { official, path, subset: true, downloaded: true, cx: &cx };
            local.ingest(|members| cifar::ten(members, &params, &dir.path().join(out), &cx))
        };
        fs::create_dir(dir.path().join("out")).unwrap();
        fs::write(&path, archive(9)).unwrap();
        let StageError::Failed { what, hint: Some(hint), .. } = ingest("out").unwrap_err() else {
            panic!("no hint")
        };
        assert!(what.contains("expected 10 class names") && hint.contains("fetches it again"), "{what}");
        assert!(!path.exists());
        fs::write(&path, archive(10)).unwrap();
        // The folder's fault, not the archive's.
        assert!(ingest("no such folder").is_err());
        assert!(path.exists());
        ingest("out").unwrap();
    }
}

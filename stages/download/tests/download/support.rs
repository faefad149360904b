//! Runs the stage in temporary folders, on archives made here and on real data.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use igpt_contract::{Signal, StageContext, StageError};
use igpt_dataset::{ImageRow, ImageSetReader};
use igpt_download::{Inputs, Params, ingest};
use serde_json::Value;
use tempfile::TempDir;

/// Folders of a step: its output, its checkpoints and the test's own files.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) notes: Arc<Mutex<Vec<String>>>,
    /// What only the step's log has.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) offline: bool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            notes: Arc::default(),
            log: Arc::default(),
            offline: false,
        };
        for name in ["files", "checkpoints"] {
            fs::create_dir(bench.folder.path().join(name)).unwrap();
        }
        bench
    }

    /// Where the test keeps its files.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub(crate) fn context(&self) -> StageContext {
        let (notes, log) = (self.notes.clone(), self.log.clone());
        StageContext::new(0, 2, self.checkpoints(), move |signal| match signal {
            Signal::Note(text) => notes.lock().unwrap().push(text),
            Signal::Log(text) => log.lock().unwrap().push(text),
            _ => {}
        })
        .offline(self.offline)
    }

    /// Runs the stage into an empty output.
    pub(crate) fn run(
        &self,
        params: Value,
        archive: Option<&Path>,
        mirror: Option<&str>,
    ) -> Result<(), StageError> {
        self.run_on(params, Inputs { archive, labels: None }, mirror)
    }

    /// Runs the stage on images and a file of labels.
    pub(crate) fn run_labelled(&self, params: Value, images: &Path, labels: &Path) -> Result<(), StageError> {
        self.run_on(params, Inputs { archive: Some(images), labels: Some(labels) }, None)
    }

    fn run_on(&self, params: Value, given: Inputs<'_>, mirror: Option<&str>) -> Result<(), StageError> {
        let out = self.out();
        if out.exists() {
            fs::remove_dir_all(&out).unwrap();
        }
        fs::create_dir(&out).unwrap();
        let params: Params = serde_json::from_value(params).unwrap();
        params.check().unwrap();
        self.notes.lock().unwrap().clear();
        self.log.lock().unwrap().clear();
        ingest(&params, given, mirror, &out, &self.context())
    }

    /// Runs the stage, which must refuse; its words, with hint and causes.
    pub(crate) fn refusal(&self, params: Value, archive: Option<&Path>, mirror: Option<&str>) -> String {
        let error = self.run(params, archive, mirror).expect_err("expected a refusal");
        words(&error)
    }

    /// The images of the last run.
    pub(crate) fn images(&self) -> (ImageSetReader, Vec<ImageRow>) {
        let reader = ImageSetReader::open(&self.out()).unwrap();
        let rows = reader.rows().map(Result::unwrap).collect();
        (reader, rows)
    }

    /// The images of the last run without the names that their source gives them, and their set's file.
    pub(crate) fn nameless(&self) -> (Vec<ImageRow>, Vec<u8>) {
        let rows = self.images().1.into_iter().map(|row| row.named("")).collect();
        (rows, fs::read(self.out().join("classes.json")).unwrap())
    }

    /// Every output file with its content.
    pub(crate) fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let entry =
            |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        fs::read_dir(self.out()).unwrap().map(|found| entry(found.unwrap())).collect()
    }
}

/// All that an error says.
pub(crate) fn words(error: &StageError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}; {error}");
        cause = error.source();
    }
    if let StageError::Failed { hint: Some(hint), .. } = error {
        text = format!("{text}; hint: {hint}");
    }
    text
}

/// A tar of files.
pub(crate) fn tar_of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A file of the shared data, or none with a word about it.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let path = std::env::var_os("IGPT_DATA").map_or_else(|| default.into(), PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    igpt_fixtures::skipped(&format!("the real `{name}` (set `IGPT_DATA` to the folder that has it)"));
    None
}

/// The files of a small archive in CIFAR-10's layout: so many images a batch.
pub(crate) fn cifar10_files(per_batch: usize) -> Vec<(String, Vec<u8>)> {
    let names: Vec<String> = (0..10).map(|class| format!("class{class}\n")).collect();
    let mut files = vec![("cifar-10-batches-bin/batches.meta.txt".to_owned(), names.concat().into_bytes())];
    let batches = (1..=5).map(|i| format!("data_batch_{i}")).chain(["test_batch".to_owned()]);
    for (b, batch) in batches.enumerate() {
        let record = |i: usize| {
            let mut record = vec![(i % 10) as u8];
            record.extend((0..3072).map(|p| (p / 1024 * 80 + p % 32 + i + b) as u8));
            record
        };
        let bytes: Vec<u8> = (0..per_batch).flat_map(record).collect();
        files.push((format!("cifar-10-batches-bin/{batch}.bin"), bytes));
    }
    files
}

pub(crate) fn tar_of_owned(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    tar_of(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
}

/// Writes a file into the bench.
pub(crate) fn file(bench: &Bench, name: &str, bytes: &[u8]) -> PathBuf {
    let path = bench.files().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

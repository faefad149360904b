//! Runs the stage on generated tokens in temporary folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use igpt_contract::{
    Digest, DynStage as _, LabelledInput, MetricValues, Signal, StageContext, StageError, StageIo,
};
use igpt_dataset::{FoldRow, FoldTable, RowKey, Split, TokensInfo, TokensWriter};
use igpt_pretrain::Pretrain;
use rand_chacha::rand_core::Rng as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Token sets to train on.
pub(crate) struct Bench {
    folder: TempDir,
    side: usize,
}

/// How the stage is run.
#[derive(Clone)]
pub(crate) struct Attempt<'a> {
    pub(crate) params: &'a Value,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) device: &'a str,
    pub(crate) gpus: usize,
    /// Cancel once that many steps are done.
    pub(crate) stop_at: Option<u64>,
    /// End a further rank once that many steps are done.
    pub(crate) kill_at: Option<u64>,
    pub(crate) more_tokens: Vec<PathBuf>,
    pub(crate) checkpoints: Option<PathBuf>,
    /// The network of a shorter training, to go on from.
    pub(crate) resume: Option<PathBuf>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn of(params: &'a Value) -> Self {
        Self {
            params,
            seed: 7,
            threads: 1,
            device: "cpu",
            gpus: 0,
            stop_at: None,
            kill_at: None,
            more_tokens: Vec::new(),
            checkpoints: None,
            resume: None,
        }
    }

    /// Goes on from a part of the output `checkpoints` of a shorter training.
    pub(crate) fn going_on_from(self, shorter: &Outputs, part: &str) -> Self {
        Self { resume: Some(shorter.folder.path().join("checkpoints").join(part)), ..self }
    }

    pub(crate) fn resuming(self, checkpoints: &Path) -> Self {
        Self { checkpoints: Some(checkpoints.to_owned()), ..self }
    }
}

/// What the stage wrote and said.
#[derive(Debug)]
pub(crate) struct Outputs {
    folder: TempDir,
    pub(crate) steps_run: u64,
    pub(crate) notes: Vec<String>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of_side(8)
    }

    /// Images of `side` pixels a side.
    pub(crate) fn of_side(side: usize) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), side };
        bench.another_set(16, 1);
        bench
    }

    /// 320 images with diagonal gradients, 32 of them for test.
    pub(crate) fn another_set(&self, vocab: u16, salt: u64) -> PathBuf {
        let folder = self.folder.path().join(format!("tokens-{vocab}-{salt}"));
        fs::create_dir(&folder).unwrap();
        write_tokens(&folder, self.side, vocab, salt);
        folder
    }

    /// Parameters of a small network, with some of them changed.
    pub(crate) fn params(&self, changed: Value) -> Value {
        let mut params = json!({
            "model": {"preset": "tiny", "n_layer": 2, "n_embd": 32, "n_head": 2},
            "batch": 16, "learning_rate": 0.01, "validate_every": 0, "keep_powers_from": 0
        });
        params.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        params
    }

    pub(crate) fn metrics(&self, attempt: Attempt) -> MetricValues {
        self.run(attempt).unwrap().metrics()
    }

    pub(crate) fn run(&self, attempt: Attempt) -> Result<Outputs, StageError> {
        let folder = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let outputs: BTreeMap<String, PathBuf> = ["model", "checkpoints", "metrics", "folds"]
            .into_iter()
            .map(|port| (port.to_owned(), folder.path().join(port)))
            .collect();
        outputs.values().for_each(|path| fs::create_dir(path).unwrap());
        let tokens = [vec![self.folder.path().join("tokens-16-1")], attempt.more_tokens].concat();
        let tokens = tokens.into_iter().map(|path| LabelledInput { path, labels: BTreeMap::new() }).collect();
        let mut inputs = BTreeMap::from([("tokens".to_owned(), tokens)]);
        if let Some(path) = attempt.resume {
            inputs.insert("resume".to_owned(), vec![LabelledInput { path, labels: BTreeMap::new() }]);
        }
        let io = StageIo { inputs, outputs };

        let cancelled = Arc::new(AtomicBool::new(false));
        let steps_run = Arc::new(AtomicU64::new(0));
        let notes = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let (cancelled, steps_run, notes) = (cancelled.clone(), steps_run.clone(), notes.clone());
            let victim = Mutex::new(None);
            move |signal| match signal {
                Signal::Progress { done, .. } => {
                    steps_run.fetch_add(1, Ordering::Relaxed);
                    cancelled.fetch_or(attempt.stop_at == Some(done), Ordering::Relaxed);
                    if attempt.kill_at == Some(done) {
                        let process: String = victim.lock().unwrap().take().unwrap();
                        assert!(Command::new("kill").args(["-9", &process]).status().unwrap().success());
                    }
                }
                Signal::Note(text) => notes.lock().unwrap().push(text),
                Signal::Log(text) => {
                    let process = text.strip_prefix("rank 1 of 2 is process ");
                    *victim.lock().unwrap() = process.map(str::to_owned);
                }
                Signal::Metric { .. } | Signal::Fact { .. } => {}
            }
        };
        let checkpoints = attempt.checkpoints.unwrap_or_else(|| scratch.path().to_owned());
        let cx = StageContext::new(attempt.seed, attempt.threads, checkpoints, sink)
            .on_device(attempt.device)
            .with_gpus(attempt.gpus)
            .ranks_by(vec![crate::ranks::command()])
            .cancelled_by(cancelled);
        let params = Pretrain.complete(attempt.params).unwrap();
        // A pool of its own: the stage's own setting only holds for the first run in a process.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(attempt.threads).build().unwrap();
        pool.install(|| Pretrain.run(&params, &io, &cx))?;
        let notes = notes.lock().unwrap().clone();
        Ok(Outputs { folder, steps_run: steps_run.load(Ordering::Relaxed), notes })
    }
}

impl Outputs {
    pub(crate) fn metrics(&self) -> MetricValues {
        MetricValues::read(&self.folder.path().join("metrics")).unwrap()
    }

    pub(crate) fn folds(&self) -> Vec<FoldRow> {
        FoldTable::read(&self.folder.path().join("folds")).unwrap().rows
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    /// Every file with its content.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    /// The names of all files, given the parts of `checkpoints`.
    pub(crate) fn expected(&self, parts: &[&str]) -> Vec<String> {
        let models = parts.iter().map(|part| format!("checkpoints/{part}")).chain(["model".to_owned()]);
        let mut names: Vec<String> = models
            .flat_map(|model| [format!("{model}/config.json"), format!("{model}/model.safetensors")])
            .chain(["folds/folds.parquet".to_owned(), "metrics/metrics.json".to_owned()])
            .collect();
        names.sort();
        names
    }
}

/// Each row starts at a colour of its own and climbs by one or two colours a pixel, along rows and
/// columns.
fn write_tokens(folder: &Path, side: usize, vocab: u16, salt: u64) {
    let mut random = igpt_contract::stream(salt, "test tokens");
    let info = TokensInfo {
        name: format!("diagonals {salt}"),
        height: side,
        width: side,
        vocab: vocab.into(),
        palette: Some(Digest::of(b"a palette")),
        classes: Vec::new(),
        sets: Vec::new(),
    };
    let mut writer = TokensWriter::create(folder, &info).unwrap();
    for id in 0..320 {
        let (start, slope) = (random.next_u32() as u16 % vocab, 1 + random.next_u32() as u16 % 2);
        let tokens: Vec<u16> =
            (0..side * side).map(|t| (start + slope * (t / side + t % side) as u16) % vocab).collect();
        let split = if id < 288 { Split::Train } else { Split::Test };
        writer.append(RowKey { id, split, label: -1, view: 0 }, &tokens).unwrap();
    }
    writer.finish().unwrap();
}

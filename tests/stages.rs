//! The binary with its real stages, on drawn shapes: a run is killed in mid-training and continued,
//! on one thread and on two, and every artifact is the same to the byte.
#![cfg(feature = "stages")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PIPELINE: &str = r#"
name: tiny
seed: 3
stages:
  images: {uses: download, with: {source: shapes, train: 200, test: 60}}
  small: {uses: augment, in: {images: images.images}, with: {side: 8}}
  palette: {uses: palette, in: {images: small.images}, with: {colours: 16}}
  tokens: {uses: tokenize, in: {images: small.images, palette: palette.palette}}
  pretrain:
    uses: pretrain
    in: {tokens: tokens.tokens}
    with:
      model: {preset: tiny, n_layer: 2}
      steps: 200
      batch: 16
      validate_every: 40
      checkpoint_every: 10
  features: {uses: features, in: {model: pretrain.model, tokens: tokens.tokens}}
  probe:
    uses: probe
    matrix: {layer: [0, 1, 2]}
    in: {features: "features.layers/${matrix.layer}"}
  finetune:
    uses: finetune
    in: {tokens: tokens.tokens, model: pretrain.model}
    with: {steps: 120, batch: 16, checkpoint_every: 10, augment: pad_crop_flip}
  table:
    uses: report
    in: {metrics: [{probe: probe.*}, {fine-tuned: finetune.metrics}]}
    with: {rows: [step, layer], columns: [{metric: accuracy.test, percent: true}]}
  findings:
    uses: findings
    in:
      metrics: [{probe: probe.metrics.*}, {fine-tuned: finetune.metrics}]
      predictions: [{probe: probe.predictions.*}, {fine-tuned: finetune.predictions}]
    with:
      claims:
        - name: middle_layers
          claim: A middle layer probes better than the last
          source: Chen et al. 2020, section 4.1
          difference:
            metric: accuracy.test
            a: {where: {step: probe}, pick: {metric: accuracy.valid, over: [layer]}}
            b: {where: {step: probe}, last: layer}
  storyboard:
    uses: storyboard
    in: {images: images.images, small: small.images, tokens: tokens.tokens, palette: palette.palette}
export: {table.table: results, pretrain.model: model, finetune.model: finetuned}
"#;

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pipeline.yaml"), PIPELINE).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn start(&self, more: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_igpt-flow"))
            .args(["run", "pipeline.yaml"])
            .args(more)
            .current_dir(self.0.path())
            .env_remove("IGPT_FLOW_STORE")
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.path("out")).unwrap())
            .stderr(fs::File::create(self.path("err")).unwrap())
            .spawn()
            .unwrap()
    }

    #[track_caller]
    fn run(&self, more: &[&str]) -> String {
        let status = self.start(more).wait().unwrap();
        let out = fs::read_to_string(self.path("out")).unwrap();
        assert!(status.success(), "{out}\n{}", fs::read_to_string(self.path("err")).unwrap());
        out
    }

    /// The checkpoints of unfinished steps.
    fn checkpoints(&self) -> Vec<String> {
        let Ok(work) = fs::read_dir(self.path("artifacts/work-v1")) else { return Vec::new() };
        let folders =
            work.flatten().filter(|folder| folder.file_name().to_string_lossy().ends_with(".checkpoints"));
        let names = |folder: PathBuf| -> Vec<String> {
            let training = folder.join("training");
            let inner = [folder, training].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
            inner.flatten().flatten().map(|file| file.path().display().to_string()).collect()
        };
        let all = folders.flat_map(|folder| names(folder.path()));
        // What is still being written is none yet.
        all.filter(|name| name.contains("step-") && !name.ends_with(".partial")).collect()
    }

    /// The records' outputs, which are digests of content, by key.
    fn outputs(&self) -> Vec<(String, String)> {
        let mut records: Vec<(String, String)> = files(&self.path("artifacts/records-v1"))
            .into_iter()
            .map(|path| {
                let record: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                (record["key"].to_string(), record["outputs"].to_string())
            })
            .collect();
        records.sort();
        records
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The worker processes of a run.
fn workers(run: &Child) -> Vec<libc::pid_t> {
    let parent = |pid: libc::pid_t| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; after it come the state and the parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(run.id())).collect()
}

/// Who is killed, with no warning.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The orchestrator: the worker sees it, writes a checkpoint and ends.
    Run,
    /// The worker: the step fails, what it had written is all that is left.
    Worker,
}

impl Project {
    /// Starts a run and kills it once `step` has written a checkpoint in it.
    fn kill_in(&self, step: &str, victim: Victim) {
        let mut run = self.start(&["--jobs", "2"]);
        let started = format!("start  {step} ");
        let fresh = |before: &[String]| self.checkpoints().iter().any(|name| !before.contains(name));
        let mut before = None;
        for _ in 0..6000 {
            assert!(run.try_wait().unwrap().is_none(), "the run ended before it could be killed in {step}");
            let running = fs::read_to_string(self.path("out")).unwrap().contains(&started);
            if running && before.is_none() {
                before = Some(self.checkpoints());
            }
            if before.as_deref().is_some_and(fresh) {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        match victim {
            Victim::Run => run.kill().unwrap(),
            // SAFETY: a signal to a process of this test's own.
            Victim::Worker => workers(&run).into_iter().for_each(|pid| unsafe {
                libc::kill(pid, libc::SIGKILL);
            }),
        }
        run.wait().unwrap();
        // A worker whose orchestrator was killed needs a moment for its checkpoint.
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn killed_and_resumed_on_other_thread_counts_is_the_same_to_the_byte() {
    let straight = Project::new();
    straight.run(&["--jobs", "1"]);
    assert!(straight.run(&["--jobs", "2"]).contains("0 executed"));

    let killed = Project::new();
    for (step, victim) in [
        ("pretrain", Victim::Worker),
        ("pretrain", Victim::Run),
        ("finetune", Victim::Worker),
        ("finetune", Victim::Run),
    ] {
        killed.kill_in(step, victim);
    }
    let out = killed.run(&["--jobs", "2"]);
    assert!(out.contains("finetune: resumed"), "{out}");
    assert_eq!(straight.outputs(), killed.outputs());
    for file in ["results/table.md", "model/model.safetensors", "finetuned/model.safetensors"] {
        assert_eq!(fs::read(straight.path(file)).unwrap(), fs::read(killed.path(file)).unwrap(), "{file}");
    }
}

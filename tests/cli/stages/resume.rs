//! The binary with its real stages, on drawn shapes: a run is killed in mid-training and continued,
//! on one thread and on two, and every artifact is the same to the byte.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use crate::support::{Project, tree};

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

/// A run of which the output is read while it goes on.
struct Watched {
    project: Project,
}

impl Watched {
    fn new() -> Self {
        Self { project: Project::new(PIPELINE) }
    }

    fn start(&self, more: &[&str]) -> Child {
        let file = |name: &str| fs::File::create(self.project.path(name)).unwrap();
        let mut command = self.project.command(&[&["run", "pipeline.yaml"], more].concat());
        command.stdout(file("out")).stderr(file("err")).spawn().unwrap()
    }

    fn said(&self) -> String {
        self.project.read("out")
    }

    #[track_caller]
    fn run(&self, more: &[&str]) -> String {
        let status = self.start(more).wait().unwrap();
        assert!(status.success(), "{}\n{}", self.said(), self.project.read("err"));
        self.said()
    }

    /// The checkpoints of unfinished steps.
    fn checkpoints(&self) -> Vec<String> {
        let Ok(work) = fs::read_dir(self.project.path("artifacts/work-v1")) else { return Vec::new() };
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
        let mut records: Vec<(String, String)> = tree(&self.project.path("artifacts/records-v2"))
            .into_iter()
            .map(|(_, bytes)| {
                let record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                (record["key"].to_string(), record["outputs"].to_string())
            })
            .collect();
        records.sort();
        records
    }
}

/// The worker processes of a run: they are below its guardians.
fn workers(run: &Child) -> Vec<libc::pid_t> {
    let parent = |pid: libc::pid_t| -> Option<libc::pid_t> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; after it come the state and the parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let is_below = |pid: libc::pid_t| {
        let mut above = std::iter::successors(Some(pid), |pid| parent(*pid));
        above.any(|pid| pid.cast_unsigned() == run.id())
    };
    let is_worker = |pid: libc::pid_t| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0worker\0"))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_worker(*pid) && is_below(*pid)).collect()
}

/// Who is killed, with no warning.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The orchestrator: the worker sees it, writes a checkpoint and ends.
    Run,
    /// The worker: the step fails, what it had written is all that is left.
    Worker,
}

impl Watched {
    /// Starts a run and kills it once `step` has written a checkpoint in it.
    fn kill_in(&self, step: &str, victim: Victim) {
        let mut run = self.start(&["--jobs", "2"]);
        let started = format!("start  {step} ");
        let fresh = |before: &[String]| self.checkpoints().iter().any(|name| !before.contains(name));
        let mut before = None;
        for _ in 0..6000 {
            assert!(run.try_wait().unwrap().is_none(), "the run ended before it could be killed in {step}");
            let running = self.said().contains(&started);
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
            Victim::Worker => {
                let workers = workers(&run);
                assert!(!workers.is_empty(), "{step} has a worker");
                workers.into_iter().for_each(|pid| unsafe {
                    libc::kill(pid, libc::SIGKILL);
                });
            }
        }
        run.wait().unwrap();
        // A worker whose orchestrator was killed needs a moment for its checkpoint.
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn killed_and_resumed_on_other_thread_counts_is_the_same_to_the_byte() {
    let straight = Watched::new();
    straight.run(&["--jobs", "1"]);
    assert!(straight.run(&["--jobs", "2"]).contains("0 executed"));

    let killed = Watched::new();
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
        let bytes = |run: &Watched| fs::read(run.project.path(file)).unwrap();
        assert_eq!(bytes(&straight), bytes(&killed), "{file}");
    }
}

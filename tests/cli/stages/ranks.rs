//! A training on several processes, run by the binary: its processes, its record, its end.

use std::fs;

use crate::support::{Project, wait_until};

const PIPELINE: &str = "
name: ranks
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
      steps: 40
      batch: 16
      lanes: 4
      processes: 2
      checkpoint_every: 5
";

/// The processes that share a step of a run in that project's folder.
fn ranks(project: &Project) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_rank = |pid: &u32| {
        let of = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        of("cmdline").ends_with(b"\0rank\0") && folder.starts_with(project.path(""))
    };
    pids.filter(is_rank).collect()
}

#[test]
fn without_libtorch_several_processes_are_an_error_and_with_it_a_training() {
    let project = Project::new(PIPELINE);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--device", "cpu"]);
    if !cfg!(feature = "tch") {
        assert!(ran.out.contains("2 processes for one step are not in this build"), "{}", ran.out);
        assert!(ran.out.contains("--features tch"), "{}", ran.out);
        eprintln!("skipped: trainings on several processes (this build has no LibTorch)");
        return;
    }
    assert_eq!(ran.code, 0, "{}", ran.err);
    // Their number is no part of the key.
    project.edit("processes: 2", "processes: 4");
    let again = project.igpt_flow(&["run", "pipeline.yaml", "--device", "cpu"]);
    assert!(format!("{}{}", again.out, again.err).contains("0 executed, 5 reused"), "{}", again.out);
    let plan = project.igpt_flow(&["plan", "pipeline.yaml", "--device", "cpu"]).out;
    assert!(!plan.contains("takes about"), "what is cached takes nothing: {plan}");
    project.edit("lanes: 4", "lanes: 8");
    let plan = project.igpt_flow(&["plan", "pipeline.yaml", "--device", "cpu"]).out;
    assert!(plan.contains("in each of 4 processes, which exchange "), "{plan}");
}

#[test]
fn ranks_end_with_their_run() {
    if !cfg!(feature = "tch") {
        eprintln!("skipped: ranks of a killed run (this build has no LibTorch)");
        return;
    }
    let project = Project::new(PIPELINE);
    project.edit("steps: 40", "steps: 100000");
    let mut run = project.start(&["run", "pipeline.yaml", "--device", "cpu"]);
    wait_until("a further rank", || !ranks(&project).is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    wait_until("the end of all ranks", || ranks(&project).is_empty());
}

//! Steps that have several nodes of a cluster.

use std::fs;

use super::loopback::cluster;
use super::{QUICK, run};
use crate::support::{Project, tree};

#[test]
fn a_step_has_as_many_nodes_as_its_settings_say() {
    let Some(cluster) = cluster() else { return };
    let project = Project::new(
        r#"
stages:
  names:
    uses: command
    with:
      run: 'srun --overlap --nodes=2 --ntasks=2 --mem=0 printenv SLURMD_NODENAME | sort -u | wc -l > out'
      pass_env: [SLURM_CONF, SLURM_JOB_ID]
export: {names.out: results/names}
"#,
    );
    project.write("cluster.yaml", &format!("{QUICK}steps: {{names: {{nodes: 2}}}}\n"));
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(project.read("results/names").trim(), "2");
}

/// A training of 4 lanes, with so many processes.
fn training(processes: usize) -> Project {
    let project = Project::new(&format!(
        "
name: ranks
seed: 3
stages:
  images: {{uses: download, with: {{source: shapes, train: 200, test: 60}}}}
  small: {{uses: augment, in: {{images: images.images}}, with: {{side: 8}}}}
  palette: {{uses: palette, in: {{images: small.images}}, with: {{colours: 16}}}}
  tokens: {{uses: tokenize, in: {{images: small.images, palette: palette.palette}}}}
  pretrain:
    uses: pretrain
    in: {{tokens: tokens.tokens}}
    with: {{model: {{preset: tiny, n_layer: 2}}, steps: 20, batch: 16, lanes: 4, processes: {processes}}}
export: {{pretrain.model: results/model}}
"
    ));
    let nodes = "steps: {pretrain: {nodes: 2}}\n";
    let settings = QUICK.replace("50MiB", "800MiB");
    project.write("cluster.yaml", &format!("{settings}{nodes}device: cpu\n"));
    project
}

#[test]
fn ranks_on_two_nodes_make_the_bytes_of_one_process() {
    if !cfg!(feature = "tch") {
        eprintln!("skipped: trainings on several nodes (this build has no LibTorch)");
        return;
    }
    let Some(cluster) = cluster() else { return };
    let alone = training(1);
    let ran = alone.igpt_flow(&["run", "pipeline.yaml", "--device", "cpu"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let project = training(4);
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let network = |project: &Project| fs::read(project.path("results/model/model.safetensors")).unwrap();
    assert!(network(&project) == network(&alone), "the same bytes");
    let logs = tree(&project.path("artifacts/runs-v2"));
    let logs: String = logs.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect();
    for rank in [
        "rank 1 of 4 is process",
        "rank 2 of 4 is on node 1 of the job",
        "rank 3 of 4 is on node 1 of the job",
    ] {
        assert!(logs.contains(rank), "`{rank}` is not in {logs}");
    }
    // One process cannot be on both of its nodes.
    let one = training(1);
    let ran = run(&cluster, &one, &[]);
    assert_eq!(ran.code, 100, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("1 processes cannot share 2 machines evenly"), "{}", ran.out);
}

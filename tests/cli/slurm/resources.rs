//! What a step has of a cluster: a node until somebody more important comes, and GPUs.

use std::process::Stdio;

use super::{QUICK, many, not_once, on, run, under_way};
use crate::slurm::loopback::{Cluster, cluster};
use crate::support::{Project, wait_until};

/// A step that waits for ever the first time that it runs, on a node of its own in this partition.
fn until_preempted(partition: &str) -> Project {
    let project = many(
        1,
        "trap 'echo told >> \"$LOG.told\"; exit 1' TERM; test -e \"$LOG.again\" || { touch \"$LOG.again\"; sleep 1000 & wait; }",
    );
    let settings =
        format!("{QUICK}partition: {partition}\nsteps: {{one: {{cpus: 4}}, all: {{partition: main}}}}\n");
    project.write("cluster.yaml", &settings);
    project
}

/// Runs such a step, preempts it, and answers what the run said: it was done twice, as one attempt.
fn preempted(cluster: &Cluster, partition: &str) -> String {
    let project = &until_preempted(partition);
    let child = on(cluster, project, &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the step runs", || project.path("log.again").exists());
    let node = cluster.ask("squeue", &["--noheader", "--states=RUNNING", "--format=%N", "-p", partition]);
    let node = format!("--nodelist={}", node.lines().next().unwrap());
    let more_important =
        ["--partition=high", &node, "--cpus-per-task=4", "--mem=100", "--output=/dev/null", "--wrap=sleep 1"];
    cluster.ask("sbatch", &more_important);
    wait_until("it is told to end", || project.path("log.told").exists());
    cluster.release(project, || under_way(project).is_empty());
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(!out.contains("FAILED") && !out.contains("attempt 2"), "{out}");
    assert_eq!(not_once(project, 1), ["one 1: 2 times"]);
    out
}

#[test]
fn a_preempted_job_costs_no_attempt() {
    let Some(cluster) = cluster() else { return };
    let out = preempted(&cluster, "low");
    // Slurm has put it back: it was not submitted again.
    assert!(!out.contains("submitted again"), "{out}");
}

#[test]
fn a_job_that_ends_within_the_grace_of_its_preemption_is_submitted_again() {
    let Some(cluster) = cluster() else { return };
    let out = preempted(&cluster, "grace");
    assert!(out.contains("told to end before its time was up") && out.contains("submitted again"), "{out}");
}

#[test]
fn a_step_sees_the_gpus_that_it_asked_for_and_no_others() {
    let Some(cluster) = cluster() else { return };
    let step = |name: &str| {
        format!(
            "  {name}: {{uses: command, with: {{run: 'echo \"{name}:$CUDA_VISIBLE_DEVICES\" >> \"$LOG\"; sleep 1; echo > out', pass_env: [LOG]}}}}\n"
        )
    };
    let names = ["none", "one", "other", "two"];
    let project = Project::new(&format!("stages:\n{}", names.map(step).concat()));
    project.write("log", "");
    // On one node, which has two.
    let gpus = "steps: {one: {gpus: 1}, other: {gpus: 1, gpu_type: 'null'}, two: {gpus: 2}}\n";
    project.write("cluster.yaml", &format!("{QUICK}options: [--nodelist=n2]\n{gpus}"));
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let mut seen: Vec<String> = project.read("log").lines().map(str::to_owned).collect();
    seen.sort();
    let [none, one, other, two] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((none.as_str(), two.as_str()), ("none:", "two:0,1"));
    for single in [one, other] {
        assert!(single.ends_with(":0") || single.ends_with(":1"), "{seen:?}");
    }
    // What no node has: Slurm says no, and the step is not left to wait.
    for gpus in ["gpus: 3", "gpus: 1, gpu_type: a100"] {
        project.write("cluster.yaml", &format!("{QUICK}steps: {{two: {{{gpus}}}}}\n"));
        let ran = run(&cluster, &project, &["--force", "two"]);
        assert!(
            ran.code == 100 && ran.out.contains("Slurm refuses its job"),
            "{gpus}: {}\n{}",
            ran.out,
            ran.err
        );
    }
}

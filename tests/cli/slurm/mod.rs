//! Steps on a cluster: a real Slurm on this machine's loopback. All but `storm` are short.

mod limits;
mod loopback;
mod nodes;
mod pages;
mod resources;
mod settings;
mod storm;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{Project, Ran, signal, tree, wait_until, within_limit};
use loopback::{Cluster, cluster, cluster_to_disturb};

/// Steps that note themselves, with what each does before and after.
const MANY: &str = r#"
name: many
stages:
  one:
    uses: command
    matrix: {n: {range: [1, LAST]}}
    with:
      run: |
        echo "one ${matrix.n}" >> "$LOG"
        echo "on $SLURMD_NODENAME"
        WORK
        echo "number ${matrix.n}" > out
      pass_env: [LOG, SLURMD_NODENAME]
  all:
    uses: command
    in: {ones: one.*}
    with:
      run: |
        echo all >> "$LOG"
        for one in ones/*=*; do echo "$one"; cat "$one"; done > out
      pass_env: [LOG]
export: {all.out: results/all}
"#;

/// Settings that answer at once.
pub(super) const QUICK: &str = "memory: 50MiB\ntime: 10m\npoll: 1s\ngather: 100ms\n";

/// A project with so many steps that do this work.
pub(super) fn many(last: u32, work: &str) -> Project {
    let project = Project::new(&MANY.replace("LAST", &last.to_string()).replace("WORK", work));
    project.write("cluster.yaml", QUICK);
    project.write("log", "");
    project
}

pub(super) fn on(cluster: &Cluster, project: &Project, more: &[&str]) -> Command {
    let arguments = [&["run", "pipeline.yaml", "--executor", "slurm"], more].concat();
    let mut command = project.command(&arguments);
    command.env("SLURM_CONF", cluster.conf());
    command
}

fn run(cluster: &Cluster, project: &Project, more: &[&str]) -> Ran {
    within_limit(on(cluster, project, more)).expect("the run does not end")
}

/// How often each step noted itself, where that is not once.
pub(super) fn not_once(project: &Project, last: u32) -> Vec<String> {
    let log = project.read("log");
    let steps = (1..=last).map(|n| format!("one {n}")).chain(["all".to_owned()]);
    let counted = steps.map(|step| (log.lines().filter(|line| **line == *step).count(), step));
    counted.filter(|(count, _)| *count != 1).map(|(count, step)| format!("{step}: {count} times")).collect()
}

/// What the store has under way: nothing, after a run that ended.
pub(super) fn under_way(project: &Project) -> Vec<String> {
    let jobs = std::fs::read_dir(project.path("artifacts/jobs-v1")).into_iter().flatten().flatten();
    let names = jobs.map(|job| job.file_name().into_string().unwrap());
    names.filter(|name| name != "news").collect()
}

#[test]
fn steps_on_three_nodes_make_the_bytes_of_a_local_run() {
    let Some(cluster) = cluster() else { return };
    let (local, project) = (many(45, "true"), many(45, "sleep 0.2"));
    project.edit("sleep 0.2", "true");
    local.run();
    // What is sent to Slurm passes by here.
    for name in ["sbatch", "squeue", "scancel"] {
        let real = cluster.ask("sh", &["-c", &format!("command -v {name}")]);
        let counts = project.path(&format!("bin/{name}"));
        let text =
            format!("#!/bin/sh\necho {name} >> {}\nexec {real} \"$@\"\n", project.path("sent").display());
        project.write(&format!("bin/{name}"), &text);
        std::fs::set_permissions(counts, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = on(&cluster, &project, &[]);
    command.env("PATH", path);
    let ran = within_limit(command).expect("the run does not end");
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(not_once(&project, 45).is_empty(), "{:?}", not_once(&project, 45));
    assert!(project.read("results/all") == local.read("results/all"));
    let keys =
        |project: &Project| tree(&project.path("artifacts/records-v2")).into_iter().map(|(name, _)| name);
    assert!(keys(&project).eq(keys(&local)), "the keys are the same");
    let logs = tree(&project.path("artifacts/runs-v2"));
    let logs: String = logs.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect();
    for node in ["on n1", "on n2", "on n3"] {
        assert!(logs.contains(node), "nothing ran {node}");
    }
    let sent = project.read("sent");
    let submitted = sent.lines().filter(|line| *line == "sbatch").count();
    assert!((2..=4).contains(&submitted), "46 steps in {submitted} submissions");
    assert!(under_way(&project).is_empty(), "{:?}", under_way(&project));
    // Nothing is to be done, and nobody is asked.
    project.write("sent", "");
    assert_eq!(run(&cluster, &project, &[]).code, 0);
    assert_eq!(project.read("sent"), "");
}

#[test]
fn a_killed_run_is_taken_over_and_nothing_is_repeated() {
    let Some(cluster) = cluster() else { return };
    let project = many(16, "sleep 1.5");
    let mut killed = on(&cluster, &project, &[]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("some steps run", || project.read("log").lines().count() >= 3);
    signal(&killed, "-KILL");
    killed.wait().unwrap();
    // Some end while nobody looks.
    std::thread::sleep(Duration::from_millis(1500));
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(not_once(&project, 16).is_empty(), "{:?}", not_once(&project, 16));
    assert!(under_way(&project).is_empty(), "{:?}", under_way(&project));
    let log = project.igpt_flow(&["logs", "one:n=16"]);
    assert!(log.out.contains("on n"), "the log of a step that was taken over: {}", log.out);
}

#[test]
fn a_failed_step_is_told_with_its_log_and_retried_as_it_says() {
    let Some(cluster) = cluster() else { return };
    let project = many(2, "echo boom; test -e \"$LOG.again\" || { touch \"$LOG.again\"; exit 3; }");
    project.edit("    matrix: {n: {range: [1, 2]}}", "    retries: 1\n    matrix: {n: [1]}");
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    for text in
        ["FAILED one[n=1] (attempt 1): the command failed: exit status 3", "| boom", "it is tried again"]
    {
        assert!(ran.out.contains(text), "no `{text}` in {}", ran.out);
    }
    // Slurm has not started it by itself.
    assert_eq!(project.read("log").lines().filter(|line| *line == "one 1").count(), 2);
}

#[test]
fn a_series_is_done_by_one_task() {
    let Some(cluster) = cluster() else { return };
    let project = many(6, "echo \"task $SLURM_ARRAY_TASK_ID\" >> \"$LOG.tasks\"");
    project.edit("[LOG, SLURMD_NODENAME]", "[LOG, SLURMD_NODENAME, SLURM_ARRAY_TASK_ID]");
    project.write("cluster.yaml", &format!("{QUICK}steps:\n  one: {{series: 3}}\n"));
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let mut tasks: Vec<String> = project.read("log.tasks").lines().map(str::to_owned).collect();
    tasks.sort();
    assert_eq!(tasks, ["task 0", "task 0", "task 0", "task 1", "task 1", "task 1"]);
    assert!(not_once(&project, 6).is_empty());
}

#[test]
fn jobs_that_can_never_start_are_told_with_slurms_reason_and_ours() {
    let Some(cluster) = cluster() else { return };
    for (setting, reason, hint) in [
        (
            "steps: {one: {cpus: 99}}\n",
            "can never start: PartitionConfig",
            "no node of the partition has what it asks for",
        ),
        ("partition: short\ntime: 10m\n", "can never start: PartitionTimeLimit", "lower `time`"),
        ("partition: nowhere\n", "invalid partition specified: nowhere", "see the cluster's settings"),
        ("memory: 900GiB\n", "Slurm refuses its job", "see the cluster's settings"),
    ] {
        let project = many(1, "true");
        project.write("cluster.yaml", &format!("poll: 1s\ngather: 50ms\n{setting}"));
        let ran = run(&cluster, &project, &[]);
        assert_eq!(ran.code, 100, "{setting}: {}\n{}", ran.out, ran.err);
        assert!(ran.out.contains(reason) && ran.out.contains(hint), "{setting}: {}", ran.out);
        assert!(cluster.jobs_of(&project).is_empty(), "{:?}", cluster.jobs_of(&project));
        assert!(under_way(&project).is_empty(), "{:?}", under_way(&project));
    }
}

#[test]
fn an_interrupt_ends_what_runs_and_drops_what_waits() {
    let Some(cluster) = cluster() else { return };
    let project = many(
        20,
        "trap 'echo saved >> \"$LOG.saved\"; exit 1' TERM; echo runs >> \"$LOG.runs\"; sleep 1000 & wait",
    );
    let mut child = on(&cluster, &project, &[]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("some steps run", || {
        project.path("log.runs").exists() && project.read("log.runs").lines().count() >= 4
    });
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (runs, saved) = (project.read("log.runs").lines().count(), project.read("log.saved").lines().count());
    assert_eq!(runs, saved, "every step that ran could save what it had");
    assert!(runs < 20, "some waited, and never began");
    wait_until("the queue is empty", || {
        cluster.jobs_of(&project).iter().all(|job| job.ends_with("COMPLETING"))
    });
    assert!(under_way(&project).is_empty(), "{:?}", under_way(&project));
    let skipped = project.igpt_flow(&["runs"]);
    assert!(skipped.out.contains("interrupted"), "{}", skipped.out);
}

#[test]
fn after_a_failure_what_waits_is_dropped_and_what_runs_goes_on() {
    let Some(cluster) = cluster() else { return };
    // So many that some wait on a busy machine too, where it takes a while until the failure is heard of.
    let project = many(200, "test ${matrix.n} != 2; sleep 3; echo 'one ${matrix.n}' >> \"$LOG.ended\"");
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 100, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("FAILED one[n=2]"), "{}", ran.out);
    let (began, ended) = (project.read("log"), project.read("log.ended"));
    let cut_short: Vec<&str> =
        began.lines().filter(|one| *one != "one 2" && !ended.lines().any(|other| other == *one)).collect();
    // One may begin in the very moment in which it is dropped as one that waits, and is said to have been.
    assert!(cut_short.len() <= 1, "{cut_short:?}\n{}", ran.out);
    for one in cut_short {
        let skipped = format!("skip   one[n={}]: the run was stopped", one.replace("one ", ""));
        assert!(ran.out.contains(&skipped), "no `{skipped}` in {}", ran.out);
    }
    let began = began.lines().count();
    assert!(began < 200, "some waited, and never began");
    assert!(ran.out.contains(": the run was stopped") && under_way(&project).is_empty(), "{}", ran.out);
}

#[test]
fn a_cluster_is_looked_at_by_jobs_on_it() {
    let Some(cluster) = cluster() else { return };
    let project = many(1, "true");
    project.write(
        "cluster.yaml",
        &format!(
            "{QUICK}steps:\n  one: {{gpus: 1}}\n  two: {{cpus: 99}}\n  three: {{prelude: [module load x]}}\n"
        ),
    );
    let mut command = project.command(&["cluster", "check"]);
    command.env("SLURM_CONF", cluster.conf());
    let ran = within_limit(command).expect("the check does not end");
    assert_eq!(ran.code, 100, "{}\n{}", ran.out, ran.err);
    for text in [
        "every step\n  job      ran on n",
        "\n  store    seen from the node\n  program  runs (",
        "\n  locks    work between this machine and the node\n  device   auto: numerics class ",
        "\n  GPUs     1\n  clock    same as this machine's\n",
        "can never start: PartitionConfig",
        "module: command not found",
    ] {
        assert!(ran.out.contains(text), "no `{text}` in {}", ran.out);
    }
    assert!(under_way(&project).is_empty(), "{:?}", under_way(&project));
}

#[test]
fn detached_jobs_go_on_and_are_taken_over() {
    let Some(cluster) = cluster() else { return };
    let project = many(16, "sleep 2");
    let mut child = on(&cluster, &project, &["--detach"]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the steps run", || project.read("log").lines().count() >= 4);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Six run at a time, of which some may have ended.
    assert!(under_way(&project).len() > 10, "also those that wait: {:?}", under_way(&project));
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(not_once(&project, 16).is_empty(), "{:?}", not_once(&project, 16));
}

#[test]
fn two_steps_that_are_the_same_are_done_once() {
    let Some(cluster) = cluster() else { return };
    let step = "{uses: command, with: {run: 'echo same >> \"$LOG\"; sleep 1; echo > out', pass_env: [LOG]}}";
    let project = Project::new(&format!("stages:\n  one: {step}\n  two: {step}\n"));
    project.write("cluster.yaml", QUICK);
    let ran = run(&cluster, &project, &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(project.read("log"), "same\n");
    assert!(
        ran.out.contains("(made by another run or step)") && ran.out.contains("1 executed, 1 reused"),
        "{}",
        ran.out
    );
}

#[test]
fn a_requeued_job_costs_no_attempt() {
    let Some(cluster) = cluster() else { return };
    let project = many(1, "test -e \"$LOG.again\" || { touch \"$LOG.again\"; sleep 1000; }");
    let child = on(&cluster, &project, &[]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the step runs", || project.path("log.again").exists());
    let id = cluster.jobs_of(&project)[0].split(' ').next().unwrap().to_owned();
    cluster.ask("scontrol", &["requeue", &id]);
    wait_until("it waits again", || cluster.jobs_of(&project).iter().any(|job| job.ends_with("PENDING")));
    cluster.release(&project, || under_way(&project).is_empty());
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(!out.contains("FAILED") && !out.contains("attempt 2"), "{out}");
    assert_eq!(project.read("log").lines().filter(|line| *line == "one 1").count(), 2);
}

#[test]
fn a_cancelled_job_is_told() {
    let Some(cluster) = cluster() else { return };
    let project = many(1, "sleep 1000");
    let child = on(&cluster, &project, &[]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the step runs", || project.read("log").lines().count() == 1);
    let id = cluster.jobs_of(&project)[0].split(' ').next().unwrap().to_owned();
    cluster.ask("scancel", &[&id]);
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(100), "{out}");
    assert!(out.contains("was cancelled by somebody"), "{out}");
}

#[test]
fn a_controller_that_is_killed_is_waited_for() {
    let Some(cluster) = cluster_to_disturb() else { return };
    let project = many(6, "sleep 2");
    let child = on(&cluster, &project, &[]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the steps run", || project.read("log").lines().count() >= 3);
    // What it does not remember is killed on the nodes, and done again.
    cluster.kill("slurmctld");
    std::thread::sleep(Duration::from_secs(4));
    cluster.begin("slurmctld");
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(!out.contains("FAILED"), "{out}");
    assert_eq!(project.read("results/all").lines().count(), 12);
}

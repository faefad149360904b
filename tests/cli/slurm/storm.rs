//! Nodes, jobs, the controller and runs that are killed at random moments.
//!
//! However it went, the results are those of a local run and nothing is lost. `IGPT_FLOW_SLURM_STORM=100` says
//! how many rounds there are; without it there is none, for a dead node takes Slurm half a minute to notice.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::loopback::{Cluster, cluster_to_disturb};
use super::{many, not_once, on, under_way};
use crate::random::{Random, rounds, seed};
use crate::remains::tell;
use crate::support::{Project, signal, wait_until};

/// No run takes so long.
const LIMIT: Duration = Duration::from_secs(240);

/// Whether the long tests are asked for; says that this one is skipped where they are not.
pub(super) fn is_asked_for(what: &str) -> bool {
    let asked = rounds("IGPT_FLOW_SLURM_STORM", 0) > 0;
    if !asked {
        tell(&format!(
            "skipped: {what} of a Slurm of the tests' own (set IGPT_FLOW_SLURM_STORM to a number of rounds)"
        ));
    }
    asked
}

#[test]
fn a_killed_node_costs_no_attempt() {
    if !is_asked_for("killed nodes") {
        return;
    }
    let Some(cluster) = cluster_to_disturb() else { return };
    let project = many(1, "test -e \"$LOG.again\" || { touch \"$LOG.again\"; sleep 1000; }");
    let child = on(&cluster, &project, &[]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the step runs", || project.path("log.again").exists());
    let node = cluster.ask("squeue", &["--noheader", "--states=RUNNING", "--format=%N"]);
    cluster.kill(&node);
    cluster.release(&project, || under_way(&project).is_empty());
    let output = child.wait_with_output().unwrap();
    cluster.begin(&node);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(!out.contains("FAILED") && !out.contains("attempt 2"), "{out}");
    wait_until("the node is back", || !cluster.ask("sinfo", &["-h", "-N", "-o", "%T"]).contains("down"));
}

#[test]
fn whatever_is_killed_nothing_is_lost_and_nothing_is_wrong() {
    if !is_asked_for("killed nodes") {
        return;
    }
    let Some(cluster) = cluster_to_disturb() else { return };
    let (rounds, seed) = (rounds("IGPT_FLOW_SLURM_STORM", 0), seed());
    let (mut wrong, mut lost, mut told) = (0, 0, String::new());
    for n in 0..rounds as u64 {
        let mut random = Random::new(seed.wrapping_mul(1_000_003) + n);
        let (found, was) = round(&cluster, &mut random);
        told.push_str(&was);
        for (sort, text) in found {
            tell(&format!("  round {n} ({was}): {sort}: {text}"));
            if sort == "wrong" { wrong += 1 } else { lost += 1 }
        }
    }
    tell(&format!("slurm storm: {rounds} rounds, {wrong} wrong, {lost} lost, seed {seed}"));
    assert_eq!((wrong, lost), (0, 0), "what went wrong is told above");
}

/// One round: what is wrong in the end, and what was done.
fn round(cluster: &Cluster, random: &mut Random) -> (Vec<(&'static str, String)>, String) {
    let steps = 6 + random.below(12) as u32;
    let project = many(steps, "sleep 0.3");
    let local = many(steps, "sleep 0.3");
    local.run_with(&["-j", "16"]);
    let (mut faults, mut was) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(3) {
        let recorded = recorded(&project);
        let before = project.read("log").len();
        let mut run = on(cluster, &project, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(random.below(3000) as u64));
        match random.below(8) {
            0..3 => {
                was.push("run killed");
                signal(&run, "-KILL");
            }
            3 => {
                was.push("run interrupted");
                signal(&run, "-INT");
            }
            4 => {
                was.push("job requeued");
                if let Some(job) = pick(random, &cluster.jobs_of(&project)) {
                    cluster.ask("scontrol", &["requeue", &job]);
                }
                signal(&run, "-KILL");
            }
            5 => {
                was.push("job's processes killed");
                if let Some(job) = pick(random, &cluster.jobs_of(&project)) {
                    cluster.ask("scancel", &["--batch", "--signal=KILL", &job]);
                }
                signal(&run, "-KILL");
            }
            6 => {
                was.push("controller killed");
                cluster.kill("slurmctld");
                sleep(Duration::from_millis(random.below(2000) as u64));
                cluster.begin("slurmctld");
                signal(&run, "-KILL");
            }
            _ => {
                was.push("node killed");
                let node = random.pick(&["n1", "n2", "n3"]);
                cluster.kill(node);
                sleep(Duration::from_millis(random.below(1000) as u64));
                cluster.begin(node);
                signal(&run, "-KILL");
            }
        }
        let ended = run.wait().unwrap();
        if ended.success() && project.read("results/all") != local.read("results/all") {
            faults.push(("wrong", "the export of a run that ended with 0".to_owned()));
        }
        let log = project.read("log");
        let again = log[before..].lines().filter(|step| recorded.contains(*step));
        faults.extend(again.map(|step| ("lost", format!("`{step}` was recorded and is executed again"))));
    }
    // The last run comes through, whatever is still being mended.
    let mut run = on(cluster, &project, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    while run.try_wait().unwrap().is_none() && since.elapsed() < LIMIT {
        // A controller that was killed gives the numbers of jobs that run to others, and takes nodes out of
        // service because of that: what an administrator would mend.
        if cluster.ask("sinfo", &["-h", "-N", "-o", "%T"]).contains("drain") {
            cluster.ask("scontrol", &["update", "NodeName=n1,n2,n3", "State=RESUME"]);
        }
        for job in cluster.jobs_of(&project).iter().filter(|job| job.ends_with("PENDING")) {
            let id = job.split(' ').next().unwrap();
            cluster.ask("scontrol", &["update", &format!("JobId={id}"), "StartTime=now"]);
        }
        sleep(Duration::from_millis(700));
    }
    if run.try_wait().unwrap().is_none() {
        faults.push(("lost", format!("the last run does not end; jobs: {:?}", cluster.jobs_of(&project))));
        run.kill().unwrap();
    }
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        faults.push(("lost", format!("the last run ends with {:?}: {said}", output.status.code())));
    } else if project.read("results/all") != local.read("results/all") {
        faults.push(("wrong", "the export".to_owned()));
    } else if let Some(job) = cluster.jobs_of(&project).iter().find(|job| job.ends_with("PENDING")) {
        faults.push(("lost", format!("left in the queue: {job}")));
    } else if !under_way(&project).is_empty() {
        faults.push(("lost", format!("left under way: {:?}", under_way(&project))));
    }
    let verified = project.igpt_flow(&["verify"]);
    if verified.code != 0 {
        faults.push(("wrong", format!("verify: {}{}", verified.out, verified.err)));
    }
    let never = not_once(&project, steps).into_iter().filter(|text| text.ends_with(": 0 times"));
    faults.extend(never.map(|text| ("lost", text)));
    (faults, was.join(", "))
}

fn pick(random: &mut Random, jobs: &[String]) -> Option<String> {
    if jobs.is_empty() {
        return None;
    }
    jobs[random.below(jobs.len())].split(' ').next().map(str::to_owned)
}

/// What the steps note whose results are in the store.
fn recorded(project: &Project) -> BTreeSet<String> {
    let ran = project.igpt_flow(&["plan", "pipeline.yaml", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let steps = plan["steps"].as_array().unwrap().iter().filter(|step| step["state"] == "reused");
    let name = |step: &serde_json::Value| {
        let name = step["step"].as_str().unwrap().to_owned();
        name.replace("one[n=", "one ").replace(']', "")
    };
    steps.map(name).collect()
}

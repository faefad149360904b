//! Runs that are killed at random moments, one or two at once, and continued.
//!
//! However it went, the results are those of a straight run, what was recorded is not executed
//! again, and nobody and nothing is left. `IGPT_FLOW_STORM=1000` says how many rounds there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::random::{Random, rounds, seed};
use super::remains::{exports, kill, leftovers, living, tell};
use super::support::{Project, Ran, signal, within_limit};
use super::tangle::tangle;

const RUN: [&str; 4] = ["run", "pipeline.yaml", "-j", "2"];

const SIGNALS: [&str; 3] = ["-KILL", "-TERM", "-INT"];

/// No run of these pipelines takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// How long what dies by itself may take to do so after the last run.
const PATIENCE: Duration = Duration::from_secs(1);

/// What must not be: a sort, and what it was.
type Fault = (&'static str, String);

#[test]
fn killed_runs_lose_nothing_and_leave_nothing() {
    let (rounds, seed) = (rounds("IGPT_FLOW_STORM", 4), seed());
    let mut score = BTreeMap::new();
    for n in 0..rounds as u64 {
        for (sort, text) in round(&mut Random::new(seed.wrapping_mul(1_000_003) + n)) {
            *score.entry(sort).or_insert(0) += 1;
            tell(&format!("  round {n}: {sort}: {text}"));
        }
    }
    let [wrong, lost, left] = ["wrong", "lost", "left"].map(|sort| score.get(sort).copied().unwrap_or(0));
    tell(&format!("storm: {rounds} rounds, {wrong} wrong, {lost} lost, {left} left behind, seed {seed}"));
    assert!(score.is_empty(), "what went wrong is told above");
}

fn round(random: &mut Random) -> Vec<Fault> {
    let pipeline = tangle(random);
    let (straight, project) = (Project::new(&pipeline), Project::new(&pipeline));
    let (ran, mut faults) = (run(&straight), Vec::new());
    assert_eq!(ran.code, 0, "{}\n{}\n{pipeline}", ran.out, ran.err);
    faults
        .extend(end(&straight).into_iter().map(|process| ("left", format!("by a straight run: {process}"))));
    let right = exports(&straight);
    project.write("log", "");
    for _ in 0..1 + random.below(4) {
        faults.extend(lost(&project, || {
            let codes = killed(&project, random);
            if codes.contains(&Some(0)) && exports(&project) != right {
                return Some(("wrong", "exports of a run that ended with 0".to_owned()));
            }
            codes.contains(&None).then(|| ("wrong", "a killed run does not end".to_owned()))
        }));
    }
    for _ in 0..2 {
        faults.extend(lost(&project, || {
            let ran = run(&project);
            let well = ran.code == 0 && exports(&project) == right;
            (!well).then(|| ("wrong", format!("in the end: {}\n{pipeline}", said(&ran))))
        }));
    }
    let verified = project.igpt_flow(&["verify"]);
    if verified.code != 0 {
        faults.push(("wrong", format!("verify: {}", said(&verified))));
    }
    faults.extend(end(&project).into_iter().map(|process| ("left", process)));
    faults.extend(leftovers(&project.path("")).into_iter().map(|path| ("left", path.display().to_string())));
    faults
}

fn run(project: &Project) -> Ran {
    within_limit(project.command(&RUN)).expect("the run does not end")
}

fn said(ran: &Ran) -> String {
    format!("exit {}\n{}{}", ran.code, ran.out, ran.err)
}

/// Does something, and adds to what it found the steps that were recorded before and are executed
/// again meanwhile.
fn lost(project: &Project, something: impl FnOnce() -> Option<Fault>) -> Vec<Fault> {
    let (recorded, told) = (recorded(project), project.read("log").len());
    let mut faults = Vec::from_iter(something());
    let log = project.read("log");
    let started = log[told..].lines().filter_map(|line| line.strip_prefix("start "));
    let again = started.filter(|step| recorded.contains(*step));
    faults.extend(again.map(|step| ("lost", format!("`{step}` was recorded and is executed again"))));
    faults
}

/// Starts a run or two, and kills one or both of them. Answers their exit codes: `None` where a run
/// does not end, -1 where it died of the signal.
fn killed(project: &Project, random: &mut Random) -> Vec<Option<i32>> {
    let mut runs: Vec<Child> = (0..1 + usize::from(random.one_in(3))).map(|_| project.start(&RUN)).collect();
    let spares_one = runs.len() == 2 && random.one_in(2);
    sleep(Duration::from_millis(random.below(400) as u64));
    for run in runs.iter().skip(usize::from(spares_one)) {
        signal(run, random.pick(&SIGNALS));
        if random.one_in(2) {
            sleep(Duration::from_millis(random.below(20) as u64));
            signal(run, random.pick(&SIGNALS));
        }
    }
    runs.iter_mut().map(ended).collect()
}

fn ended(run: &mut Child) -> Option<i32> {
    let since = Instant::now();
    while since.elapsed() < LIMIT {
        if let Some(status) = run.try_wait().unwrap() {
            return Some(status.code().unwrap_or(-1));
        }
        sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    None
}

/// The steps whose results are in the store.
fn recorded(project: &Project) -> BTreeSet<String> {
    let ran = project.igpt_flow(&["plan", "pipeline.yaml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let plan: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let steps = plan["steps"].as_array().unwrap().iter();
    let name = |step: &serde_json::Value| step["step"].as_str().unwrap().to_owned();
    steps.filter(|step| step["state"] == "reused").map(name).collect()
}

/// Who still lives although all runs have ended; now they do not.
fn end(project: &Project) -> Vec<String> {
    let (folder, since) = (fs::canonicalize(project.path("")).unwrap(), Instant::now());
    loop {
        let living = living(&folder);
        if living.is_empty() {
            return Vec::new();
        }
        if since.elapsed() > PATIENCE {
            living.iter().for_each(|(process, _)| kill(*process));
            return living.into_iter().map(|(_, command)| command).collect();
        }
        sleep(Duration::from_millis(10));
    }
}

//! Runs that are killed at random moments, one or two at once, and continued.
//!
//! However it went, the results are those of a straight run, what was recorded is not executed
//! again, and nobody and nothing is left. `IGPT_FLOW_STORM=1000` says how many rounds there are.

use std::collections::BTreeSet;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::random::{Random, rounds, seed};
use super::remains::{exports, kill, leftovers, living, tell};
use super::support::{Project, signal};
use super::tangle::tangle;

const RUN: [&str; 4] = ["run", "pipeline.yaml", "-j", "2"];

const SIGNALS: [&str; 3] = ["-KILL", "-TERM", "-INT"];

/// No run of these pipelines takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// How long what dies by itself may take to do so after the last run.
const PATIENCE: Duration = Duration::from_secs(1);

/// What must not be, over all rounds.
#[derive(Default)]
struct Score {
    wrong: usize,
    lost: usize,
    left: usize,
}

#[test]
fn killed_runs_lose_nothing_and_leave_nothing() {
    let (rounds, seed) = (rounds("IGPT_FLOW_STORM", 6), seed());
    let mut score = Score::default();
    for n in 0..rounds as u64 {
        round(&mut Random::new(seed.wrapping_mul(1_000_003) + n), n, &mut score);
    }
    let Score { wrong, lost, left } = score;
    tell(&format!("storm: {rounds} rounds, {wrong} wrong, {lost} lost, {left} left behind, seed {seed}"));
    assert_eq!((wrong, lost, left), (0, 0, 0), "what went wrong is told above");
}

fn round(random: &mut Random, n: u64, score: &mut Score) {
    let pipeline = tangle(random);
    let (straight, project) = (Project::new(&pipeline), Project::new(&pipeline));
    let ran = straight.igpt_flow(&RUN);
    assert_eq!(ran.code, 0, "{}\n{}\n{pipeline}", ran.out, ran.err);
    let right = exports(&straight);
    let complain = |count: &mut usize, text: String| {
        *count += 1;
        tell(&format!("  round {n}: {text}"));
    };
    for process in end(&straight) {
        complain(&mut score.left, format!("lives after a straight run: {process}"));
    }
    project.write("log", "");
    for _ in 0..1 + random.below(4) {
        let recorded = recorded(&project);
        let told = project.read("log").len();
        let codes = killed(&project, random);
        if codes.contains(&Some(0)) && exports(&project) != right {
            complain(&mut score.wrong, "wrong exports with exit 0".to_owned());
        }
        if codes.contains(&None) {
            complain(&mut score.wrong, "a killed run does not end".to_owned());
        }
        again(&project, told, &recorded).iter().for_each(|step| {
            complain(&mut score.lost, format!("`{step}` was recorded and is executed again"));
        });
    }
    let (recorded_before, told) = (recorded(&project), project.read("log").len());
    let ran = project.igpt_flow(&RUN);
    if ran.code != 0 || exports(&project) != right {
        complain(
            &mut score.wrong,
            format!("in the end: exit {}\n{}{}\n{pipeline}", ran.code, ran.out, ran.err),
        );
    }
    let told_now = project.read("log").len();
    let mut lost = again(&project, told, &recorded_before);
    let ran = project.igpt_flow(&RUN);
    lost.extend(again(&project, told_now, &recorded(&project)));
    for step in lost {
        complain(&mut score.lost, format!("`{step}` was recorded and is executed again"));
    }
    let verified = project.igpt_flow(&["verify"]);
    if ran.code != 0 || verified.code != 0 {
        complain(
            &mut score.wrong,
            format!("verify: exit {}\n{}{}", verified.code, verified.out, verified.err),
        );
    }
    for process in end(&project) {
        complain(&mut score.left, format!("lives: {process}"));
    }
    for path in leftovers(&project.path("")) {
        complain(&mut score.left, format!("left: {}", path.display()));
    }
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

/// The steps of these that were started after so many bytes of the log.
fn again(project: &Project, told: usize, recorded: &BTreeSet<String>) -> Vec<String> {
    let log = project.read("log");
    let started = log[told..].lines().filter_map(|line| line.strip_prefix("start "));
    started.filter(|step| recorded.contains(*step)).map(str::to_owned).collect()
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

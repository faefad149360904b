//! What is believed of a step, answer by answer of the cluster's.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use igpt_contract::Signal;

use super::*;
use crate::execute::job::{Invocation, Job, JobWork};
use crate::execute::slurm::flight::News;
use crate::execute::slurm::order::Order;
use crate::key::{KEY_SCHEMA, KeyMaterial};
use crate::store::{Cost, Place};

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    flight: Flight,
    heard: Receiver<News>,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("artifacts")).unwrap();
    let material = KeyMaterial {
        schema: KEY_SCHEMA,
        stage: "command".into(),
        version: 2,
        params: Default::default(),
        seed: None,
        numerics: None,
        inputs: Default::default(),
    };
    let job = Job {
        store: store.root().to_owned(),
        inputs_in: None,
        key: material.key(),
        material,
        pipeline: "p".into(),
        step: "s".into(),
        run: "r".into(),
        work: JobWork::Command {
            run: Invocation::Script("true".into()),
            shell: vec![],
            link: vec![],
            outputs: vec![],
            env: vec![],
            pass_env: vec![],
        },
        inputs: vec![],
        outputs: vec![],
        threads: 1,
        gpus: vec![],
        device: "auto".into(),
        offline: false,
        force: false,
        keep_failed: false,
        attempt: None,
    };
    let order = Order { job, log: dir.path().join("log"), timeout: None, grace: None, gpus: 0 };
    let (to, heard) = channel();
    let mut flight = Flight::new(&store, order, Arc::default(), Duration::from_secs(120), to);
    flight.folder.claim(&flight.order).unwrap();
    flight.place = Some(Place { batch: "b".into(), task: 0 });
    flight.submitted(&store);
    Bench { _dir: dir, store, flight, heard }
}

fn row(state: &str, reason: &str) -> Row {
    let owned = str::to_owned;
    Row {
        id: owned("7_0"),
        task: 0,
        state: owned(state),
        node: owned("n1"),
        reason: owned(reason),
        used: Some(Duration::from_secs(3600)),
        limit: Some(Duration::from_secs(3600)),
        name: owned("b"),
    }
}

impl Bench {
    fn look(&mut self, state: &str, reason: &str) -> Verdict {
        self.flight.look(Some(&row(state, reason)), &self.store)
    }

    /// The verdict once the cluster has said this in several answers.
    fn ended_as(&mut self, state: &str) -> Verdict {
        (0..SURE).map(|_| self.look(state, "None")).last().unwrap()
    }

    fn ends(&self, outcome: JobOutcome) {
        self.ends_as("first", outcome);
    }

    fn ends_as(&self, attempt: &str, outcome: JobOutcome) {
        let ended = Ended { outcome, attempt: attempt.into(), begun: true, node: "n1".into() };
        self.flight.folder.put_outcome(&ended).unwrap();
    }
}

fn committed() -> JobOutcome {
    let cost = Cost { wall_s: 1.0, cpu_s: 1.0, peak_memory_mib: 1.0 };
    JobOutcome::Committed(JobResult { outputs: Default::default(), cost, adopted: false })
}

fn error(verdict: Verdict) -> String {
    match verdict {
        Verdict::Settled(JobOutcome::Failed(failure)) | Verdict::Never(failure) => failure.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_is_dead_when_several_good_answers_lack_it() {
    let mut bench = bench();
    assert_eq!(bench.flight.look(None, &bench.store), Verdict::Wait);
    assert_eq!(bench.flight.look(None, &bench.store), Verdict::Wait);
    assert_eq!(bench.look("RUNNING", "None"), Verdict::Wait, "it is there after all");
    assert_eq!(bench.flight.look(None, &bench.store), Verdict::Wait);
    assert_eq!(bench.flight.look(None, &bench.store), Verdict::Wait);
    assert!(matches!(bench.flight.look(None, &bench.store), Verdict::Again(_)), "no failure of the step's");
}

#[test]
fn what_the_node_wrote_counts_whatever_the_cluster_says() {
    for state in ["TIMEOUT", "CANCELLED", "NODE_FAIL", "FAILED", "COMPLETED"] {
        let mut bench = bench();
        bench.ends(committed());
        assert_eq!(bench.look(state, "None"), Verdict::Settled(committed()), "{state}");
    }
    let mut bench = bench();
    bench.ends(committed());
    let verdicts: Vec<Verdict> = (0..3).map(|_| bench.flight.look(None, &bench.store)).collect();
    assert_eq!(verdicts[2], Verdict::Settled(committed()));
}

#[test]
fn a_job_that_is_over_without_an_outcome_is_judged_by_how_it_ended() {
    let over = |state: &str| {
        let mut bench = bench();
        for _ in 0..SURE - 1 {
            assert_eq!(bench.look(state, "None"), Verdict::Wait, "the outcome may be on its way: {state}");
        }
        bench.look(state, "None")
    };
    assert!(matches!(over("NODE_FAIL"), Verdict::Again(_)));
    assert!(matches!(over("PREEMPTED"), Verdict::Again(_)));
    assert!(error(over("OUT_OF_MEMORY")).contains("more memory than it had asked for"));
    assert!(matches!(over("CANCELLED"), Verdict::Again(_)), "it had not begun; once");
    let mut bench = bench();
    bench.flight.begun = true;
    assert!(error(bench.ended_as("CANCELLED")).contains("cancelled by somebody"));
    assert!(error(over("TIMEOUT")).contains("without a new checkpoint"));
    assert!(matches!(over("FAILED"), Verdict::Again(_)), "Slurm has not started it: nothing was printed");
    let mut bench = self::bench();
    let place = bench.flight.place.clone().unwrap();
    bench.store.batch(&place.batch).create(&[json!({"a": 1})]).unwrap();
    std::fs::write(
        bench.store.task_output(&place),
        "slurmstepd-n1: error: *** x ***\nmodule: command not found\n",
    )
    .unwrap();
    let failed = error(bench.ended_as("FAILED"));
    assert!(failed.contains("without an outcome (FAILED): module: command not found"), "{failed}");
}

#[test]
fn a_time_limit_is_worth_another_job_only_with_a_newer_checkpoint() {
    let mut bench = bench();
    let key = bench.flight.key;
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait, "what the cluster does with it is not known");
    assert!(bench.flight.is_in_doubt());
    let checkpoints = bench.store.checkpoints(&key, Some("a")).unwrap();
    // As a training keeps them: the folders stay what they are.
    std::fs::create_dir(checkpoints.join("training")).unwrap();
    for step in [10, 20] {
        std::fs::write(checkpoints.join(format!("training/step-{step}")), "").unwrap();
        let Verdict::Again(why) = bench.ended_as("COMPLETED") else { panic!("it has come to {step}") };
        assert!(why.contains("goes on from its checkpoint"), "{why}");
        bench.flight.submitted(&bench.store);
        bench.flight.folder.clear_outcome();
        bench.ends(JobOutcome::Cancelled);
        assert_eq!(bench.flight.hear(), Verdict::Wait);
    }
    bench.flight.folder.clear_outcome();
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait);
    assert!(error(bench.ended_as("TIMEOUT")).contains("without a new checkpoint"));
}

#[test]
fn a_job_that_was_told_to_end_long_before_its_time_is_done_again() {
    let mut bench = bench();
    // As one is that is preempted with a grace period.
    let early = Row { used: Some(Duration::from_secs(600)), ..row("COMPLETED", "None") };
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait);
    let verdicts: Vec<Verdict> = (0..SURE).map(|_| bench.flight.look(Some(&early), &bench.store)).collect();
    let Some(Verdict::Again(why)) = verdicts.last() else { panic!("{verdicts:?}") };
    assert!(why.contains("before its time was up"), "{why}");
    bench.flight.submitted(&bench.store);
    bench.flight.folder.clear_outcome();
    // Slurm may be a minute early: that is its time limit.
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait);
    let late = Row { used: Some(Duration::from_secs(3600 - 120 - 60)), ..row("COMPLETED", "None") };
    let verdict = (0..SURE).map(|_| bench.flight.look(Some(&late), &bench.store)).last().unwrap();
    assert!(error(verdict).contains("without a new checkpoint"));
}

#[test]
fn what_slurm_puts_back_into_its_queue_is_not_submitted_again() {
    let mut bench = bench();
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait);
    for state in ["COMPLETING", "COMPLETED", "PENDING"] {
        assert_eq!(bench.look(state, "BeginTime"), Verdict::Wait, "{state}");
    }
    assert_eq!(bench.look("RUNNING", "None"), Verdict::Wait);
    bench.ends_as("second", committed());
    assert_eq!(bench.flight.hear(), Verdict::Settled(committed()));
}

#[test]
fn what_an_attempt_wrote_before_its_job_went_back_says_nothing_more() {
    let mut bench = bench();
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait);
    assert_eq!(bench.look("PENDING", "BeginTime"), Verdict::Wait);
    // Slurm could not start it, and says that it has failed.
    assert!(matches!(bench.ended_as("FAILED"), Verdict::Again(_)));
    // The same, where the queue is faster than the node's word.
    let mut bench = self::bench();
    bench.flight.hear_begun();
    assert_eq!(bench.look("PENDING", "BeginTime"), Verdict::Wait);
    bench.ends(JobOutcome::Cancelled);
    assert_eq!(bench.flight.hear(), Verdict::Wait);
    assert!(matches!(bench.ended_as("FAILED"), Verdict::Again(_)));
}

#[test]
fn a_job_that_cannot_start_is_told_at_once_and_given_up_soon() {
    let mut bench = bench();
    assert_eq!(bench.look("PENDING", "Priority"), Verdict::Wait);
    assert_eq!(bench.look("PENDING", "PartitionConfig"), Verdict::Wait);
    let told: Vec<News> = bench.heard.try_iter().collect();
    let is_told = |news: &News| matches!(news, News::Signal(Signal::Note(text)) if text.contains("cannot start (PartitionConfig)"));
    assert!(told.iter().any(is_told), "{told:?}");
    assert!(error(bench.look("PENDING", "PartitionConfig")).contains("can never start: PartitionConfig"));
    assert!(matches!(bench.look("PENDING", "launch failed requeued held"), Verdict::Relaunch(_)));
    assert_eq!(bench.look("PENDING", "JobHeldUser"), Verdict::Wait, "whoever holds it may let it go");
}

#[test]
fn a_cluster_that_loses_a_step_again_and_again_is_given_up() {
    let mut bench = bench();
    for _ in 0..LOSSES {
        assert!(matches!(bench.ended_as("NODE_FAIL"), Verdict::Again(_)));
        bench.flight.submitted(&bench.store);
    }
    assert!(error(bench.ended_as("NODE_FAIL")).contains("has lost the step"));
}

#[test]
fn signals_are_passed_on_line_by_line_and_once() {
    let mut bench = bench();
    let line = json!({"note": "hello"}).to_string();
    std::fs::write(bench.flight.folder.signals(), format!("{line}\n{{\"no")).unwrap();
    bench.flight.pass_on_signals();
    bench.flight.pass_on_signals();
    std::fs::write(bench.flight.folder.signals(), format!("{line}\n{{\"note\": \"again\"}}\n")).unwrap();
    bench.flight.pass_on_signals();
    let notes: Vec<String> = bench
        .heard
        .try_iter()
        .filter_map(|news| if let News::Signal(Signal::Note(text)) = news { Some(text) } else { None })
        .collect();
    assert_eq!(notes, ["hello", "again"]);
}

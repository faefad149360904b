//! A stage step in a worker process of this binary.
//!
//! The parent starts `igpt-flow worker`, gives it the job on its standard input (a job may hold
//! credentials, so it is never a file) and reads one JSON message a line from its standard output; the
//! worker's standard error is the step's log. After the job the input says nothing more: its end means
//! "stop", so a worker whose orchestrator was killed writes its checkpoint and ends too. The worker
//! commits its own result.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use igpt_contract::Signal;

use super::bounds;
use super::error::exhausted;
use super::exhaustion::is_exhausted;
use super::guard::{Guarded, Guards, LaunchRequest, NotStarted, ProcessEnd, Stop};
use super::job::{Failure, Job, JobOutcome, SignalSink};
use super::message::Message;
use super::supervision::{Supervision, describe, visible_gpus};

/// How long a worker that was told to stop may take to end its training step and write its
/// checkpoint, which for large networks is gigabytes. Who cannot wait interrupts once more, or gives
/// the step a `grace` of its own.
const GRACE: Duration = Duration::from_secs(600);

/// How often a running worker is looked at for a time-out or an interrupt.
const TICK: Duration = Duration::from_millis(50);

/// Runs a job in a worker process and waits for it.
pub fn run_in_process(
    job: &Job,
    watch: &Supervision<'_>,
    sink: SignalSink<'_>,
    guards: &Guards,
) -> JobOutcome {
    match start(job, watch, guards) {
        Ok(worker) => follow(worker, watch, sink),
        Err(error) if is_exhausted(&error) => exhausted("start a worker process", &error).into(),
        Err(error) => JobOutcome::Failed(Failure::new(format!("cannot start a worker process: {error}"))),
    }
}

/// A worker that runs: its input, whose end stops it, and what it says.
struct Worker<'g> {
    guarded: Guarded<'g>,
    input: PipeWriter,
    output: PipeReader,
}

fn start<'g>(job: &Job, watch: &Supervision<'_>, guards: &'g Guards) -> io::Result<Worker<'g>> {
    let text = serde_json::to_vec(job)?;
    let request = LaunchRequest {
        argv: vec![this_binary()?.into(), "worker".into()],
        folder: PathBuf::new(),
        inherits: true,
        env: visible_gpus(&job.gpus).map(|(name, gpus)| (name.into(), gpus.into())).into_iter().collect(),
        stop: Stop::EndOfInput,
        grace: watch.grace.unwrap_or(GRACE),
    };
    let (theirs, mut input) = io::pipe()?;
    let (output, said) = io::pipe()?;
    let log = File::options().create(true).append(true).open(watch.log)?;
    let guarded = guards
        .start(&request, [theirs.into(), said.into(), log.into()])
        .map_err(|NotStarted(error)| error)?;
    // One that ended before it read this is judged by its end.
    let _ = input.write_all(&(text.len() as u64).to_le_bytes()).and_then(|()| input.write_all(&text));
    Ok(Worker { guarded, input, output })
}

/// The binary of this process, even when another was put in its place meanwhile.
pub(super) fn this_binary() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Forwards the worker's messages until it ends, and judges the end.
fn follow(worker: Worker<'_>, watch: &Supervision<'_>, sink: SignalSink<'_>) -> JobOutcome {
    let Worker { guarded, input, output } = worker;
    let outcome = Mutex::new(None);
    let began = AtomicBool::new(false);
    let listen = || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Message::Began) => began.store(true, Ordering::Relaxed),
                Ok(Message::Progress { done, total, unit }) => {
                    sink(Signal::Progress { done, total, unit: intern(&unit) });
                }
                Ok(Message::Metric { name, x, value }) => sink(Signal::Metric { name, x, value }),
                Ok(Message::Note(text)) => sink(Signal::Note(text)),
                Ok(Message::Outcome(told)) => {
                    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(*told);
                }
                Ok(Message::On(_)) => {}
                // A library that prints to standard output says nothing to us.
                Err(_) => {}
            }
        }
    };
    let waited = std::thread::scope(|scope| {
        // Without a thread to listen the worker is stopped: both of its pipes end here.
        std::thread::Builder::new().spawn_scoped(scope, listen)?;
        Ok(wait(guarded, input, watch, &began))
    });
    match waited {
        Ok((ended, timed_out)) => {
            let told = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
            outcome_of(ended, timed_out, told, watch)
        }
        Err(error) => exhausted("start a thread", &error).into(),
    }
}

/// Waits for the worker's end, stopping it on an interrupt or a time-out. A committed result counts
/// even when it came late.
fn wait(
    mut guarded: Guarded<'_>,
    input: PipeWriter,
    watch: &Supervision<'_>,
    began: &AtomicBool,
) -> (io::Result<ProcessEnd>, bool) {
    let mut working: Option<Instant> = None;
    let mut input = Some(input);
    let mut timed_out = false;
    loop {
        match guarded.wait(TICK) {
            Ok(None) => {}
            Ok(Some(ended)) => return (Ok(ended), timed_out),
            Err(error) => return (Err(error), timed_out),
        }
        if working.is_none() && began.load(Ordering::Relaxed) {
            working = Some(Instant::now());
        }
        if input.is_some() {
            let worked = working.map_or(Duration::ZERO, |since| since.elapsed());
            timed_out = watch.timeout.is_some_and(|limit| worked > limit);
            if timed_out || watch.cancelled.load(Ordering::Relaxed) {
                input.take();
                guarded.stop();
            }
        }
    }
}

fn outcome_of(
    ended: io::Result<ProcessEnd>,
    timed_out: bool,
    told: Option<JobOutcome>,
    watch: &Supervision<'_>,
) -> JobOutcome {
    match (told, ended) {
        (Some(committed @ JobOutcome::Committed(_)), _) => committed,
        _ if timed_out => JobOutcome::Failed(bounds::timed_out(
            watch.timeout.unwrap_or_default(),
            "raise `timeout` of the step; its checkpoints are kept",
        )),
        _ if watch.cancelled.load(Ordering::Relaxed) => JobOutcome::Cancelled,
        (Some(told), _) => told,
        (None, Ok(ended)) => {
            let what = describe(ended.status);
            JobOutcome::Failed(Failure::new(format!("the worker ended without a result: {what}")))
        }
        (None, Err(error)) => JobOutcome::Failed(Failure::new(format!("lost the worker: {error}"))),
    }
}

/// Units are a handful of words: each is leaked once.
pub(super) fn intern(unit: &str) -> &'static str {
    static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.iter().find(|known| **known == unit) {
        return found;
    }
    let leaked: &'static str = Box::leak(unit.to_owned().into_boxed_str());
    known.push(leaked);
    leaked
}

//! A stage step in a worker process of this binary.
//!
//! The parent starts `igpt-flow worker`, gives it the job on its standard input (a job may hold
//! credentials, so it is never a file) and reads one JSON message a line from its standard output; the
//! worker's standard error is the step's log. After the job the input says nothing more: its end means
//! "stop", so a worker whose orchestrator was killed writes its checkpoint and ends too. The worker
//! commits its own result.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use igpt_contract::{DynStage, Signal};
use serde::{Deserialize, Serialize};

use super::attempt::{Stopped, attempt_stage};
use super::guard::{Ended, Guarded, Guards, NotStarted, Order, Stop, is_want_of_room};
use super::job::{Failure, Job, JobOutcome, Outlet};
use super::limits;
use super::pool;
use super::step_log::StepLog;

/// How long a worker that was told to stop may take to end its training step and write its
/// checkpoint, which for large networks is gigabytes. Who cannot wait interrupts once more, or gives
/// the step a `grace` of its own.
const GRACE: Duration = Duration::from_secs(600);

/// How often a running worker is looked at for a time-out or an interrupt.
const TICK: Duration = Duration::from_millis(50);

/// A worker says at most this often how far it is, and each metric's value: a training of a million
/// steps must not fill the run's events with millions of lines. Whole curves are in its metrics.
const PROGRESS: Duration = Duration::from_millis(250);

/// One line from a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// The lock is there and the work begins: a time-out counts from here.
    Began,
    Progress {
        done: u64,
        total: u64,
        unit: String,
    },
    Metric {
        name: String,
        x: f64,
        #[serde(with = "igpt_contract::float")]
        value: f64,
    },
    Note(String),
    Outcome(Box<JobOutcome>),
}

/// The rules under which an attempt is watched.
pub struct Watch<'a> {
    /// Where the log goes.
    pub log: &'a Path,
    /// How long the attempt may take.
    pub timeout: Option<Duration>,
    /// How long it may take to end once it was told to, where the step says.
    pub grace: Option<Duration>,
    /// Set when the run is being stopped.
    pub cancelled: &'a AtomicBool,
}

/// Runs a job in a worker process and waits for it.
pub fn run_in_process(job: &Job, watch: &Watch<'_>, outlet: Outlet<'_>, guards: &Guards) -> JobOutcome {
    match start(job, watch, guards) {
        Ok(worker) => follow(worker, watch, outlet),
        Err(error) if is_want_of_room(&error) => no_room("start a worker process", &error).into(),
        Err(error) => JobOutcome::Failed(Failure::new(format!("cannot start a worker process: {error}"))),
    }
}

/// A worker that runs: its input, whose end stops it, and what it says.
struct Worker<'g> {
    guarded: Guarded<'g>,
    input: PipeWriter,
    output: PipeReader,
}

fn start<'g>(job: &Job, watch: &Watch<'_>, guards: &'g Guards) -> io::Result<Worker<'g>> {
    let text = serde_json::to_vec(job)?;
    let order = Order {
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
    let guarded =
        guards.start(&order, [theirs.into(), said.into(), log.into()]).map_err(|NotStarted(error)| error)?;
    // One that ended before it read this is judged by its end.
    let _ = input.write_all(&(text.len() as u64).to_le_bytes()).and_then(|()| input.write_all(&text));
    Ok(Worker { guarded, input, output })
}

/// The machine has no room for what somebody wanted to do.
pub(super) fn no_room(doing: &str, error: &io::Error) -> Stopped {
    Stopped::NoRoom(Failure {
        error: format!("cannot {doing}: {error}"),
        hint: Some(limits::RAISE.to_owned()),
    })
}

/// The binary of this process, even when another was put in its place meanwhile.
fn this_binary() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// The variable that says which GPUs a process sees.
pub(super) const GPUS: &str = "CUDA_VISIBLE_DEVICES";

/// The variable that shows a process the GPUs that it was given and no others; nothing for a step
/// that was given none. Ours may be a selection itself, as on a cluster.
pub(super) fn visible_gpus(gpus: &[u32]) -> Option<(&'static str, String)> {
    let ours = std::env::var(GPUS).unwrap_or_default();
    let ours: Vec<&str> = ours.split(',').filter(|name| !name.is_empty()).collect();
    let name = |gpu: &u32| ours.get(*gpu as usize).map_or_else(|| gpu.to_string(), |name| (*name).to_owned());
    let names: Vec<String> = gpus.iter().map(name).collect();
    (!names.is_empty()).then(|| (GPUS, names.join(",")))
}

/// Forwards the worker's messages until it ends, and judges the end.
fn follow(worker: Worker<'_>, watch: &Watch<'_>, outlet: Outlet<'_>) -> JobOutcome {
    let Worker { guarded, input, output } = worker;
    let outcome = Mutex::new(None);
    let began = AtomicBool::new(false);
    let listen = || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Message::Began) => began.store(true, Ordering::Relaxed),
                Ok(Message::Progress { done, total, unit }) => {
                    outlet(Signal::Progress { done, total, unit: intern(&unit) });
                }
                Ok(Message::Metric { name, x, value }) => outlet(Signal::Metric { name, x, value }),
                Ok(Message::Note(text)) => outlet(Signal::Note(text)),
                Ok(Message::Outcome(told)) => {
                    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(*told);
                }
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
            judge(ended, timed_out, told, watch)
        }
        Err(error) => no_room("start a thread", &error).into(),
    }
}

/// Waits for the worker's end, stopping it on an interrupt or a time-out. A committed result counts
/// even when it came late.
fn wait(
    mut guarded: Guarded<'_>,
    input: PipeWriter,
    watch: &Watch<'_>,
    began: &AtomicBool,
) -> (io::Result<Ended>, bool) {
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

fn judge(
    ended: io::Result<Ended>,
    timed_out: bool,
    told: Option<JobOutcome>,
    watch: &Watch<'_>,
) -> JobOutcome {
    match (told, ended) {
        (Some(committed @ JobOutcome::Committed(_)), _) => committed,
        _ if timed_out => JobOutcome::Failed(limits::timed_out(
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

/// An exit status in words.
pub(super) fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let cause = match signal {
            libc::SIGKILL => " (killed, perhaps for memory)",
            libc::SIGSEGV => " (segmentation fault)",
            libc::SIGABRT => " (aborted)",
            libc::SIGXFSZ => " (a file grew over the limit)",
            _ => "",
        };
        return format!("killed by signal {signal}{cause}");
    }
    status.code().map_or_else(|| "no exit status".to_owned(), |code| format!("exit status {code}"))
}

/// Units are a handful of words: each is leaked once.
fn intern(unit: &str) -> &'static str {
    static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.iter().find(|known| **known == unit) {
        return found;
    }
    let leaked: &'static str = Box::leak(unit.to_owned().into_boxed_str());
    known.push(leaked);
    leaked
}

/// The job at the beginning of a worker's input: its length, then its JSON.
fn read_job(input: &mut impl io::Read) -> io::Result<Job> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let mut text = Vec::new();
    input.take(u64::from_le_bytes(length)).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// The worker's side: reads the job, does the work, reports on `output`.
///
/// # Errors
/// If the job cannot be read or the result cannot be reported: the parent then judges by the
/// exit status.
pub fn worker(
    find: impl Fn(&str) -> Option<Arc<dyn DynStage>>,
    output: impl std::io::Write + Send + 'static,
) -> std::io::Result<()> {
    let job = read_job(&mut std::io::stdin())?;
    pool::prepare()?;
    let cancelled = Arc::new(AtomicBool::new(false));
    cancel_at_end_of_input(Arc::clone(&cancelled))?;
    let output = Arc::new(Mutex::new(output));
    let say = {
        let output = Arc::clone(&output);
        move |message: &Message| -> std::io::Result<()> {
            let mut line = serde_json::to_vec(message)?;
            line.push(b'\n');
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.write_all(&line)?;
            output.flush()
        }
    };
    let step_log = Arc::new(Mutex::new(StepLog::default()));
    let started = Instant::now();
    let sink = {
        let (say, step_log) = (say.clone(), Arc::clone(&step_log));
        let told = Mutex::new(HashMap::<String, Instant>::new());
        let is_due = move |what: &str| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let due = told.get(what).is_none_or(|told| told.elapsed() >= PROGRESS);
            if due {
                told.insert(what.to_owned(), Instant::now());
            }
            due
        };
        move |signal: Signal| {
            let line = {
                let mut log = step_log.lock().unwrap_or_else(PoisonError::into_inner);
                log.take(started.elapsed(), &signal)
            };
            line.as_deref().into_iter().for_each(log);
            let message = match signal {
                Signal::Progress { done, total, unit } => {
                    let last = total > 0 && done >= total;
                    if !is_due("") && !last {
                        return;
                    }
                    Message::Progress { done, total, unit: unit.into() }
                }
                Signal::Metric { name, x, value } => {
                    if !is_due(&name) {
                        return;
                    }
                    Message::Metric { name, x, value }
                }
                Signal::Note(text) => Message::Note(text),
                // Facts are for the record, which is written here.
                Signal::Log(_) | Signal::Fact { .. } => return,
            };
            // A parent that is gone is noticed at the end of the input.
            let _ = say(&message);
        }
    };
    let began = || drop(say(&Message::Began));
    let outcome = attempt_stage(&job, find, cancelled, began, sink);
    let rest = step_log.lock().unwrap_or_else(PoisonError::into_inner).rest(started.elapsed());
    rest.as_deref().into_iter().for_each(log);
    say(&Message::Outcome(Box::new(outcome)))
}

/// Writes a line into the step's log, a worker's standard error. That there is no room for it is no
/// reason to stop.
fn log(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Sets the flag when the parent closes the pipe, or is gone.
fn cancel_at_end_of_input(cancelled: Arc<AtomicBool>) -> io::Result<()> {
    let listen = move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(n) if n > 0) {}
        cancelled.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().spawn(listen).map(drop)
}

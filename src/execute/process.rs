//! A stage step in a worker process of this binary.
//!
//! The parent writes the job file, starts `igpt-flow worker JOB` and reads one JSON message a line
//! from its standard output; the worker's standard error is the step's log. The worker's standard
//! input is a pipe that says nothing: its end means "stop", so a worker whose orchestrator was
//! killed writes its checkpoint and ends too. The worker commits its own result.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use igpt_contract::{DynStage, Signal};
use serde::{Deserialize, Serialize};

use super::attempt::attempt_stage;
use super::job::{Failure, Job, JobOutcome, Outlet};

/// How long a worker that was told to stop may take to end its training step and write its
/// checkpoint, which for large networks is gigabytes. Who cannot wait interrupts once more.
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
    /// Set when the run is being stopped.
    pub cancelled: &'a AtomicBool,
}

/// Runs a job in a worker process and waits for it.
pub fn run_in_process(job: &Job, watch: &Watch<'_>, outlet: Outlet<'_>) -> JobOutcome {
    match start(job, watch) {
        Ok((child, stdin)) => follow(child, stdin, watch, outlet),
        Err(error) => JobOutcome::Failed(Failure::new(format!("cannot start a worker process: {error}"))),
    }
}

fn start(job: &Job, watch: &Watch<'_>) -> std::io::Result<(Child, ChildStdin)> {
    let job_file = watch.log.with_extension("job.json");
    std::fs::write(&job_file, serde_json::to_vec_pretty(job)?)?;
    let mut child = Command::new(this_binary()?)
        .arg("worker")
        .arg(&job_file)
        .envs(visible_gpus(&job.gpus))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(watch.log)?)
        .spawn()?;
    let stdin =
        child.stdin.take().ok_or_else(|| std::io::Error::other("the worker has no standard input"))?;
    Ok((child, stdin))
}

/// The binary of this process, even when another was put in its place meanwhile.
fn this_binary() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// The variable that shows a process the GPUs that it was given and no others; nothing for a step
/// that was given none. Ours may be a selection itself, as on a cluster.
pub(super) fn visible_gpus(gpus: &[u32]) -> Option<(&'static str, String)> {
    const VARIABLE: &str = "CUDA_VISIBLE_DEVICES";
    let ours = std::env::var(VARIABLE).unwrap_or_default();
    let ours: Vec<&str> = ours.split(',').filter(|name| !name.is_empty()).collect();
    let name = |gpu: &u32| ours.get(*gpu as usize).map_or_else(|| gpu.to_string(), |name| (*name).to_owned());
    let names: Vec<String> = gpus.iter().map(name).collect();
    (!names.is_empty()).then(|| (VARIABLE, names.join(",")))
}

/// Forwards the worker's messages until it ends, and judges the end.
fn follow(mut child: Child, stdin: ChildStdin, watch: &Watch<'_>, outlet: Outlet<'_>) -> JobOutcome {
    let Some(stdout) = child.stdout.take() else {
        return JobOutcome::Failed(Failure::new("the worker has no standard output"));
    };
    let outcome = Mutex::new(None);
    let began = AtomicBool::new(false);
    let (status, timed_out) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
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
        });
        wait(&mut child, stdin, watch, &began)
    });
    let told = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    judge(status, timed_out, told, watch)
}

/// Waits for the worker's end, stopping it on an interrupt or a time-out. A committed result counts
/// even when it came late.
fn wait(
    child: &mut Child,
    stdin: ChildStdin,
    watch: &Watch<'_>,
    began: &AtomicBool,
) -> (std::io::Result<ExitStatus>, bool) {
    let started = Instant::now();
    let mut working: Option<Instant> = None;
    let mut stdin = Some(stdin);
    let mut stopping: Option<Instant> = None;
    let mut timed_out = false;
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return (Ok(status), timed_out),
            Err(error) => return (Err(error), timed_out),
        }
        if working.is_none() && began.load(Ordering::Relaxed) {
            working = Some(Instant::now());
        }
        if stopping.is_none() {
            let worked = working.map_or(Duration::ZERO, |since| since.elapsed());
            timed_out = watch.timeout.is_some_and(|limit| worked > limit);
            if timed_out || watch.cancelled.load(Ordering::Relaxed) {
                stdin.take();
                stopping = Some(Instant::now());
            }
        }
        if stopping.is_some_and(|since| since.elapsed() > GRACE) {
            // It had its time; whatever it wrote is in its checkpoints.
            let _ = child.kill();
        }
        // Short steps are answered at once, long ones do not cost a spinning core.
        std::thread::sleep(TICK.min(started.elapsed() / 8 + Duration::from_micros(200)));
    }
}

fn judge(
    status: std::io::Result<ExitStatus>,
    timed_out: bool,
    told: Option<JobOutcome>,
    watch: &Watch<'_>,
) -> JobOutcome {
    match (told, status) {
        (Some(committed @ JobOutcome::Committed(_)), _) => committed,
        _ if timed_out => JobOutcome::Failed(Failure {
            error: format!("took longer than its time-out of {:?}", watch.timeout.unwrap_or_default()),
            hint: Some("raise `timeout` of the step; its checkpoints are kept".to_owned()),
        }),
        _ if watch.cancelled.load(Ordering::Relaxed) => JobOutcome::Cancelled,
        (Some(told), _) => told,
        (None, Ok(status)) => {
            let what = describe(status);
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

/// The worker's side: reads the job file, does the work, reports on `output`.
///
/// # Errors
/// If the job file cannot be read or the result cannot be reported: the parent then judges by the
/// exit status.
pub fn worker(
    job_file: &Path,
    find: impl Fn(&str) -> Option<Arc<dyn DynStage>>,
    output: impl std::io::Write + Send + 'static,
) -> std::io::Result<()> {
    let job: Job = serde_json::from_slice(&std::fs::read(job_file)?)?;
    let cancelled = Arc::new(AtomicBool::new(false));
    cancel_at_end_of_input(Arc::clone(&cancelled));
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
    let sink = {
        let say = say.clone();
        let told = Mutex::new(HashMap::<String, Instant>::new());
        let is_due = move |what: &str| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let due = told.get(what).is_none_or(|told| told.elapsed() >= PROGRESS);
            if due {
                told.insert(what.to_owned(), Instant::now());
            }
            due
        };
        move |signal| {
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
                Signal::Fact { .. } => return,
            };
            // A parent that is gone is noticed at the end of the input.
            let _ = say(&message);
        }
    };
    let began = || drop(say(&Message::Began));
    let outcome = attempt_stage(&job, find, cancelled, began, sink);
    say(&Message::Outcome(Box::new(outcome)))
}

/// Sets the flag when the parent closes the pipe, or is gone.
fn cancel_at_end_of_input(cancelled: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(n) if n > 0) {}
        cancelled.store(true, Ordering::Relaxed);
    });
}

//! The worker's side of a stage step: reads the job, does the work, reports to its parent.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use igpt_contract::{DynStage, Signal};

use super::job::Job;
use super::message::Message;
use super::pool;
use super::stage::attempt_stage;
use super::step_log::StepLog;

/// A worker says at most this often how far it is, and each metric's value: a training of a million
/// steps must not fill the run's events with millions of lines. Whole curves are in its metrics.
const PROGRESS: Duration = Duration::from_millis(250);

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

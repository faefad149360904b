//! The life of one attempt: take the key's lock, look for a result once more, lay out a scratch
//! folder, do the work, admit the outputs, commit the record.
//!
//! The lock is the operating system's and dies with the process; a second run that wants the same
//! step waits here and then finds the record. Only work that ended well with every declared output
//! present is ever committed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use igpt_contract::{
    DynStage, LabelledInput, MetricValues, Signal, StageContext, StageError, StageIo, instruction_set,
};
use serde_json::Value;

use super::bounds::{Bounds, discard, failed_or_exhausted, is_scarcity};
use super::inputs::{InputMode, Inputs};
use super::job::{Failure, Job, JobOutcome, JobResult, JobWork, SignalSink};
use crate::store::{Cost, InputSource, KeyLock, Program, Record, Store, StoreError, host};

/// How long to wait before another look at a lock that somebody else holds.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// How long a wait for a lock may last unsaid.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Why an attempt did not end well.
pub(super) enum AttemptError {
    Cancelled,
    /// An input is not in the store any more.
    Unready(Failure),
    /// There was no process or thread for the work.
    NoRoom(Failure),
    Failed(Failure),
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Missing { .. }) {
            return Self::Unready(error.into());
        }
        let scarce = is_scarcity(&error);
        failed_or_exhausted(error.into(), scarce)
    }
}

impl From<std::io::Error> for AttemptError {
    fn from(error: std::io::Error) -> Self {
        failed_or_exhausted(Failure::new(format!("the step's scratch folder: {error}")), is_scarcity(&error))
    }
}

impl From<AttemptError> for JobOutcome {
    fn from(stopped: AttemptError) -> Self {
        match stopped {
            AttemptError::Cancelled => Self::Cancelled,
            AttemptError::Unready(failure) => Self::Unready(failure),
            AttemptError::NoRoom(failure) => Self::NoRoom(failure),
            AttemptError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// What an attempt's work is given: the store, the step's lock, its inputs, the empty scratch folder.
pub(super) struct Workspace<'a> {
    pub(super) store: &'a Store,
    pub(super) lock: &'a KeyLock,
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) scratch: &'a Path,
}

/// What the work leaves behind.
pub(super) struct WorkOutput {
    /// Output port -> where it is in the scratch folder.
    pub(super) places: BTreeMap<String, PathBuf>,
    /// What it says of what it read from outside.
    pub(super) facts: BTreeMap<String, Value>,
}

/// Runs an attempt at a job: `work` fills the scratch folder and says where each output is.
pub(super) fn attempt(
    job: &Job,
    cancelled: &AtomicBool,
    timeout: Option<Duration>,
    outlet: SignalSink<'_>,
    usage: impl Fn() -> Usage,
    work: impl FnOnce(Workspace<'_>) -> Result<WorkOutput, AttemptError>,
) -> JobOutcome {
    let result = Store::open(&job.store).map_err(AttemptError::from).and_then(|store| {
        let result = attempt_in(&store, job, cancelled, timeout, outlet, usage, work);
        for path in store.take_quarantined() {
            outlet(Signal::Note(format!("found damaged and set aside: {}", path.display())));
        }
        result
    });
    result.map_or_else(JobOutcome::from, JobOutcome::Committed)
}

fn attempt_in(
    store: &Store,
    job: &Job,
    cancelled: &AtomicBool,
    timeout: Option<Duration>,
    outlet: SignalSink<'_>,
    usage: impl Fn() -> Usage,
    work: impl FnOnce(Workspace<'_>) -> Result<WorkOutput, AttemptError>,
) -> Result<JobResult, AttemptError> {
    let lock = wait_for_lock(store, job, cancelled, outlet)?;
    if !job.force
        && let Some(record) = store.record(&job.key)
        && record.outputs.values().all(|artifact| store.contains(artifact))
    {
        return Ok(JobResult { outputs: record.outputs, cost: record.cost, adopted: true });
    }
    let scratch = store.fresh_scratch(&job.key)?;
    let (before, started) = (usage(), Instant::now());
    let bounds = Bounds { cancelled, timeout, started };
    let discarded = |stopped: &AttemptError| discard(store, job, stopped, outlet);
    let from = job.inputs_in.as_deref().map(Store::open_existing).transpose()?;
    let inputs = Inputs::new(from.as_ref().unwrap_or(store));
    let site = Workspace { store, lock: &lock, inputs: &inputs, scratch: &scratch };
    let WorkOutput { places, facts } = work(site).inspect_err(discarded)?;
    let after = usage();
    bounds.check().inspect_err(discarded)?;
    let cost = Cost {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: (after.cpu_s - before.cpu_s).max(0.0),
        peak_memory_mib: after.peak_memory_mib,
    };
    let metrics = metrics(&places);
    let outputs = admit(store, job, &places, &bounds).inspect_err(discarded)?;
    inputs.check(job).inspect_err(discarded)?;
    lock.commit(&Record {
        key: job.key,
        outputs: outputs.clone(),
        material: job.material.clone(),
        sources: sources(job),
        facts,
        metrics,
        cost,
        host: host(),
        instruction_set: instruction_set(),
        program: Program::this(),
        finished: jiff::Timestamp::now(),
        pipeline: job.pipeline.clone(),
        step: job.step.clone(),
        run: job.run.clone(),
    })?;
    Ok(JobResult { outputs, cost, adopted: false })
}

/// Where each input came from, in the order of the key's material.
fn sources(job: &Job) -> BTreeMap<String, Vec<InputSource>> {
    let mut sources: BTreeMap<String, Vec<InputSource>> = BTreeMap::new();
    for input in &job.inputs {
        sources.entry(input.port.clone()).or_default().push(input.source.clone());
    }
    sources
}

fn wait_for_lock(
    store: &Store,
    job: &Job,
    cancelled: &AtomicBool,
    outlet: SignalSink<'_>,
) -> Result<KeyLock, AttemptError> {
    let since = Instant::now();
    let mut said = false;
    loop {
        if let Some(lock) = store.try_lock(&job.key)? {
            return Ok(lock);
        }
        if cancelled.load(Ordering::Relaxed) {
            return Err(AttemptError::Cancelled);
        }
        if !said && since.elapsed() > LOCK_PATIENCE {
            said = true;
            let holder = store.holder(&job.key).unwrap_or_else(|| "another run".to_owned());
            outlet(Signal::Note(format!("waits: {holder} works on the same step")));
        }
        std::thread::sleep(LOCK_POLL);
    }
}

fn admit(
    store: &Store,
    job: &Job,
    places: &BTreeMap<String, PathBuf>,
    bounds: &Bounds<'_>,
) -> Result<BTreeMap<String, crate::store::Artifact>, AttemptError> {
    let mut outputs = BTreeMap::new();
    for port in &job.outputs {
        let place = places.get(port).filter(|place| is_present(place)).ok_or_else(|| {
            AttemptError::Failed(Failure {
                error: format!("the step ended well but left its output `{port}` empty"),
                hint: Some("every declared output must be written".to_owned()),
            })
        })?;
        outputs.insert(port.clone(), store.insert(place)?);
        bounds.check()?;
    }
    Ok(outputs)
}

/// A step's own metrics, kept with its record so that a reused step can still show them.
fn metrics(places: &BTreeMap<String, PathBuf>) -> MetricValues {
    places.get("metrics").and_then(|folder| MetricValues::read(folder).ok()).unwrap_or_default()
}

/// A file, or a folder with something in it.
fn is_present(place: &Path) -> bool {
    match std::fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_dir() => {
            std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some())
        }
        Ok(_) => true,
        Err(_) => false,
    }
}

/// Runs an attempt at a stage step in this process; `began` is told when the work itself begins.
pub fn attempt_stage(
    job: &Job,
    find: impl Fn(&str) -> Option<Arc<dyn DynStage>>,
    cancelled: Arc<AtomicBool>,
    began: impl FnOnce(),
    sink: impl Fn(Signal) + Send + Sync + 'static,
) -> JobOutcome {
    let flag = Arc::clone(&cancelled);
    let sink = Arc::new(sink);
    let outlet = Arc::clone(&sink);
    attempt(
        job,
        &flag,
        // Our parent keeps the time.
        None,
        &*outlet,
        || usage(libc::RUSAGE_SELF),
        move |Workspace { store, inputs, scratch, .. }| {
            began();
            let JobWork::Stage { kind, params, seed } = &job.work else {
                return Err(AttemptError::Failed(Failure::new("a worker runs stages, not commands")));
            };
            let stage = find(kind).ok_or_else(|| {
                AttemptError::Failed(Failure::new(format!("this binary has no stage kind `{kind}`")))
            })?;
            let io = stage_io(inputs, scratch, job)?;
            let checkpoints = store.checkpoints(&job.key)?;
            let facts = Arc::new(Mutex::new(BTreeMap::new()));
            let into = Arc::clone(&facts);
            let sink = move |signal| match signal {
                Signal::Fact { name, value } => {
                    into.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
                }
                signal => sink(signal),
            };
            let cx = StageContext::new(*seed, job.threads, checkpoints, sink)
                .on_device(job.device.clone())
                .offline(job.offline)
                .cancelled_by(cancelled);
            match catch_unwind(AssertUnwindSafe(|| stage.run(params, &io, &cx))) {
                Ok(Ok(())) => {
                    let facts = std::mem::take(&mut *facts.lock().unwrap_or_else(PoisonError::into_inner));
                    Ok(WorkOutput { places: io.outputs, facts })
                }
                Ok(Err(error)) => Err(stopped(error)),
                Err(panic) => Err(AttemptError::Failed(Failure {
                    error: format!("the stage panicked: {}", panic_text(&*panic)),
                    hint: Some("this is a bug of the stage; its log has the place".to_owned()),
                })),
            }
        },
    )
}

fn stage_io(inputs: &Inputs<'_>, scratch: &Path, job: &Job) -> Result<StageIo, AttemptError> {
    let mut io = StageIo::default();
    for input in &job.inputs {
        let artifacts = io.inputs.entry(input.port.clone()).or_default();
        let port = scratch.join("in").join(&input.port);
        std::fs::create_dir_all(&port)?;
        let path = port.join(artifacts.len().to_string());
        inputs.place(&input.from, InputMode::Linked, &path)?;
        artifacts.push(LabelledInput { path, labels: input.labels.clone() });
    }
    for port in &job.outputs {
        let path = scratch.join("out").join(port);
        std::fs::create_dir_all(&path)?;
        io.outputs.insert(port.clone(), path);
    }
    Ok(io)
}

fn stopped(error: StageError) -> AttemptError {
    match error {
        StageError::Cancelled => AttemptError::Cancelled,
        StageError::Failed { ref hint, .. } => {
            AttemptError::Failed(Failure { hint: hint.clone(), ..Failure::from_error(&error) })
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// What a process (or its ended children) has used of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu_s: f64,
    pub(super) peak_memory_mib: f64,
}

/// Reads the resource use of `RUSAGE_SELF`, or of `RUSAGE_CHILDREN`.
pub(super) fn usage(who: libc::c_int) -> Usage {
    // SAFETY: getrusage fills the struct that it is given; all-zero bytes are a valid one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    Usage::from_rusage(&usage)
}

impl Usage {
    /// Nothing used.
    pub(super) const ZERO: Self = Self { cpu_s: 0.0, peak_memory_mib: 0.0 };

    /// What an ended child used.
    pub(super) fn from_rusage(usage: &libc::rusage) -> Self {
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
        // Linux counts the peak in KiB, macOS in bytes.
        let per_mib = if cfg!(target_os = "macos") { 1024.0 * 1024.0 } else { 1024.0 };
        Self {
            cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peak_memory_mib: usage.ru_maxrss as f64 / per_mib,
        }
    }
}

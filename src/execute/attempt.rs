//! The life of one attempt: take the key's lock, look for a result once more, lay out a scratch
//! folder, do the work, admit the outputs, commit the record.
//!
//! The lock is the operating system's and dies with the process; a second run that wants the same
//! step waits here and then finds the record. Only work that succeeded with every declared output
//! present is ever committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use igpt_contract::{METRICS_FILE, MetricValues, Signal, instruction_set};
use serde_json::Value;

use super::bounds::{Bounds, discard};
use super::error::AttemptError;
use super::inputs::Inputs;
use super::job::{Failure, Job, JobOutcome, JobResult, SignalSink};
use super::usage::Usage;
use crate::store::{Cost, InputSource, KeyLock, Program, Record, Store, host};

/// How long to wait before another look at a lock that somebody else holds.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// How long a wait for a lock may last unsaid.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

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
            outlet(Signal::Note(format!("damaged and moved to quarantine: {}", path.display())));
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
    let scratch = store.fresh_scratch(&job.key, job.attempt.as_deref())?;
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
    let metrics = metrics(&places, outlet);
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
    if let Some(attempt) = &job.attempt {
        store.clean_up(&job.key, Some(attempt));
    }
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
            outlet(Signal::Note(format!("waiting: {holder} is running the same step")));
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
                error: format!("the step succeeded but wrote nothing to its output `{port}`"),
                hint: Some("every declared output must be written".to_owned()),
            })
        })?;
        outputs.insert(port.clone(), store.insert(place)?);
        bounds.check()?;
    }
    Ok(outputs)
}

/// A step's own metrics, kept with its record so that a reused step can still show them: of the port
/// `metrics`, else of the first output that holds a `metrics.json`, as those of commands do.
fn metrics(places: &BTreeMap<String, PathBuf>, outlet: SignalSink<'_>) -> MetricValues {
    let named = places.get_key_value("metrics");
    let mut folders = named.into_iter().chain(places).filter(|(_, place)| place.join(METRICS_FILE).is_file());
    let Some((port, folder)) = folders.next() else { return MetricValues::default() };
    MetricValues::read(folder).unwrap_or_else(|error| {
        outlet(Signal::Note(format!("the output `{port}` has no numbers to show: {error}")));
        MetricValues::default()
    })
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

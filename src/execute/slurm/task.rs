//! The node's side: the jobs of one task of the cluster, one after another, by the executor of a single
//! machine. It holds the pipe whose end stops a worker, and guards what the steps start; the cluster's
//! TERM (a time limit that comes near, a cancellation) is its Ctrl-C.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use igpt_contract::Signal;

use super::check;
use super::order::{Ended, Order, TaskOrder};
use crate::execute::guard::Guards;
use crate::execute::job::{Failure, InputFrom, JobOutcome};
use crate::execute::local::Local;
use crate::execute::message::Message;
use crate::execute::{Executor as _, Supervision};
use crate::machine;
use crate::store::{Batch, JobFolder, JobNews, Place, StatCache, Store, StoreError, host, list_folder};

/// A step's progress and each of its metrics are passed on at most this often.
const SELDOM: Duration = Duration::from_secs(1);

/// How long after the end of a step it may be heard that its end was asked for.
const HEARD: Duration = Duration::from_secs(1);

/// How long a file of the run's may take to be seen here.
const VISIBLE: Duration = Duration::from_secs(20);

/// A task of the cluster that was read, and has not begun.
#[derive(Debug)]
pub struct Task {
    batch: PathBuf,
    number: u32,
    order: TaskOrder,
}

impl Task {
    /// The task of that number of the submission whose folder this is; none where the run has given it up
    /// meanwhile. Works in the folder in which the run was started, from here on.
    pub fn enter(batch: &Path, number: u32) -> Option<Self> {
        let since = Instant::now();
        let order: TaskOrder = loop {
            if let Some(order) = Batch::read_task(batch, number) {
                break order;
            }
            if since.elapsed() > VISIBLE {
                return None;
            }
            list_folder(batch);
            std::thread::sleep(Duration::from_secs(1));
        };
        // Where that is not there, paths that need it fail by name.
        let _ = std::env::set_current_dir(&order.folder);
        Some(Self { batch: batch.to_owned(), number, order })
    }

    /// Does the jobs. `told` is set by the cluster's TERM; `numerics` is the numerics class of a device here.
    ///
    /// # Errors
    /// If the store cannot be used. Whatever comes of a step is said in its folder.
    pub fn run(
        self,
        guards: Guards,
        told: &AtomicBool,
        numerics: impl Fn(&str) -> Result<String, String>,
    ) -> Result<(), StoreError> {
        if let Some(device) = &self.order.check {
            check::report(&self.batch, node(), numerics(device));
            return Ok(());
        }
        let store = Store::open_existing(&self.order.store)?;
        let _live = store.hold()?;
        let local = Local::new(guards);
        let place = Place { batch: self.order.batch.clone(), task: self.number };
        for key in &self.order.jobs {
            let folder = store.job_folder(key);
            // Whoever was given another task since does it; what is done is done.
            let is_ours = || folder.place().as_ref() == Some(&place);
            if !is_ours() || folder.outcome::<Ended>().is_some_and(|ended| ended.is_final()) {
                continue;
            }
            let Some(order) = folder.job::<Order>() else { continue };
            let (name, begun) = (name(), !told.load(Ordering::Relaxed));
            let outcome = match begun {
                true => attempt(&store, &folder, order, &name, &local, told, &numerics)?,
                false => JobOutcome::Cancelled,
            };
            let ended = Ended { outcome, attempt: name, begun, node: node() };
            // A run that has given up on us has removed the folder, or given the job to another.
            if is_ours() {
                folder.put_outcome(&ended)?;
            }
        }
        Ok(())
    }
}

fn attempt(
    store: &Store,
    folder: &JobFolder,
    order: Order,
    name: &str,
    local: &Local,
    told: &AtomicBool,
    numerics: &impl Fn(&str) -> Result<String, String>,
) -> Result<JobOutcome, StoreError> {
    let Order { mut job, log, timeout, grace, gpus } = order;
    folder.clear_outcome();
    let path = folder.signals();
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|source| StoreError::Io { doing: "open", path, source })?;
    let outlet = Outlet { file: Mutex::new(file), told: Mutex::default() };
    outlet.say(&Message::On(node()));
    folder.tell(JobNews::Began)?;
    if let Some(wanted) = &job.material.numerics {
        match numerics(&job.device) {
            Ok(class) if class == *wanted => {}
            Ok(class) => return Ok(other_numerics(&job.device, wanted, &class)),
            Err(error) => {
                return Ok(JobOutcome::Failed(Failure::new(format!("on node {}: {error}", node()))));
            }
        }
    }
    for input in &mut job.inputs {
        if let InputFrom::Disk(disk) = &mut input.from {
            match StatCache::seen_here(store, &disk.place, &disk.read) {
                Ok(Some(here)) => disk.read = here,
                Ok(None) => {
                    let error = format!(
                        "on node {} `{}` holds something else than where the run was started",
                        node(),
                        disk.place.path.display()
                    );
                    let hint = Some("inputs must be on a disk that all nodes share".to_owned());
                    return Ok(JobOutcome::Failed(Failure { error, hint }));
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    let error = format!("on node {}: {}", node(), failure.error);
                    let hint =
                        failure.hint.or(Some("inputs must be on a disk that all nodes share".to_owned()));
                    return Ok(JobOutcome::Failed(Failure { error, hint }));
                }
            }
        }
    }
    job.attempt = Some(name.to_owned());
    // Those that the cluster has given us, as we count them.
    job.gpus = (0..gpus.min(machine::budget(None, None).gpus)).collect();
    let watch = Supervision { log: &log, timeout, grace, cancelled: told, state: &|_| {} };
    let sink = |signal| outlet.signal(signal);
    let mut outcome = local.execute(&job, &watch, &sink);
    for pause in [1, 4, 15] {
        // Or not seen here yet.
        if !matches!(outcome, JobOutcome::MissingInput(_)) || told.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(Duration::from_secs(pause));
        for input in &job.inputs {
            if let InputFrom::Store(artifact) = &input.from {
                store.list_beside(artifact);
            }
        }
        outcome = local.execute(&job, &watch, &sink);
    }
    if matches!(outcome, JobOutcome::Failed(_)) {
        // The cluster tells all processes of a job, and us last: the step's may have ended of it before we hear.
        let since = Instant::now();
        while since.elapsed() < HEARD {
            if told.load(Ordering::Relaxed) {
                return Ok(JobOutcome::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(outcome)
}

fn other_numerics(device: &str, wanted: &str, class: &str) -> JobOutcome {
    JobOutcome::Failed(Failure {
        error: format!(
            "node {} computes on `{device}` with the numerics class `{class}`, and the step's key says `{wanted}`",
            node()
        ),
        hint: Some(format!("write `numerics: {class}` for this step into the cluster's settings")),
    })
}

/// Where we are, as the cluster says.
fn node() -> String {
    std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| host())
}

/// A name that no other attempt has: the cluster starts a job once more under the same number.
fn name() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    format!("{nanos:x}-{}", std::process::id())
}

/// What a step says, on its way to the run.
struct Outlet {
    file: Mutex<File>,
    /// When what was passed on last.
    told: Mutex<HashMap<String, Instant>>,
}

impl Outlet {
    fn signal(&self, signal: Signal) {
        match signal {
            Signal::Progress { done, total, unit } => {
                let is_last = total > 0 && done >= total;
                if self.is_due("") || is_last {
                    self.say(&Message::Progress { done, total, unit: unit.to_owned() });
                }
            }
            Signal::Metric { name, x, value } => {
                if self.is_due(&name) {
                    self.say(&Message::Metric { name, x, value });
                }
            }
            Signal::Note(text) => self.say(&Message::Note(text)),
            Signal::Log(_) | Signal::Fact { .. } => {}
        }
    }

    fn is_due(&self, what: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.get(what).is_none_or(|at| at.elapsed() >= SELDOM);
        if is_due {
            told.insert(what.to_owned(), Instant::now());
        }
        is_due
    }

    /// A line in one piece. That there is no room for it is no reason to stop.
    fn say(&self, message: &Message) {
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
    }
}

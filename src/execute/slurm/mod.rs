//! The executor of a cluster with Slurm: steps become tasks of job arrays.
//!
//! - [`allocation`]: what steps ask of the cluster
//! - `submit`: from steps that are ready to arrays
//! - `courier`: the one thread that speaks with the cluster; `stopping`: what it does when the run is stopped
//! - `flight`: a step under way; `judge`: what is to be believed of it; `states`: what the cluster's words mean
//! - `adopt`: steps that an earlier run gave to the cluster
//! - `client`: the cluster's commands; [`check`]: a job that looks at a node
//! - `nodes`: the nodes of a step that has several
//! - [`task`]: the node's side; `order` is what passes between the two
//!
//! Everything but the cluster's word passes through the store, which login node and nodes share. A run may
//! be killed at any moment: the next one finds jobs by the folders of their keys.

mod adopt;
pub mod allocation;
pub mod check;
mod client;
mod courier;
mod flight;
mod judge;
mod nodes;
mod order;
mod states;
mod stopping;
mod submit;
pub mod task;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

pub use allocation::{Allocation, Settings};
use courier::{Courier, Request};
use flight::News;
pub(super) use nodes::on_further_nodes;
use order::Order;

use super::Executor;
use super::job::{Failure, Job, JobOutcome, SignalSink};
use super::supervision::Supervision;
use crate::store::Store;

/// How often a waiting thread looks whether the run is being stopped.
const TICK: Duration = Duration::from_millis(200);

/// Runs steps on a cluster.
pub struct Slurm {
    store: Store,
    settings: Settings,
    /// What each step asks for.
    allocations: BTreeMap<String, Arc<Allocation>>,
    detach: bool,
    /// Begins with the first step: a run in which nothing is to be done asks nobody.
    courier: Mutex<Option<Running>>,
}

/// The first of the cluster's commands that is not on the `PATH`.
pub fn missing_command() -> Option<&'static str> {
    client::COMMANDS.into_iter().find(|command| client::find(command).is_none())
}

struct Running {
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl Slurm {
    /// An executor of steps with these allocations, by name. With `detach` jobs are left alone when the run
    /// is stopped.
    ///
    /// # Errors
    /// Where one of the cluster's commands is not on the `PATH`: its name.
    pub fn new(
        store: &Store,
        settings: Settings,
        allocations: BTreeMap<String, Arc<Allocation>>,
        detach: bool,
    ) -> Result<Self, &'static str> {
        if let Some(missing) = missing_command() {
            return Err(missing);
        }
        adopt::sweep(store);
        let store = store.clone();
        Ok(Self { store, settings, allocations, detach, courier: Mutex::new(None) })
    }

    fn ask(&self, request: Request) -> Result<(), Failure> {
        let mut courier = self.courier.lock().unwrap_or_else(PoisonError::into_inner);
        if courier.is_none() {
            *courier = Some(self.begin()?);
        }
        let gone = || Failure::new("the thread that speaks with Slurm is gone");
        courier.as_ref().ok_or_else(gone)?.requests.send(request).map_err(|_| gone())
    }

    fn begin(&self) -> Result<Running, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
        // Even when another was put in its place meanwhile.
        let this = Path::new("/proc/self/exe");
        let program = self.store.keep_program(if this.exists() { this } else { &program })?;
        let (requests, receiver) = channel();
        let courier = Courier::new(self.store.clone(), program, self.settings.clone(), self.detach, receiver);
        let thread = Builder::new().spawn(move || courier.run());
        let thread = thread.map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Running { requests, thread })
    }
}

impl Executor for Slurm {
    fn execute(&self, job: &Job, watch: &Supervision<'_>, sink: SignalSink<'_>) -> JobOutcome {
        let Some(allocation) = self.allocations.get(&job.step) else {
            return JobOutcome::Failed(Failure::new(format!("`{}` has no place in the cluster", job.step)));
        };
        let (to, news) = channel();
        let order = Order {
            job: job.clone(),
            log: watch.log.to_owned(),
            timeout: watch.timeout,
            grace: watch.grace,
            gpus: allocation.gpus,
        };
        let request = Request::Run { order: Box::new(order), allocation: Arc::clone(allocation), to };
        if let Err(failure) = self.ask(request) {
            return JobOutcome::Failed(failure);
        }
        let mut is_stopping = false;
        loop {
            match news.recv_timeout(TICK) {
                Ok(News::Signal(signal)) => sink(signal),
                Ok(News::State(standing)) => (watch.state)(standing),
                Ok(News::Outcome(outcome)) => return outcome,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return JobOutcome::Failed(Failure {
                        error: "the thread that speaks with Slurm has ended".to_owned(),
                        hint: Some(
                            "this is a bug of igpt-flow; the same command takes over what runs".to_owned(),
                        ),
                    });
                }
            }
            if !is_stopping && watch.cancelled.load(Ordering::Relaxed) {
                is_stopping = true;
                let _ = self.ask(Request::Stop);
            }
        }
    }

    fn drop_waiting(&self) {
        if self.courier.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = self.ask(Request::DropWaiting);
        }
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        if let Some(Running { requests, thread }) =
            self.courier.get_mut().unwrap_or_else(PoisonError::into_inner).take()
        {
            drop(requests);
            // One that panicked has said so, and its steps have failed.
            let _ = thread.join();
        }
        adopt::sweep(&self.store);
    }
}

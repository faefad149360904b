//! From steps that are ready to arrays: those that ask for the same go together, some of them one after
//! another in one task.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use igpt_contract::Digest;

use super::allocation::{Allocation, common};
use super::client::{self, Failed};
use super::flight::Flight;
use super::order::TaskOrder;
use crate::execute::job::Failure;
use crate::store::{Place, Store, StoreError};

/// How many tasks an array has at most: one less than clusters allow unless they were told otherwise.
const ARRAY: usize = 1000;

/// How long steps wait for which there is no room in the queue.
const FULL: Duration = Duration::from_secs(30);

/// How many characters a comment has at most.
const COMMENT: usize = 200;

/// Makes submissions.
pub(super) struct Submitter {
    store: Store,
    program: PathBuf,
    notice: Duration,
    /// How many there were.
    count: u32,
    /// How many tasks an array may have.
    array: usize,
}

impl Submitter {
    pub(super) fn new(store: Store, program: PathBuf, notice: Duration) -> Self {
        Self { store, program, notice, count: 0, array: ARRAY }
    }

    /// The name in the cluster of the jobs of a submission: the store, the run, the number.
    pub(super) fn job_name(&self, batch: &str) -> String {
        let store = Digest::of(self.store.root().as_os_str().as_encoded_bytes()).to_string();
        format!("igpt-flow.{}.{batch}", &store[..8])
    }

    /// The submission behind the name of a job; nothing where it is not of this store.
    pub(super) fn batch_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&self.job_name(""))
    }

    /// Submits steps. Answers those that the cluster refuses.
    pub(super) fn submit(&mut self, ready: Vec<&mut Flight>) -> Vec<(Digest, Failure)> {
        let mut groups: BTreeMap<Arc<Allocation>, Vec<&mut Flight>> = BTreeMap::new();
        for flight in ready {
            // Another run may have submitted it meanwhile.
            if std::mem::take(&mut flight.unplaced) {
                flight.place = flight.folder.place();
                if flight.place.is_some() {
                    continue;
                }
            }
            groups.entry(Arc::clone(&flight.allocation)).or_default().push(flight);
        }
        let mut refused = Vec::new();
        for (allocation, mut flights) in groups {
            let series = allocation.series.max(1) as usize;
            while !flights.is_empty() {
                let rest = flights.split_off(flights.len().min(series * self.array));
                if !self.submit_array(&allocation, &mut flights, series, &mut refused) {
                    // Smaller ones.
                    flights.extend(rest);
                    continue;
                }
                flights = rest;
            }
        }
        refused
    }

    /// Submits an array of tasks. Answers whether that is settled; not where arrays must be smaller.
    fn submit_array(
        &mut self,
        allocation: &Allocation,
        flights: &mut [&mut Flight],
        series: usize,
        refused: &mut Vec<(Digest, Failure)>,
    ) -> bool {
        let Some(first) = flights.first() else { return true };
        self.count += 1;
        let name = format!("{}.{}", first.order.job.run, self.count);
        let comment = comment(flights);
        let tasks = flights.len().div_ceil(series);
        if let Err(error) = self.prepare(&name, flights, series) {
            let failure = Failure::from(error);
            refused.extend(flights.iter().map(|flight| (flight.key, failure.clone())));
            return true;
        }
        let batch = self.store.batch(&name);
        let mut options = common(&self.job_name(&name), &comment, batch.path(), tasks);
        let steps = flights.len().min(series) as u32;
        options.splice(0..0, allocation.options(steps, self.notice).into_iter().map(OsString::from));
        let arguments =
            [self.program.clone().into_os_string(), "attempt".into(), batch.path().as_os_str().to_owned()];
        match client::submit(&options, &allocation.script(), &arguments) {
            Ok(id) => {
                for (n, flight) in flights.iter_mut().enumerate() {
                    flight.submitted(&self.store);
                    let job = format!("{id}_{}", n / series);
                    flight.job = Some(job.clone());
                    flight.say(&format!("queued as job {job}"));
                }
            }
            Err(Failed::Refused(said)) if said.contains("array specification") && self.array > 1 => {
                self.array = self.array.min(tasks).div_ceil(2);
                flights.iter_mut().for_each(|flight| flight.place = None);
                return false;
            }
            Err(Failed::Refused(said)) => {
                refused.extend(flights.iter().map(|flight| (flight.key, not_submitted(&said))));
            }
            Err(Failed::Full(said)) => {
                first_note(flights, format!("Slurm takes no more jobs now ({said}): they wait"));
                for flight in flights.iter_mut() {
                    flight.place = None;
                    flight.from = Instant::now() + FULL;
                }
            }
            Err(Failed::Unreachable(said)) => {
                // It may have been taken all the same: the queue will tell.
                first_note(flights, format!("Slurm does not answer ({said}): its queue is asked for later"));
                flights.iter_mut().for_each(|flight| flight.submitted(&self.store));
            }
        }
        true
    }

    /// Writes what the tasks do, and that no other task does it.
    fn prepare(&self, name: &str, flights: &mut [&mut Flight], series: usize) -> Result<(), StoreError> {
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let order = |flights: &[&mut Flight]| TaskOrder {
            store: self.store.root().to_owned(),
            folder: folder.clone(),
            batch: name.to_owned(),
            jobs: flights.iter().map(|flight| flight.key).collect(),
            check: None,
        };
        let orders: Vec<TaskOrder> = flights.chunks(series).map(order).collect();
        for (n, flight) in flights.iter_mut().enumerate() {
            let place = Place { batch: name.to_owned(), task: (n / series) as u32 };
            flight.folder.put_place(&place)?;
            flight.place = Some(place);
        }
        // Afterwards: what no job names is swept up by other runs.
        self.store.batch(name).create(&orders)
    }
}

fn first_note(flights: &[&mut Flight], text: String) {
    if let Some(flight) = flights.first() {
        flight.note(text);
    }
}

/// What people see in the queue beside the name: the pipeline and its steps.
fn comment(flights: &[&mut Flight]) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for flight in flights {
        let step = flight.order.job.step.split('[').next().unwrap_or_default();
        if !steps.contains(&step) && steps.len() < 8 {
            steps.push(step);
        }
    }
    let pipeline = flights.first().map(|flight| flight.order.job.pipeline.as_str()).unwrap_or_default();
    let text = format!("{pipeline}: {}", steps.join(", "));
    text.chars().filter(|c| !c.is_control()).take(COMMENT).collect()
}

/// The failure of a step that was not submitted.
fn not_submitted(said: &str) -> Failure {
    Failure {
        error: format!("Slurm refuses its job: {said}"),
        hint: Some(
            "see the cluster's settings: partition, account, qos, constraint, time, memory, gpus".to_owned(),
        ),
    }
}

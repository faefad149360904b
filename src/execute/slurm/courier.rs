//! The one thread that speaks with the cluster: it submits what is ready, listens for news in the store,
//! asks for the queue now and then, and stops what is to be stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use igpt_contract::Digest;

use super::adopt::{self, Taken};
use super::allocation::{Allocation, Settings};
use super::client::{self, Row};
use super::flight::{Flight, News};
use super::judge::Verdict;
use super::order::Order;
use super::submit::Submitter;
use crate::execute::job::{JobOutcome, JobResult};
use crate::store::{JobNews, Store};

/// How often the store is looked at for news: one listing for all jobs.
const TICK: Duration = Duration::from_millis(300);

/// How often the signals of running steps are read.
const SIGNALS: Duration = Duration::from_secs(1);

/// The queue is asked for no more often than this, but at the end of a run.
const SOON: Duration = Duration::from_secs(3);

/// The longest wait for the next question after the controller did not answer.
const LONGEST: Duration = Duration::from_secs(300);

/// How long a controller that does not answer holds up the end of a run.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the courier is asked for.
pub(super) enum Request {
    Run {
        order: Box<Order>,
        allocation: Arc<Allocation>,
        to: Sender<News>,
    },
    /// The run is being stopped.
    Stop,
    /// Only what has begun is wanted any more.
    DropWaiting,
}

/// A run that is being stopped.
pub(super) struct Stopping {
    pub(super) since: Instant,
    /// Whether what runs is to end, too.
    pub(super) all: bool,
    /// When which step's job was cancelled or told to end.
    pub(super) told: BTreeMap<Digest, Instant>,
}

pub(super) struct Courier {
    pub(super) store: Store,
    pub(super) settings: Settings,
    /// Whether jobs are left alone when the run is stopped.
    pub(super) detach: bool,
    requests: Receiver<Request>,
    pub(super) flights: BTreeMap<Digest, Flight>,
    pub(super) submitter: Submitter,
    pub(super) stopping: Option<Stopping>,
    /// When the queue was asked for last, and how often in a row it did not answer.
    pub(super) polled: Instant,
    unanswered: u32,
    read: Instant,
    /// Whether there may be tasks in the queue whose steps were given to others.
    pub(super) superseded: bool,
    /// From when on something is submitted: while others may still become ready.
    gathers: Option<Instant>,
}

impl Courier {
    pub(super) fn new(
        store: Store,
        program: PathBuf,
        settings: Settings,
        detach: bool,
        requests: Receiver<Request>,
    ) -> Self {
        let submitter = Submitter::new(store.clone(), program, settings.notice);
        let now = Instant::now();
        Self {
            store,
            settings,
            detach,
            requests,
            flights: BTreeMap::new(),
            submitter,
            stopping: None,
            polled: now,
            unanswered: 0,
            read: now,
            superseded: false,
            gathers: None,
        }
    }

    /// Works until nobody has anything to ask for any more.
    pub(super) fn run(mut self) {
        loop {
            match self.requests.recv_timeout(TICK) {
                Ok(request) => {
                    self.take(request);
                    while let Ok(request) = self.requests.try_recv() {
                        self.take(request);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.drop_superseded(),
            }
            if self.flights.is_empty() {
                continue;
            }
            self.submit();
            self.hear();
            self.poll();
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Run { to, .. } if self.stopping.is_some() => {
                let _ = to.send(News::Outcome(JobOutcome::Cancelled));
            }
            // A second step with that key: one of them works, as on one machine.
            Request::Run { order, to, .. } if self.flights.contains_key(&order.job.key) => {
                if let Some(first) = self.flights.get_mut(&order.job.key) {
                    adopt::share_log(&first.order.log, &order.log);
                    first.followers.push(to);
                }
            }
            Request::Run { order, allocation, to } => {
                let flight = Flight::new(&self.store, *order, allocation, self.settings.notice, to);
                match adopt::take(Box::new(flight)) {
                    Taken::Here(flight) => {
                        self.superseded |= flight.adopted;
                        if flight.place.is_none() {
                            self.gathers.get_or_insert(Instant::now() + self.settings.gather);
                        }
                        self.flights.insert(flight.key, *flight);
                    }
                    Taken::Settled => {}
                }
            }
            Request::Stop => self.stop(true),
            Request::DropWaiting => self.stop(false),
        }
    }

    /// Submits what is ready, once it has gathered.
    fn submit(&mut self) {
        let now = Instant::now();
        if self.stopping.is_some() || self.gathers.is_some_and(|from| from > now) {
            return;
        }
        self.gathers = None;
        let ready = self.flights.values_mut().filter(|flight| flight.place.is_none() && flight.from <= now);
        let mut ready: Vec<&mut Flight> = ready.collect();
        // In the order in which they became ready.
        ready.sort_by_key(|flight| flight.since);
        if ready.is_empty() {
            return;
        }
        for (key, failure) in self.submitter.submit(ready) {
            self.settle(key, JobOutcome::Failed(failure));
        }
    }

    /// What the nodes have written.
    fn hear(&mut self) {
        let mut news = self.store.job_news();
        // What has begun before what has ended.
        news.sort_by_key(|(_, news)| *news == JobNews::Ended);
        for (key, news) in news {
            let Some(flight) = self.flights.get_mut(&key) else { continue };
            if news == JobNews::Began {
                flight.hear_begun();
            } else {
                flight.pass_on_signals();
                match flight.hear() {
                    // It has ended because we told it to, or the cluster has.
                    Verdict::Wait if self.stopping.is_some() => self.settle(key, JobOutcome::Cancelled),
                    verdict => self.apply(key, verdict),
                }
            }
        }
        if self.read.elapsed() >= SIGNALS {
            self.read = Instant::now();
            self.flights.values_mut().filter(|flight| flight.begun).for_each(Flight::pass_on_signals);
        }
    }

    /// How long after the last question the next one is asked.
    fn interval(&self) -> Duration {
        if self.unanswered > 0 {
            return (SOON * 2u32.pow(self.unanswered.min(8))).min(LONGEST);
        }
        if self.stopping.as_ref().is_some_and(|stopping| stopping.all) {
            return Duration::from_secs(1).min(self.settings.poll);
        }
        let is_in_doubt = self.flights.values().any(Flight::is_in_doubt);
        let soon = SOON.max(self.settings.poll / 4).min(self.settings.poll);
        if is_in_doubt { soon } else { self.settings.poll }
    }

    fn poll(&mut self) {
        if self.polled.elapsed() < self.interval() || self.flights.values().all(|f| f.place.is_none()) {
            return;
        }
        let queue = client::queue();
        self.polled = Instant::now();
        match queue {
            Err(said) => {
                self.unanswered += 1;
                if self.unanswered == 2 {
                    let text = format!(
                        "Slurm does not answer ({said}): what runs there goes on, and is asked for later"
                    );
                    self.note(text);
                }
                if self
                    .stopping
                    .as_ref()
                    .is_some_and(|stopping| stopping.all && stopping.since.elapsed() > PATIENCE)
                {
                    self.leave("Slurm does not answer");
                }
            }
            Ok(rows) => {
                if self.unanswered > 1 {
                    self.note("Slurm answers again".to_owned());
                }
                self.unanswered = 0;
                let rows: BTreeMap<(&str, u32), &Row> =
                    rows.iter().map(|row| ((row.name.as_str(), row.task), row)).collect();
                let keys: Vec<Digest> = self.flights.keys().copied().collect();
                for key in &keys {
                    let Some(flight) = self.flights.get_mut(key) else { continue };
                    let Some(place) = &flight.place else { continue };
                    let row =
                        rows.get(&(self.submitter.job_name(&place.batch).as_str(), place.task)).copied();
                    let verdict = flight.look(row, &self.store);
                    self.apply(*key, verdict);
                }
                if self.stopping.is_some() {
                    self.stop_what_is_there(&rows);
                }
            }
        }
    }

    fn apply(&mut self, key: Digest, verdict: Verdict) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        // An interrupt that a job has heard is no reason to submit it again.
        let verdict = match verdict {
            Verdict::Again(_) | Verdict::Relaunch(_) if self.stopping.is_some() => {
                Verdict::Settled(JobOutcome::Cancelled)
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Wait => {}
            Verdict::Settled(outcome) => self.settle(key, outcome),
            Verdict::Again(why) => {
                flight.note(format!("{why}: it is submitted again"));
                (flight.place, flight.job) = (None, None);
                self.superseded = true;
                flight.say("waiting to be submitted");
                self.gathers.get_or_insert(Instant::now() + self.settings.gather);
            }
            Verdict::Relaunch(why) => {
                let id = flight.id.take();
                flight.note(format!("{why}: it is submitted again"));
                flight.place = None;
                // If that fails it stays there and is held: another task does the job.
                let _ = client::cancel(&Vec::from_iter(id), false);
            }
            Verdict::Never(failure) => {
                let _ = client::cancel(&Vec::from_iter(flight.id.take()), false);
                self.settle(key, JobOutcome::Failed(failure));
            }
        }
    }

    pub(super) fn settle(&mut self, key: Digest, outcome: JobOutcome) {
        let Some(mut flight) = self.flights.remove(&key) else { return };
        flight.pass_on_signals();
        // First: a run that is killed here finds the record, or does the step again.
        flight.folder.remove();
        for follower in std::mem::take(&mut flight.followers) {
            let outcome = match outcome.clone() {
                JobOutcome::Committed(result) => JobOutcome::Committed(JobResult { adopted: true, ..result }),
                outcome => outcome,
            };
            let _ = follower.send(News::Outcome(outcome));
        }
        flight.tell(News::Outcome(outcome));
    }

    pub(super) fn note(&self, text: String) {
        // Said once, at the step that comes first.
        if let Some(flight) = self.flights.values().next() {
            flight.note(text);
        }
    }
}

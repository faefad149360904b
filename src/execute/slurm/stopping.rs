//! The end of a run before its steps': what waits is dropped, what runs is told to end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use igpt_contract::counted;

use super::client::{self, Row};
use super::courier::{Courier, Stopping};
use super::flight::News;
use super::judge::Verdict;
use super::states::{Phase, phase};
use crate::execute::job::JobOutcome;

/// How long a job that was cancelled may stay in the queue before it is cancelled again.
const AGAIN: Duration = Duration::from_secs(15);

impl Courier {
    /// At the end of a run: tasks that wait, perhaps for ever, and whose steps were given to others or are
    /// settled. They would do nothing.
    pub(super) fn drop_superseded(&self) {
        if !self.superseded {
            return;
        }
        let Ok(rows) = client::queue() else { return };
        // After the queue: what was submitted since is not in it.
        let places = self.store.jobs().into_iter().filter_map(|key| self.store.job_folder(&key).place());
        let used: BTreeSet<String> = places.map(|place| place.batch).collect();
        let is_ours = |row: &&Row| {
            let batch = self.submitter.batch_of(&row.name);
            phase(&row.state) == Phase::Pending && batch.is_some_and(|batch| !used.contains(batch))
        };
        let ids: Vec<String> = rows.iter().filter(is_ours).map(|row| row.id.clone()).collect();
        // What stays there does no harm.
        let _ = client::cancel(&ids, false);
    }

    pub(super) fn stop(&mut self, all: bool) {
        if self.stopping.as_ref().is_some_and(|stopping| stopping.all || !all) {
            return;
        }
        self.stopping = Some(Stopping { since: Instant::now(), all, told: BTreeMap::new() });
        let waiting = self.flights.values().filter(|flight| flight.place.is_none());
        for key in waiting.map(|flight| flight.key).collect::<Vec<_>>() {
            self.settle(key, JobOutcome::Cancelled);
        }
        if self.detach && all {
            self.leave("--detach");
        }
        self.polled = Instant::now().checked_sub(self.settings.poll).unwrap_or(self.polled);
    }

    /// Ends the run's part without touching the jobs: the next run adopts them.
    pub(super) fn leave(&mut self, why: &str) {
        let left = counted(self.flights.len(), "step");
        if !self.flights.is_empty() {
            self.note(format!("{why}: {left} go on in Slurm; the same command takes them over"));
        }
        for flight in std::mem::take(&mut self.flights).into_values() {
            for to in flight.followers.iter().chain([&flight.to]) {
                let _ = to.send(News::Outcome(JobOutcome::Cancelled));
            }
        }
    }

    /// Drops what waits, tells what runs to end, and lets go of what is gone.
    pub(super) fn stop_what_is_there(&mut self, rows: &BTreeMap<(&str, u32), &Row>) {
        let Some(stopping) = &mut self.stopping else { return };
        let (mut drop, mut tell, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for flight in self.flights.values() {
            let Some(place) = &flight.place else { continue };
            let name = self.submitter.job_name(&place.batch);
            let row = rows.get(&(name.as_str(), place.task));
            let told = stopping.told.get(&flight.key);
            match row.map(|row| phase(&row.state)) {
                Some(Phase::Pending) if told.is_none_or(|told| told.elapsed() > AGAIN) => {
                    drop.push((flight.key, row.map(|row| row.id.clone())));
                }
                Some(Phase::Running) if told.is_none() && stopping.all => {
                    tell.push((flight.key, row.map(|row| row.id.clone())));
                }
                Some(Phase::Pending | Phase::Running) => {}
                // Its outcome is looked for as ever.
                _ if !stopping.all && told.is_none() => {}
                Some(Phase::Over(_)) => gone.push(flight.key),
                None if told.is_some() => gone.push(flight.key),
                None => {}
            }
        }
        for (jobs, only_tell) in [(drop, false), (tell, true)] {
            // The steps of a series are one task.
            let ids: BTreeSet<String> = jobs.iter().filter_map(|(_, id)| id.clone()).collect();
            let ids = Vec::from_iter(ids);
            if !ids.is_empty() && client::cancel(&ids, only_tell).is_ok() {
                stopping.told.extend(jobs.into_iter().map(|(key, _)| (key, Instant::now())));
            }
        }
        for key in gone {
            let outcome = self.flights.get_mut(&key).map(|flight| flight.hear());
            match outcome {
                Some(Verdict::Settled(outcome @ JobOutcome::Committed(_))) => self.settle(key, outcome),
                _ => self.settle(key, JobOutcome::Cancelled),
            }
        }
    }
}

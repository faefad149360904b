//! A step that is already in the cluster's hands: of a run that was killed or detached, or of another one that
//! goes on. Nothing of it is repeated.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use super::flight::{Flight, News};
use super::order::{Ended, Order};
use crate::execute::job::{Failure, JobOutcome};
use crate::store::Store;

/// How long another run may take between its claim and its submission.
const CLAIMED: Duration = Duration::from_secs(10);

/// What became of a request.
pub(super) enum Taken {
    /// It is under way, or to be submitted.
    Here(Box<Flight>),
    /// It is settled, and whoever waits was told.
    Settled,
}

/// Claims a step, or takes over what is there of it.
pub(super) fn take(mut flight: Box<Flight>) -> Taken {
    for _ in 0..2 {
        match flight.folder.claim(&flight.order) {
            Ok(true) => return Taken::Here(flight),
            Ok(false) => {}
            Err(error) => {
                flight.tell(News::Outcome(JobOutcome::Failed(Failure::from(error))));
                return Taken::Settled;
            }
        }
        let there = flight.folder.job::<Order>();
        // Work that was forced is not the same as work that was needed.
        let Some(there) = there.filter(|there| there.job.force == flight.order.job.force) else {
            flight.folder.remove();
            continue;
        };
        match flight.folder.outcome::<Ended>() {
            Some(Ended { outcome: outcome @ JobOutcome::Committed(_), node, .. }) => {
                flight.say_on("ran", &node);
                share_log(&there.log, &flight.order.log);
                flight.folder.remove();
                flight.tell(News::Outcome(outcome));
                return Taken::Settled;
            }
            // Nobody has seen that it failed, or it was told to end: that is done once more, as after any run
            // that was killed.
            Some(_) => {
                flight.folder.remove();
                continue;
            }
            None => {}
        }
        share_log(&there.log, &flight.order.log);
        flight.say(&format!("taken over from run {}", there.job.run));
        flight.order.job.run = there.job.run;
        flight.place = flight.folder.place();
        flight.unplaced = flight.place.is_none();
        if flight.unplaced {
            flight.from = Instant::now() + CLAIMED;
        }
        flight.adopted = true;
        // What it has said before is read from the beginning.
        flight.begun = true;
        return Taken::Here(flight);
    }
    let error = format!("`{}` comes back whenever it is removed", flight.folder.path().display());
    flight.tell(News::Outcome(JobOutcome::Failed(Failure::new(error))));
    Taken::Settled
}

/// Removes what is left of steps that ended well while nobody looked.
pub(super) fn sweep(store: &Store) {
    for key in store.jobs() {
        let folder = store.job_folder(&key);
        if store.outputs(&key).is_none() {
            continue;
        }
        // Work that was forced has a record from before.
        let is_needed = || folder.job::<Order>().is_some_and(|order| order.job.force);
        let is_idle = || matches!(store.try_lock(&key), Ok(Some(_)));
        if folder.outcome::<Ended>().is_some() || (!is_needed() && is_idle()) {
            folder.remove();
        }
    }
    store.sweep_batches();
}

/// Gives the log that a step writes a name in the later run, too.
pub(super) fn share_log(from: &Path, to: &Path) {
    if from == to || to.exists() {
        return;
    }
    // It may not have begun.
    let _ = File::options().create(true).append(true).open(from);
    // A log that is not found here is still with its own run.
    let _ = fs::hard_link(from, to).or_else(|_| std::os::unix::fs::symlink(from, to));
}

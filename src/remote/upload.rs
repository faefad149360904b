//! Uploads beside a run. They are a help to others: they neither fail the run nor hold up its end for long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use igpt_contract::{Digest, counted};

use super::at_once::locked;
use super::{Pushed, Remote};
use crate::store::Store;

/// Results on their way at once; of their objects, as many as the gate lets in.
const WORKERS: usize = 8;

/// How long a run waits at its end for uploads that move. What is not done then, `push` does.
const LONGEST: Duration = Duration::from_secs(300);

/// How long it waits for uploads of which nothing moves.
const STALL: Duration = Duration::from_secs(45);

const POLL: Duration = Duration::from_millis(20);

/// The uploads of a process.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// Keys, and whether the objects of a record that is there already are looked at.
    waiting: VecDeque<(Digest, bool)>,
    workers: usize,
    /// Results that were to be shared and are not.
    left: usize,
    /// When something last arrived.
    moved: Option<Instant>,
}

impl Uploads {
    /// Something arrived.
    pub(super) fn moved(&self) {
        locked(&self.0).moved = Some(Instant::now());
    }
}

impl Remote {
    /// Shares a result in the background, where results are shared. One that was made although its record is there
    /// (`remade`: its bytes were lost) also mends what its record names.
    pub fn upload(self: &Arc<Self>, store: &Store, key: Digest, remade: bool) {
        if !self.push {
            return;
        }
        let mut queue = locked(&self.uploads.0);
        queue.waiting.push_back((key, remade));
        if queue.workers == WORKERS {
            return;
        }
        let (remote, store) = (Arc::clone(self), store.clone());
        let worker = std::thread::Builder::new().spawn(move || remote.work(&store));
        queue.workers += usize::from(worker.is_ok());
    }

    fn work(&self, store: &Store) {
        loop {
            let (key, remade) = {
                let mut queue = locked(&self.uploads.0);
                let Some(next) = queue.waiting.pop_front() else {
                    queue.workers -= 1;
                    return;
                };
                next
            };
            // A bug of ours must not leave the run waiting.
            let pushed =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.push_one(store, &key, remade)));
            if !matches!(pushed, Ok(Pushed::Shared | Pushed::Known)) {
                locked(&self.uploads.0).left += 1;
            }
        }
    }

    /// Waits for the uploads, as long as they move and nobody is in a hurry, and notes what is not done.
    pub fn finish(&self) {
        let began = Instant::now();
        loop {
            let queue = locked(&self.uploads.0);
            let moved = queue.moved.map_or(began, |moved| moved.max(began));
            let is_done = queue.workers == 0;
            drop(queue);
            if is_done
                || self.is_off()
                || began.elapsed() > LONGEST
                || moved.elapsed() > STALL
                || self.is_cancelled()
            {
                break;
            }
            std::thread::sleep(POLL);
        }
        let mut queue = locked(&self.uploads.0);
        let left = queue.left + queue.waiting.len() + queue.workers;
        queue.waiting.clear();
        drop(queue);
        if left > 0 {
            let results = counted(left, "result");
            self.note(format!("{results} not shared with {}; `igpt-flow push FILE` does it", self.address));
        }
    }
}

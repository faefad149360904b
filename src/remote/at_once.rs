//! Several transfers at once, and no more than that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Transfers at once.
pub(super) const AT_ONCE: usize = 16;

/// Does something for each item, by as many threads as there are items, at most [`AT_ONCE`]. Where the system has
/// no thread left, fewer do it.
pub(super) fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work_on = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..items.len().min(AT_ONCE) {
            if std::thread::Builder::new().spawn_scoped(scope, work_on).is_err() {
                break;
            }
        }
        work_on();
    });
}

/// The same for work that may fail: nothing more is begun after the first error, which is the answer.
pub(super) fn try_for_each<T: Sync, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let failed = Mutex::new(None);
    for_each(items, |item| {
        if locked(&failed).is_none()
            && let Err(error) = work(item)
        {
            locked(&failed).get_or_insert(error);
        }
    });
    let failed = locked(&failed).take();
    failed.map_or(Ok(()), Err)
}

/// So many may go in.
#[derive(Debug)]
pub(super) struct Gate {
    free: Mutex<usize>,
    left: Condvar,
}

/// Somebody who went in; leaves when it is dropped.
pub(super) struct Inside<'a>(&'a Gate);

impl Gate {
    pub(super) fn new(room: usize) -> Self {
        Self { free: Mutex::new(room), left: Condvar::new() }
    }

    /// Waits until there is room.
    pub(super) fn enter(&self) -> Inside<'_> {
        let mut free = locked(&self.free);
        while *free == 0 {
            free = self.left.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Inside(self)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *locked(&self.0.free) += 1;
        self.0.left.notify_one();
    }
}

/// A lock whose other holder may have panicked: what it guards is sound at any time.
pub(super) fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_few_are_inside() {
        let (done, inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let gate = Gate::new(3);
        for_each(&(0..100).collect::<Vec<usize>>(), |n| {
            let _inside = gate.enter();
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            done.fetch_add(*n, Ordering::SeqCst);
            inside.fetch_sub(1, Ordering::SeqCst);
        });
        assert_eq!(done.into_inner(), 4950);
        assert!(most.into_inner() <= 3);
    }
}

//! The threads that hash: as many as the machine lets us have.
//!
//! Rayon makes its threads when they are first needed, and panics for good where it cannot. So they
//! are made here, before that, and by trial.

use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{Builder, available_parallelism, sleep};
use std::time::Duration;

/// How long to wait for room for a thread, and how often.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSES: u32 = 1000;

/// Makes the threads, once a process. Cheap when they are there.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wanted = available_parallelism().map_or(1, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(room_for(wanted));
        // Where it fails in spite of that, a step that needs the threads says so.
        let _ = pool.spawn_handler(spawn).build_global();
    });
}

/// How many threads, of so many, could be started at this moment; at least one.
fn room_for(wanted: usize) -> usize {
    let threads: Vec<_> = (0..wanted).map_while(|_| Builder::new().spawn(std::thread::park).ok()).collect();
    let room = threads.len();
    for thread in threads {
        thread.thread().unpark();
        // It does nothing that could fail.
        let _ = thread.join();
    }
    // Where there was no room for all, some of it is left to others.
    if room == wanted { wanted } else { (room / 2).max(1) }
}

/// Starts a thread of the pool, waiting for room where there is none.
fn spawn(thread: rayon::ThreadBuilder) -> io::Result<()> {
    let waiting = Arc::new(Mutex::new(Some(thread)));
    for _ in 0..PAUSES {
        let thread = Arc::clone(&waiting);
        let run = move || {
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                thread.run();
            }
        };
        if Builder::new().spawn(run).is_ok() {
            return Ok(());
        }
        sleep(PAUSE);
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    #[test]
    fn the_threads_work() {
        super::prepare();
        super::prepare();
        assert_eq!((0..1000).into_par_iter().sum::<i32>(), 499_500);
    }
}

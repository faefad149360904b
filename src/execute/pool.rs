//! The threads that hash: as many as the machine lets us have.
//!
//! Rayon makes its threads when they are first needed, and panics for good where it cannot. So they
//! are made here, before that, and by trial.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, park, sleep};
use std::time::Duration;

/// How long to wait for room for a thread that was there a moment ago, and how often.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSES: u32 = 100;

/// Makes the threads, once a process. Cheap when they are there.
///
/// # Errors
/// Where there is no room for a single one; there may be later.
pub fn prepare() -> io::Result<()> {
    static MADE: Mutex<bool> = Mutex::new(false);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if !*made {
        let wanted = available_parallelism().map_or(1, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(room_for(wanted)?);
        *made = true;
        // Where it fails in spite of that, a step that needs the threads says so.
        let _ = pool.spawn_handler(spawn).build_global();
    }
    Ok(())
}

/// How many threads, of so many, could be started at this moment; at least one.
fn room_for(wanted: usize) -> io::Result<usize> {
    let mut threads = Vec::with_capacity(wanted);
    let mut full = None;
    while threads.len() < wanted && full.is_none() {
        match Builder::new().spawn(park) {
            Ok(thread) => threads.push(thread),
            Err(error) => full = Some(error),
        }
    }
    let room = threads.len();
    for thread in threads {
        thread.thread().unpark();
        // It does nothing that could fail.
        let _ = thread.join();
    }
    match full {
        None => Ok(wanted),
        Some(error) if room == 0 => Err(error),
        // Some of the room is left to others.
        Some(_) => Ok((room / 2).max(1)),
    }
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
        super::prepare().unwrap();
        super::prepare().unwrap();
        assert_eq!((0..1000).into_par_iter().sum::<i32>(), 499_500);
    }
}

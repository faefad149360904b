//! The database behind the index: opened by one process at a time, and only to write.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::machine::has_address_space;

/// Writing takes tens of milliseconds: whoever has the database will be done with it soon.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// What sled's cache and its threads (stacks, and an arena of 64 MiB each) may take of the address
/// space. Its threads end the process where it runs out, in the middle of everything.
const DATABASE: usize = 256 << 20;

thread_local! {
    /// Whether a panic of this thread is expected, and nothing is to be said of it.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic in sled; none where it did.
pub(super) fn catching_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    SILENT.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    SILENT.set(false);
    done.ok()
}

/// Keeps the panics quiet that the index expects of sled; to be called once, at the start.
pub fn silence_expected_panics() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !SILENT.get() {
            told(panic);
        }
    }));
}

/// Opens the database, unless another process keeps it to itself, or the system refuses. A damaged
/// one is set aside, and an empty one takes its place.
pub(super) fn open_database(path: &Path) -> io::Result<sled::Db> {
    let config = || {
        sled::Config::new()
            .path(path)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(16 << 20)
            // One flush a run: no thread that writes on its own.
            .flush_every_ms(None)
    };
    if !has_address_space(DATABASE) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    let since = Instant::now();
    loop {
        match config().open() {
            Ok(database) => return Ok(database),
            Err(error) if is_damage(&error) => {
                set_aside(path);
                return Ok(config().open()?);
            }
            // Another process's lock is an error of sled's own here, without a number of the system's.
            Err(sled::Error::Io(e)) if e.raw_os_error().is_none() => {
                if since.elapsed() > PATIENCE {
                    let what = "another process is writing the index";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, what));
                }
                std::thread::sleep(POLL);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether an error says that the database cannot be used, now or later. All others (a full disk, too
/// many open files, another's lock) pass, and cost no healthy database.
pub(super) fn is_damage(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Corruption { .. } | sled::Error::Unsupported(_))
}

/// Moves a damaged database out of the way.
pub(super) fn set_aside(path: &Path) {
    let aside = path.with_extension("sled.damaged");
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::rename(path, &aside);
}

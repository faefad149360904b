//! Guardians: no process of a step outlives its step, whatever it does and however we end.
//!
//! A run forks once, while it is small and has one thread: that child is the *nursery*, and forks a
//! *guardian* for each command or worker that runs at the same time. A guardian starts its process
//! in a group of its own, adopts whatever that leaves behind (as a child subreaper, so that daemons
//! in sessions of their own are found too), and ends all of it: asked to stop, it says TERM, waits a grace period, and kills;
//! when the process has ended by itself, what is left is killed at once. It says that the process
//! has ended only when no descendant lives any more, and is then ready for the next.
//!
//! A guardian that can no longer hear us stops its process in the same way, so that an orchestrator
//! that was killed leaves nothing that works for nobody. One byte in the pipe `urgent` makes every
//! guardian kill at once: a second Ctrl-C.

mod descendants;
mod guardian;
mod nursery;
mod protocol;
mod system;

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::exhaustion::is_exhausted;
use super::usage::Usage;
pub(super) use protocol::{LaunchRequest, Stop};
use protocol::{REPLY, Reply};

/// How long [`kill_at_once`] waits until nothing lives any more.
const LAST_WAIT_MS: libc::c_int = 2000;

/// For [`kill_at_once`], which a signal handler calls: the ends of two pipes, -1 where there is no
/// nursery. Whoever writes into the first is heard by every guardian; the second ends with the last.
static URGENT: AtomicI32 = AtomicI32::new(-1);
static LIVES: AtomicI32 = AtomicI32::new(-1);

/// Starts processes under guardians.
#[derive(Debug)]
pub struct Guards {
    nursery: Mutex<UnixStream>,
    /// The sockets of guardians that wait for an request.
    idle: Mutex<Vec<UnixStream>>,
    pid: libc::pid_t,
    /// Open as long as we live; see [`kill_at_once`].
    _urgent: OwnedFd,
    lives: OwnedFd,
}

/// A process under its guardian. Dropped, it is stopped.
#[derive(Debug)]
pub(super) struct Guarded<'g> {
    guards: &'g Guards,
    /// None once it has ended.
    control: Option<UnixStream>,
    pid: u32,
    /// Whether it was asked to end.
    stopped: bool,
}

/// How a process ended, with all that it started.
#[derive(Debug)]
pub(super) struct ProcessEnd {
    pub(super) status: ExitStatus,
    pub(super) usage: Usage,
    /// A process that cannot be ended, where there is one.
    pub(super) left: Option<u32>,
}

/// Why a process was not started.
#[derive(Debug)]
pub(super) struct NotStarted(pub(super) io::Error);

impl NotStarted {
    /// Whether the machine had no room for it: it may have later.
    pub(super) fn is_exhausted(&self) -> bool {
        is_exhausted(&self.0)
    }
}

impl Guards {
    /// Forks the nursery. To be called while this process has one thread, and is small.
    ///
    /// # Errors
    /// Where the system has no process or descriptor left.
    pub fn begin() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (hears, urgent) = io::pipe()?;
        let (lives, living) = io::pipe()?;
        // SAFETY: with one thread no lock is held, so that the child may do what it likes.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => nursery::run(theirs, hears.into(), living.into()),
            pid => {
                let (urgent, lives) = (OwnedFd::from(urgent), OwnedFd::from(lives));
                URGENT.store(urgent.as_raw_fd(), Ordering::Release);
                LIVES.store(lives.as_raw_fd(), Ordering::Release);
                Ok(Self { nursery: Mutex::new(ours), idle: Mutex::default(), pid, _urgent: urgent, lives })
            }
        }
    }

    /// Starts a process with these as its standard input, output and error. The guardian keeps the
    /// input open until nothing of the process lives any more.
    pub(super) fn start(
        &self,
        request: &LaunchRequest,
        streams: [OwnedFd; 3],
    ) -> Result<Guarded<'_>, NotStarted> {
        let begin = || -> io::Result<(UnixStream, Reply)> {
            let mut control = self.guardian()?;
            // Where no guardian could be forked, nobody reads the request; the reply says so.
            let fds = streams.each_ref().map(|fd| fd.as_raw_fd());
            let given = protocol::send_fds(&control, &fds, &request.encode());
            let reply = read_reply(&mut control);
            given.or_else(|error| reply.as_ref().map(drop).map_err(|_| error))?;
            Ok((control, reply?))
        };
        match begin() {
            Ok((control, Reply::Started { pid })) => {
                Ok(Guarded { guards: self, control: Some(control), pid, stopped: false })
            }
            Ok((_, Reply::NotStarted { errno })) => Err(NotStarted(io::Error::from_raw_os_error(errno))),
            Ok(_) => Err(NotStarted(io::Error::other("unexpected reply of the guardian"))),
            Err(error) => Err(NotStarted(error)),
        }
    }

    /// A guardian that waits for an request: one that has done another, or a new one.
    fn guardian(&self) -> io::Result<UnixStream> {
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(idle);
        }
        let (control, theirs) = UnixStream::pair()?;
        let nursery = self.nursery.lock().unwrap_or_else(PoisonError::into_inner);
        protocol::send_fds(&nursery, &[theirs.as_raw_fd()], &[0]).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::other("the process that forks guardians was killed"),
            _ => error,
        })?;
        Ok(control)
    }
}

impl Drop for Guards {
    fn drop(&mut self) {
        URGENT.store(-1, Ordering::Release);
        LIVES.store(-1, Ordering::Release);
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        let socket = self.nursery.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Where it is gone already there is nothing to close.
        let _ = socket.shutdown(std::net::Shutdown::Both);
        if end_of(&self.lives) {
            // SAFETY: our child, reaped nowhere else. What it and all below it used of the machine
            // counts as used by our children from here on.
            unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
        }
    }
}

impl Guarded<'_> {
    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks for the end: the guardian says so to the process, and kills what has not ended after the
    /// grace period.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        if let Some(control) = &mut self.control {
            // A guardian that is gone has nothing to stop.
            let _ = control.write_all(&[0]);
        }
    }

    /// How it ended, if it does within this time.
    ///
    /// # Errors
    /// Where the guardian is gone.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<Option<ProcessEnd>> {
        let over = || io::Error::other("it has already ended");
        let control = self.control.as_mut().ok_or_else(over)?;
        let mut poll = libc::pollfd { fd: control.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        if unsafe { libc::poll(&raw mut poll, 1, limit.as_micros().div_ceil(1000) as libc::c_int) } <= 0 {
            return Ok(None);
        }
        let reply = read_reply(control)?;
        let control = self.control.take();
        match reply {
            Reply::Ended { status, cpu_s, peak_memory_mib } => {
                // What was asked to stop too late would take that for the next request.
                if let Some(control) = control.filter(|_| !self.stopped) {
                    self.guards.idle.lock().unwrap_or_else(PoisonError::into_inner).push(control);
                }
                let (status, usage) = (ExitStatus::from_raw(status), Usage { cpu_s, peak_memory_mib });
                Ok(Some(ProcessEnd { status, usage, left: None }))
            }
            Reply::Stuck { pid } => Ok(Some(ProcessEnd {
                status: ExitStatus::from_raw(libc::SIGKILL),
                usage: Usage::ZERO,
                left: Some(pid),
            })),
            Reply::Started { .. } | Reply::NotStarted { .. } => {
                Err(io::Error::other("unexpected reply of the guardian"))
            }
        }
    }
}

fn read_reply(control: &mut UnixStream) -> io::Result<Reply> {
    let mut bytes = [0; REPLY];
    control.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::other("the process that guards it was killed"),
        _ => error,
    })?;
    Ok(Reply::decode(&bytes))
}

/// Waits (2 s at most) for the end of everything that holds the other end of this pipe.
fn end_of(lives: &OwnedFd) -> bool {
    let mut poll = libc::pollfd { fd: lives.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut poll, 1, LAST_WAIT_MS) == 1 }
}

/// Makes every guardian kill what it guards, and waits (2 s at most) until nothing lives. Made of
/// calls that a signal handler may make.
pub fn kill_at_once() {
    let (urgent, lives) = (URGENT.load(Ordering::Acquire), LIVES.load(Ordering::Acquire));
    if urgent < 0 {
        return;
    }
    let mut poll = libc::pollfd { fd: lives, events: libc::POLLIN, revents: 0 };
    // SAFETY: `write` and `poll` are safe in a handler; a byte and one entry that are valid.
    unsafe {
        libc::write(urgent, c"!".as_ptr().cast(), 1);
        libc::poll(&raw mut poll, 1, LAST_WAIT_MS);
    }
}

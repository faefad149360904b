//! The nursery: a process with one thread that forks guardians, and looks after what
//! a guardian that was killed leaves behind. What guardians need of the system is here too.

use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::protocol::{Reply, receive_fds};
use super::{descendants, guardian};

/// Lives until the orchestrator is gone and the last guardian is too. Nobody reads `_living`: that
/// it is open says that we, or a guardian, live.
pub(super) fn run(socket: UnixStream, urgent: OwnedFd, _living: OwnedFd) -> ! {
    let work = || {
        quiet::begin([socket.as_raw_fd(), urgent.as_raw_fd(), _living.as_raw_fd()]);
        Nursery { socket, urgent, guardians: Vec::new(), closing: false }.live();
    };
    // What unwinds must not reach the code of the process that we were forked from.
    let code = i32::from(catch_unwind(AssertUnwindSafe(work)).is_err());
    // SAFETY: what runs at the end of a process is the orchestrator's.
    unsafe { libc::_exit(code) }
}

struct Nursery {
    socket: UnixStream,
    urgent: OwnedFd,
    guardians: Vec<libc::pid_t>,
    /// Whether the orchestrator is gone, or in a hurry.
    closing: bool,
}

impl Nursery {
    fn live(mut self) {
        loop {
            let strays = self.reap();
            if self.closing && self.guardians.is_empty() && !strays {
                return;
            }
            let open = (!self.closing).then_some(());
            let fds = [open.map(|()| self.socket.as_raw_fd()), open.map(|()| self.urgent.as_raw_fd())];
            pause(fds, strays.then_some(Duration::from_millis(20)));
            if self.closing {
                continue;
            }
            let [asked, urgent] = quiet::events([self.socket.as_raw_fd(), self.urgent.as_raw_fd()]);
            if urgent != 0 {
                self.closing = true;
            } else if asked != 0 {
                match receive_fds(&self.socket) {
                    Ok(Some(fds)) => self.fork_guardian(fds),
                    Ok(None) => self.closing = true,
                    // Whoever asked sees that his socket was closed.
                    Err(_) => {}
                }
            }
        }
    }

    /// Forks a guardian.
    fn fork_guardian(&mut self, [control]: [OwnedFd; 1]) {
        // SAFETY: this process has one thread, so that the child may do what it likes.
        match unsafe { libc::fork() } {
            -1 => {
                let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN);
                // Whoever asked may be gone.
                let _ = UnixStream::from(control).write_all(&Reply::NotStarted { errno }.encode());
            }
            0 => {
                // Were it open here, what the orchestrator asks of a killed nursery would wait in it.
                // SAFETY: nothing in this process uses it.
                unsafe { libc::close(self.socket.as_raw_fd()) };
                let urgent = &self.urgent;
                let done = catch_unwind(AssertUnwindSafe(|| guardian::run(control.into(), urgent)));
                // SAFETY: as for the nursery.
                unsafe { libc::_exit(i32::from(done.is_err())) }
            }
            pid => self.guardians.push(pid),
        }
    }

    /// Reaps guardians that have ended. Whether there are processes that a guardian left, which was
    /// killed: they are killed as well.
    fn reap(&mut self) -> bool {
        let mut strays = false;
        loop {
            let mut status = 0;
            // SAFETY: a valid place for the status.
            match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
                pid if pid > 0 => {
                    let before = self.guardians.len();
                    self.guardians.retain(|guardian| *guardian != pid);
                    // A stray, or a guardian that did not end by itself: there may be more.
                    strays |= before == self.guardians.len() || status != 0;
                }
                0 => break,
                _ => return false,
            }
        }
        if !strays && !self.closing {
            return false;
        }
        let left = descendants::below(&self.guardians);
        for pid in &left {
            // SAFETY: a signal to a process that nobody guards any more.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        !left.is_empty()
    }
}

/// Waits until one of these descriptors has something to say, a child ends, or the time is over.
pub(super) fn pause(fds: [Option<RawFd>; 2], limit: Option<Duration>) {
    let mut polls = fds.map(|fd| libc::pollfd { fd: fd.unwrap_or(-1), events: libc::POLLIN, revents: 0 });
    #[cfg(target_os = "linux")]
    {
        let limit = limit
            .map(|limit| libc::timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos() as _ });
        let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: entries, a time and a mask that live until the call returns. Only in it is SIGCHLD
        // let through, so that none is missed between a look at the children and the wait.
        unsafe {
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::ppoll(polls.as_mut_ptr(), polls.len() as _, limit, &raw const none);
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        // No wait that a child's end is sure to interrupt: short ones have to do.
        let limit = limit.unwrap_or(Duration::MAX).min(Duration::from_millis(5));
        // SAFETY: entries that live until the call returns.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as _, limit.as_millis() as libc::c_int) };
    }
}

/// A process that nobody speaks to but its descriptors.
pub(super) mod quiet {
    use std::os::fd::RawFd;

    extern "C" fn ignored(_: libc::c_int) {}

    /// Leaves the terminal, its signals, and every descriptor but these.
    pub(in super::super) fn begin(keep: [RawFd; 3]) {
        // SAFETY: system calls on numbers; the handler does nothing. (Ignored signals would stay
        // ignored in the commands; those that have a handler get their default there.)
        unsafe {
            libc::setsid();
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGCHLD] {
                libc::signal(signal, ignored as extern "C" fn(libc::c_int) as libc::sighandler_t);
            }
            let mut children = std::mem::zeroed();
            libc::sigemptyset(&raw mut children);
            libc::sigaddset(&raw mut children, libc::SIGCHLD);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const children, std::ptr::null_mut());
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            for stream in 0..=2 {
                libc::dup2(null, stream);
            }
        }
        close_all_but(keep);
        set_name(c"igpt-nursery");
        adopt_orphans();
    }

    /// What `ps` and `top` call us: 15 bytes at most.
    pub(in super::super) fn set_name(name: &std::ffi::CStr) {
        #[cfg(target_os = "linux")]
        // SAFETY: a text that ends in a null byte.
        unsafe {
            libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        }
        #[cfg(not(target_os = "linux"))]
        let _ = name;
    }

    /// What we were forked with is the orchestrator's: an end of a pipe that stayed open here would
    /// keep its reader waiting.
    fn close_all_but(keep: [RawFd; 3]) {
        let Ok(open) = std::fs::read_dir("/dev/fd") else { return };
        let open: Vec<RawFd> =
            open.flatten().filter_map(|item| item.file_name().to_str()?.parse().ok()).collect();
        for fd in open.into_iter().filter(|fd| *fd > 2 && !keep.contains(fd)) {
            // SAFETY: nothing in this process uses it.
            unsafe { libc::close(fd) };
        }
    }

    /// Makes what descendants leave behind our children.
    pub(in super::super) fn adopt_orphans() {
        #[cfg(target_os = "linux")]
        // SAFETY: a system call on numbers. Where it fails, groups have to do.
        unsafe {
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        }
    }

    /// Starts a process that hears of its children: a blocked signal stays blocked in whom we start, and
    /// a shell would wait for its children for ever.
    pub(in super::super) fn starting<T>(start: impl FnOnce() -> T) -> T {
        // SAFETY: masks that live until the calls return.
        unsafe {
            let (mut none, mut ours) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, &raw mut ours);
            let started = start();
            // An end that was heard in between is seen by the look that follows every start.
            libc::sigprocmask(libc::SIG_SETMASK, &raw const ours, std::ptr::null_mut());
            started
        }
    }

    /// What two descriptors have to say at this moment.
    pub(in super::super) fn events(fds: [RawFd; 2]) -> [libc::c_short; 2] {
        let mut polls = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        // SAFETY: two valid entries.
        unsafe { libc::poll(polls.as_mut_ptr(), 2, 0) };
        polls.map(|poll| poll.revents)
    }
}

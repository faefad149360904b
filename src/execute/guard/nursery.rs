//! The nursery: a process with one thread that forks guardians, and looks after what
//! a guardian that was killed leaves behind.

use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::protocol::{Reply, receive_fds};
use super::system::{self, pause};
use super::{descendants, guardian};

/// Lives until the orchestrator is gone and the last guardian is too. Nobody reads `_living`: that
/// it is open says that we, or a guardian, live.
pub(super) fn run(socket: UnixStream, urgent: OwnedFd, _living: OwnedFd) -> ! {
    let work = || {
        system::begin([socket.as_raw_fd(), urgent.as_raw_fd(), _living.as_raw_fd()]);
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
            let [asked, urgent] = system::events([self.socket.as_raw_fd(), self.urgent.as_raw_fd()]);
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

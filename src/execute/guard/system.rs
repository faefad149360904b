//! What the nursery and guardians ask of the system: signals, descriptors, children, a name.

use std::os::fd::RawFd;
use std::time::Duration;

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

extern "C" fn ignored(_: libc::c_int) {}

/// Leaves the terminal, its signals, and every descriptor but these.
pub(super) fn begin(keep: [RawFd; 3]) {
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
pub(super) fn set_name(name: &std::ffi::CStr) {
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
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    // SAFETY: a system call on numbers. Where it fails, groups have to do.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

/// Starts a process that hears of its children: a blocked signal stays blocked in whom we start, and
/// a shell would wait for its children for ever.
pub(super) fn starting<T>(start: impl FnOnce() -> T) -> T {
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
pub(super) fn events(fds: [RawFd; 2]) -> [libc::c_short; 2] {
    let mut polls = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: two valid entries.
    unsafe { libc::poll(polls.as_mut_ptr(), 2, 0) };
    polls.map(|poll| poll.revents)
}

//! One guardian: starts a process, waits for the end of the last of its descendants, and is ready for
//! the next.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::descendants;
use super::protocol::{LaunchRequest, Reply, Stop, receive_fds};
use super::system::{self, pause};
use crate::execute::usage::Usage;

/// How often what has to be killed is looked for again, at first and later.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(200);

/// How long killing may take before somebody is told.
const STUCK: Duration = Duration::from_secs(10);

/// Does what is ordered, one order after the other, until the orchestrator closes the socket.
pub(super) fn run(control: UnixStream, urgent: &OwnedFd) {
    system::set_name(c"igpt-guardian");
    system::adopt_orphans();
    loop {
        pause([Some(control.as_raw_fd()), Some(urgent.as_raw_fd())], None);
        let [asked, hurry] = system::events([control.as_raw_fd(), urgent.as_raw_fd()]);
        if hurry != 0 {
            return;
        }
        if asked != 0 {
            // Whoever is gone before the order was given wants nothing.
            let Ok(Some(streams)) = receive_fds(&control) else { return };
            let Ok(request) = LaunchRequest::read(&control) else { return };
            run_request(request, streams, &control, urgent);
        }
    }
}

/// Does an order with these as the process's input, output and error.
fn run_request(request: LaunchRequest, streams: [OwnedFd; 3], control: &UnixStream, urgent: &OwnedFd) {
    let mut say = control;
    let [input, output, error] = streams;
    // The copy of the input that stays here may be a lock.
    let started = input.try_clone().and_then(|input| command(&request, input, output, error));
    let pid = match started {
        Ok(pid) => pid,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            // Where nobody reads it, the end of the stream is seen next.
            let _ = say.write_all(&Reply::NotStarted { errno }.encode());
            return;
        }
    };
    // Should nobody read this, the end of the stream is seen below.
    let _ = say.write_all(&Reply::Started { pid: pid.cast_unsigned() }.encode());
    let mut guard = Guard {
        control,
        request,
        pid,
        status: None,
        used: Usage::ZERO,
        stopping: None,
        killing: None,
        told: false,
        alone: false,
    };
    while guard.reap() {
        guard.hear(urgent);
        guard.kill_if_due();
        guard.pause(urgent);
    }
    let (status, Usage { cpu_s, peak_memory_mib }) = (guard.status.unwrap_or(libc::SIGKILL), guard.used);
    // The lock goes before the word: whoever hears it may give it to the next.
    drop(input);
    let _ = say.write_all(&Reply::Ended { status, cpu_s, peak_memory_mib }.encode());
}

fn command(
    request: &LaunchRequest,
    input: OwnedFd,
    output: OwnedFd,
    error: OwnedFd,
) -> std::io::Result<libc::pid_t> {
    let no_program = || std::io::Error::from_raw_os_error(libc::ENOENT);
    let (program, arguments) = request.argv.split_first().ok_or_else(no_program)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(error))
        // A command that signals its own group must not reach us.
        .process_group(0);
    if !request.inherits {
        command.env_clear();
    }
    command.envs(request.env.iter().map(|(name, value)| (name, value)));
    if !request.folder.as_os_str().is_empty() {
        command.current_dir(&request.folder);
    }
    Ok(system::starting(|| command.spawn())?.id().cast_signed())
}

/// A process that runs, or whose descendants do.
struct Guard<'a> {
    control: &'a UnixStream,
    request: LaunchRequest,
    pid: libc::pid_t,
    /// How the process itself ended.
    status: Option<i32>,
    /// What it, and what it left behind, used of the machine.
    used: Usage,
    /// Since when it has been told to end.
    stopping: Option<Instant>,
    /// Since when everything is killed.
    killing: Option<Instant>,
    /// Whether it was said that something cannot be killed.
    told: bool,
    /// Whether the orchestrator is gone.
    alone: bool,
}

impl Guard<'_> {
    /// Reaps what has ended; false once no descendant is left.
    fn reap(&mut self) -> bool {
        loop {
            let (mut status, mut rusage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
            // SAFETY: two valid places; all-zero bytes are a valid `rusage`.
            let (ended, rusage) = unsafe {
                let ended = libc::wait4(-1, &raw mut status, libc::WNOHANG, rusage.as_mut_ptr());
                (ended, rusage.assume_init())
            };
            if ended > 0 {
                let Usage { cpu_s, peak_memory_mib } = Usage::from_rusage(&rusage);
                self.used.cpu_s += cpu_s;
                self.used.peak_memory_mib = self.used.peak_memory_mib.max(peak_memory_mib);
            }
            match ended {
                0 => return true,
                -1 => match std::io::Error::last_os_error().raw_os_error() {
                    Some(libc::EINTR) => {}
                    _ => return false,
                },
                pid if pid == self.pid => self.status = Some(status),
                _ => {}
            }
        }
    }

    /// Hears what the orchestrator wants, and sees whether it is still there.
    fn hear(&mut self, urgent: &OwnedFd) {
        let [control, urgent] = system::events([self.control.as_raw_fd(), urgent.as_raw_fd()]);
        if urgent & libc::POLLIN != 0 {
            self.killing.get_or_insert_with(Instant::now);
        }
        self.alone |= urgent & libc::POLLHUP != 0;
        if self.stopping.is_some() {
            return;
        }
        let asked = control != 0 && {
            // A byte asks, and so does the end.
            let _ = (&mut &*self.control).read(&mut [0]);
            true
        };
        if asked || self.alone {
            self.stopping = Some(Instant::now());
            // What has ended by itself is not asked: the rest of it is killed.
            if self.request.stop == Stop::Term && self.status.is_none() {
                self.signal(libc::SIGTERM);
                // Something that was halted hears it only now.
                self.signal(libc::SIGCONT);
            }
        }
    }

    /// Kills, where the time has come.
    fn kill_if_due(&mut self) {
        let had_its_time = self.stopping.is_some_and(|since| since.elapsed() >= self.request.grace);
        if had_its_time || (self.status.is_some() && self.stopping.is_none()) {
            self.killing.get_or_insert_with(Instant::now);
        }
        let Some(since) = self.killing else { return };
        self.signal(libc::SIGKILL);
        if !self.told && since.elapsed() > STUCK {
            self.told = true;
            let pid = descendants::below(&[]).first().copied().unwrap_or(self.pid).cast_unsigned();
            let _ = (&mut &*self.control).write_all(&Reply::Stuck { pid }.encode());
        }
    }

    fn pause(&self, urgent: &OwnedFd) {
        let limit = match (self.killing, self.stopping) {
            (Some(since), _) => Some((since.elapsed() / 4).clamp(SOON, LATER)),
            (None, Some(since)) => Some(self.request.grace.saturating_sub(since.elapsed()).max(SOON)),
            (None, None) => None,
        };
        // What has been heard, and stays readable, must not be waited for.
        let control = self.stopping.is_none().then_some(self.control.as_raw_fd());
        let urgent = (self.killing.is_none() && !self.alone).then_some(urgent.as_raw_fd());
        pause([control, urgent], limit);
    }

    /// Signals everything below us; where the system does not say what that is, the process's group.
    fn signal(&self, signal: libc::c_int) {
        let mut pids = descendants::below(&[]);
        if pids.is_empty() {
            pids.push(-self.pid);
        }
        for pid in pids {
            // SAFETY: a signal to a process that was below us a moment ago.
            unsafe { libc::kill(pid, signal) };
        }
    }
}

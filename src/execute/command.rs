//! A `command` step: `sh -c` in an empty directory of its own, without a worker process.
//!
//! Each input appears in the directory under its port's name, read-only by convention and by file
//! mode; the declared outputs are taken from it afterwards. The environment holds `PATH`, `HOME`,
//! `TMPDIR`, `LANG`, the declared variables and the names passed through, and nothing else.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::attempt::{Site, Stopped, Usage, Worked, attempt};
use super::inputs::{Inputs, Layout};
use super::job::{Failure, Job, JobOutcome, JobWork, Outlet};
use super::process::{Watch, describe, visible_gpus};

/// Variables that every command sees, because hardly anything runs without them.
const AMBIENT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LANG"];

/// How often a running command is looked at for a time-out or an interrupt.
const TICK: Duration = Duration::from_millis(50);

/// How often, where the system cannot tell of its end.
const SHORT: Duration = Duration::from_millis(2);

/// Runs a command job and waits for it.
pub fn run_command(job: &Job, watch: &Watch<'_>, outlet: Outlet<'_>) -> JobOutcome {
    let used = Cell::new(Usage::ZERO);
    attempt(
        job,
        watch.cancelled,
        outlet,
        || used.get(),
        |Site { lock, inputs, scratch, .. }| {
            let JobWork::Command { run, outputs, env, pass_env } = &job.work else {
                return Err(Stopped::Failed(Failure::new("not a command")));
            };
            place_inputs(inputs, scratch, job)?;
            let log = File::options().create(true).append(true).open(watch.log)?;
            // By its path, so that starting it needs no copy of this process (posix_spawn).
            let mut command = Command::new("/bin/sh");
            command
                .arg("-c")
                .arg(run)
                .current_dir(scratch)
                .env_clear()
                // An empty input; and the lock lives as long as the command, should we be killed.
                .stdin(lock.as_input()?)
                .stdout(log.try_clone()?)
                .stderr(log)
                // Ctrl-C is for the orchestrator, which then stops the whole group.
                .process_group(0);
            let passed = AMBIENT.iter().copied().chain(pass_env.iter().map(String::as_str));
            command.envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))));
            command.envs(env.iter().map(|(name, value)| (name, value)));
            command.envs(visible_gpus(&job.gpus));
            let child = command
                .spawn()
                .map_err(|error| Stopped::Failed(Failure::new(format!("cannot start `/bin/sh`: {error}"))))?;
            let (status, usage) = wait(child, watch)?;
            used.set(usage);
            if !status.success() {
                return Err(Stopped::Failed(Failure {
                    error: format!("the command ended with {}", describe(status)),
                    hint: None,
                }));
            }
            let place = |(port, path): &(String, String)| (port.clone(), scratch.join(path));
            Ok(Worked { places: outputs.iter().map(place).collect(), facts: BTreeMap::new() })
        },
    )
}

fn place_inputs(inputs: &Inputs<'_>, scratch: &Path, job: &Job) -> Result<(), Stopped> {
    for input in &job.inputs {
        inputs.place(&input.from, Layout::Copied, &scratch.join(&input.port))?;
    }
    if let JobWork::Command { outputs, .. } = &job.work {
        for (_, path) in outputs {
            if let Some(parent) = scratch.join(path).parent() {
                std::fs::create_dir_all(parent)?;
            }
        }
    }
    Ok(())
}

/// Waits for the child, killing its group on an interrupt or a time-out; what it used comes from
/// the same system call as its status.
fn wait(child: Child, watch: &Watch<'_>) -> Result<(ExitStatus, Usage), Stopped> {
    let pid = child.id() as libc::pid_t;
    let started = Instant::now();
    let exit = Exit::of(pid);
    let mut verdict = None;
    loop {
        if has_ended(pid) {
            // What it left in the background must not write into outputs that are being sealed. The
            // command itself is not yet reaped, so that its group cannot be anybody else's.
            // SAFETY: a signal to the group that the child leads.
            unsafe { libc::kill(-pid, libc::SIGKILL) };
        }
        let (mut status, mut rusage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
        // SAFETY: `pid` is our own child, reaped nowhere else; both pointers are valid.
        let (ended, rusage) = unsafe {
            let ended = libc::wait4(pid, &raw mut status, libc::WNOHANG, rusage.as_mut_ptr());
            (ended, rusage.assume_init())
        };
        if ended == pid {
            return match verdict {
                Some(stopped) => Err(stopped),
                None => Ok((ExitStatus::from_raw(status), Usage::from_rusage(&rusage))),
            };
        }
        if ended < 0 {
            return Err(Stopped::Failed(Failure::new(format!(
                "lost the command: {}",
                std::io::Error::last_os_error()
            ))));
        }
        if verdict.is_none() {
            verdict = stop_reason(watch, started.elapsed());
            if verdict.is_some() {
                // SAFETY: the child leads a process group of its own.
                unsafe { libc::kill(-pid, libc::SIGKILL) };
            }
        }
        exit.wait(TICK);
    }
}

/// Whether a child has ended; it stays to be reaped.
fn has_ended(pid: libc::pid_t) -> bool {
    // SAFETY: `waitid` fills the struct that it is given; all-zero bytes are a valid one.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, options) == 0 && info.si_pid() == pid
    }
}

/// The end of a child, as something that can be waited for with a limit.
struct Exit(Option<OwnedFd>);

impl Exit {
    fn of(pid: libc::pid_t) -> Self {
        // SAFETY: a system call on numbers; it answers a descriptor that nobody else owns, or -1.
        #[cfg(target_os = "linux")]
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as libc::c_int;
        #[cfg(not(target_os = "linux"))]
        let fd: libc::c_int = {
            let _ = pid;
            -1
        };
        // SAFETY: as above.
        Self((fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits until the child has ended, but at most so long.
    fn wait(&self, limit: Duration) {
        let Some(fd) = &self.0 else { return std::thread::sleep(SHORT) };
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry. Whatever it answers, the caller looks at the child.
        unsafe { libc::poll(&raw mut poll, 1, limit.as_millis() as libc::c_int) };
    }
}

fn stop_reason(watch: &Watch<'_>, elapsed: Duration) -> Option<Stopped> {
    if watch.cancelled.load(Ordering::Relaxed) {
        return Some(Stopped::Cancelled);
    }
    let limit = watch.timeout.filter(|limit| elapsed > *limit)?;
    Some(Stopped::Failed(Failure {
        error: format!("took longer than its time-out of {limit:?}"),
        hint: Some("raise `timeout` of the step".to_owned()),
    }))
}

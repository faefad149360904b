//! A `command` step: `sh -c` in an empty directory of its own, without a worker process.
//!
//! Each input appears in the directory under its port's name, read-only by convention and by file
//! mode; the declared outputs are taken from it afterwards. The environment holds `PATH`, `HOME`,
//! `TMPDIR`, `LANG`, the declared variables and the names passed through, and nothing else.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::attempt::{Scratch, Stopped, Usage, attempt, place_input};
use super::job::{Failure, Job, JobOutcome, JobWork};
use super::process::{Watch, describe};
use crate::store::Store;

/// Variables that every command sees, because hardly anything runs without them.
const AMBIENT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LANG"];

/// Runs a command job and waits for it.
pub fn run_command(job: &Job, watch: &Watch<'_>) -> JobOutcome {
    let used = Cell::new(Usage::ZERO);
    attempt(
        job,
        watch.cancelled,
        || used.get(),
        |store, scratch| {
            let JobWork::Command { run, outputs, env, pass_env } = &job.work else {
                return Err(Stopped::Failed(Failure::new("not a command")));
            };
            place_inputs(store, scratch, job)?;
            let log = File::options().create(true).append(true).open(watch.log)?;
            let mut command = Command::new("sh");
            command
                .arg("-c")
                .arg(run)
                .current_dir(&scratch.folder)
                .env_clear()
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                // Ctrl-C is for the orchestrator, which then stops the whole group.
                .process_group(0);
            let passed = AMBIENT.iter().copied().chain(pass_env.iter().map(String::as_str));
            command.envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))));
            command.envs(env.iter().map(|(name, value)| (name, value)));
            let child = command
                .spawn()
                .map_err(|error| Stopped::Failed(Failure::new(format!("cannot start `sh`: {error}"))))?;
            let (status, usage) = wait(child, watch)?;
            used.set(usage);
            if !status.success() {
                return Err(Stopped::Failed(Failure {
                    error: format!("the command ended with {}", describe(status)),
                    hint: Some(format!("its log is {}", watch.log.display())),
                }));
            }
            let place = |(port, path): &(String, String)| (port.clone(), scratch.folder.join(path));
            Ok(outputs.iter().map(place).collect::<BTreeMap<_, _>>())
        },
    )
}

fn place_inputs(store: &Store, scratch: &Scratch, job: &Job) -> Result<(), Stopped> {
    for input in &job.inputs {
        place_input(store, &input.from, &scratch.folder.join(&input.port))?;
    }
    if let JobWork::Command { outputs, .. } = &job.work {
        for (_, path) in outputs {
            if let Some(parent) = scratch.folder.join(path).parent() {
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
    let mut verdict = None;
    loop {
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
        // A millisecond command is answered at once; a long one costs no spinning core.
        let pause = (started.elapsed() / 8).clamp(Duration::from_micros(100), Duration::from_millis(50));
        std::thread::sleep(pause);
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

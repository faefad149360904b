//! A `command` step: a program in an empty directory of its own, without a worker process.
//!
//! Each input appears in the directory under its port's name; the declared outputs are taken from it
//! afterwards. The environment holds `PATH`, `HOME`, `TMPDIR`, `LANG`, the declared variables and the
//! names passed through, and nothing else.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use igpt_contract::Labels;

use super::attempt::{WorkOutput, Workspace, attempt};
use super::bounds::Bounds;
use super::error::{AttemptError, exhausted};
use super::fan_in;
use super::guard::{Guarded, Guards, LaunchRequest, NotStarted, ProcessEnd, Stop};
use super::inputs::{InputMode, Inputs};
use super::job::{Failure, Invocation, Job, JobOutcome, JobWork, SignalSink};
use super::pool;
use super::shell::{self, NoShell};
use super::supervision::{GPUS, Supervision, describe, visible_gpus};
use super::usage::Usage;

/// Variables that every command sees, because hardly anything runs without them.
const AMBIENT: [&str; 3] = ["PATH", "HOME", "TMPDIR"];

/// The language of every command that says nothing else: what counts as a letter, and how texts are sorted, is not to depend
/// on who runs it.
const LANGUAGE: (&str, &str) = ("LANG", "C.UTF-8");

/// How often a running command is looked at for a time-out or an interrupt.
const TICK: Duration = Duration::from_millis(50);

/// How long a command may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a command job and waits for it.
pub fn run_command(job: &Job, watch: &Supervision<'_>, sink: SignalSink<'_>, guards: &Guards) -> JobOutcome {
    if let Err(error) = pool::prepare() {
        return exhausted("start a thread", &error).into();
    }
    let used = Cell::new(Usage::ZERO);
    attempt(
        job,
        watch.cancelled,
        watch.timeout,
        sink,
        || used.get(),
        |Workspace { lock, inputs, scratch, .. }| {
            let JobWork::Command { outputs, .. } = &job.work else {
                return Err(AttemptError::Failed(Failure::new("not a command")));
            };
            let started = Instant::now();
            place_inputs(inputs, scratch, job)?;
            let request = request(job, watch, scratch)?;
            let log = File::options().create(true).append(true).open(watch.log)?;
            // An empty input; and the lock lives as long as the command, should we be killed.
            let streams = [lock.as_input()?.into(), log.try_clone()?.into(), log.into()];
            let guarded = guards.start(&request, streams).map_err(|error| not_started(&request, error))?;
            lock.name_worker(guarded.pid());
            let bounds = Bounds { cancelled: watch.cancelled, timeout: watch.timeout, started };
            let ended = wait(guarded, &bounds)?;
            used.set(ended.usage);
            if !ended.status.success() {
                let error = format!("the command failed: {}", describe(ended.status));
                if starved(watch.log) {
                    return Err(AttemptError::Exhausted(Failure { error, hint: Some(STARVED.to_owned()) }));
                }
                // What a shell returns where SIGPIPE ended something.
                let hint = (ended.status.code() == Some(128 + libc::SIGPIPE)).then(|| UNREAD.to_owned());
                return Err(AttemptError::Failed(Failure { error, hint }));
            }
            let place = |(port, path): &(String, String)| (port.clone(), scratch.join(path));
            Ok(WorkOutput { places: outputs.iter().map(place).collect(), facts: BTreeMap::new() })
        },
    )
}

/// What is to be started.
fn request(job: &Job, watch: &Supervision<'_>, scratch: &Path) -> Result<LaunchRequest, AttemptError> {
    let JobWork::Command { run, shell, env, pass_env, .. } = &job.work else {
        return Err(AttemptError::Failed(Failure::new("not a command")));
    };
    let argv = match run {
        Invocation::Argv(argv) => argv.clone(),
        Invocation::Script(text) => shell::argv(shell, text).map_err(no_shell)?,
    };
    let passed = AMBIENT.iter().copied().chain(pass_env.iter().map(String::as_str));
    // A step that leases no GPU sees none, unless it says itself which.
    let mut variables: Vec<(OsString, OsString)> =
        vec![(GPUS.into(), OsString::new()), (LANGUAGE.0.into(), LANGUAGE.1.into())];
    variables.extend(passed.filter_map(|name| Some((name.into(), std::env::var_os(name)?))));
    variables.extend(env.iter().map(|(name, value)| (name.into(), value.into())));
    variables.extend(visible_gpus(&job.gpus).map(|(name, value)| (name.into(), value.into())));
    Ok(LaunchRequest {
        argv: argv.into_iter().map(OsString::from).collect(),
        folder: scratch.to_owned(),
        inherits: false,
        env: variables,
        stop: Stop::Term,
        grace: watch.grace.unwrap_or(GRACE),
    })
}

fn no_shell(why: NoShell) -> AttemptError {
    match why {
        NoShell::Strict => AttemptError::Failed(Failure {
            error: "no shell here detects a failure inside a pipeline: `/bin/sh` has no `pipefail`, and \
                    there is no bash"
                .to_owned(),
            hint: Some("install bash, or write `run` without pipelines".to_owned()),
        }),
        NoShell::Unasked(error) => exhausted("start a shell", &error),
    }
}

fn not_started(request: &LaunchRequest, error: NotStarted) -> AttemptError {
    let program = request.argv.first().map(|program| program.to_string_lossy().into_owned());
    let what = format!("start `{}`", program.unwrap_or_default());
    if error.is_exhausted() {
        return exhausted(&what, &error.0);
    }
    let hint = match error.0.raw_os_error() {
        Some(libc::ENOENT) => Some("it must be on the `PATH` that the command sees"),
        Some(libc::E2BIG) => Some("put a long string into a file and use that as an input"),
        _ => None,
    };
    let error = format!("cannot {what}: {}", error.0);
    AttemptError::Failed(Failure { error, hint: hint.map(str::to_owned) })
}

/// Lays out the inputs: each under its port's name, and where a port gathers, a folder of them.
fn place_inputs(inputs: &Inputs<'_>, scratch: &Path, job: &Job) -> Result<(), AttemptError> {
    let JobWork::Command { outputs, link, .. } = &job.work else { return Ok(()) };
    for of_port in job.inputs.chunk_by(|a, b| a.port == b.port) {
        let port = &of_port[0].port;
        let layout = if link.contains(port) { InputMode::Linked } else { InputMode::Copied };
        let to = scratch.join(port);
        if of_port.iter().all(|input| input.labels.is_empty()) {
            for input in of_port {
                inputs.place(&input.from, layout, &to)?;
            }
            continue;
        }
        let labels: Vec<Labels> = of_port.iter().map(|input| input.labels.clone()).collect();
        std::fs::create_dir(&to)?;
        for (input, name) in of_port.iter().zip(fan_in::entries(&labels)) {
            inputs.place(&input.from, layout, &to.join(name))?;
        }
        std::fs::write(to.join(fan_in::LABELS), fan_in::labels_json(&labels))?;
    }
    for (_, path) in outputs {
        if let Some(parent) = scratch.join(path).parent() {
            std::fs::create_dir_all(parent)?;
        }
    }
    Ok(())
}

/// Waits until nothing of the command lives, and stops it on an interrupt or a time-out.
fn wait(mut guarded: Guarded<'_>, bounds: &Bounds<'_>) -> Result<ProcessEnd, AttemptError> {
    let lost = |error: io::Error| AttemptError::Failed(Failure::new(format!("lost the command: {error}")));
    let mut verdict = Ok(());
    loop {
        if let Some(ended) = guarded.wait(TICK).map_err(lost)? {
            if let Some(pid) = ended.left {
                let error = format!("process {pid}, which the command started, cannot be killed");
                let hint = Some("it may still write to the outputs: nothing was recorded".to_owned());
                return Err(AttemptError::Failed(Failure { error, hint }));
            }
            return verdict.map(|()| ended);
        }
        if verdict.is_ok() {
            verdict = bounds.check();
            if verdict.is_err() {
                guarded.stop();
            }
        }
    }
}

const UNREAD: &str = "part of a pipeline was still writing when its reader exited: let the reader consume it all, as \
                      in `| (head -n 1; cat > /dev/null)`";

const STARVED: &str = "according to its log no other process could be started: raise `ulimit -u`, or run fewer steps at once (`--jobs`)";

/// Whether a log ends in what programs say where no process can be made.
fn starved(log: &Path) -> bool {
    const BYTES: u64 = 1024;
    let end = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).to_lowercase())
    };
    let end = end().unwrap_or_default();
    ["cannot fork", "fork: retry", "fork: resource temporarily unavailable"]
        .iter()
        .any(|words| end.contains(words))
}

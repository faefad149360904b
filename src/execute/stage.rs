//! A stage step in this process: its inputs and outputs as folders, its signals, its panics.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use igpt_contract::{DynStage, LabelledInput, Signal, StageContext, StageError, StageIo};

use super::attempt::{WorkOutput, Workspace, attempt};
use super::error::AttemptError;
use super::inputs::{InputMode, Inputs};
use super::job::{Failure, Job, JobOutcome, JobWork};
use super::process::this_binary;
use super::usage::usage;

/// Runs an attempt at a stage step in this process; `began` is told when the work itself begins.
pub(super) fn attempt_stage(
    job: &Job,
    find: impl Fn(&str) -> Option<Arc<dyn DynStage>>,
    cancelled: Arc<AtomicBool>,
    began: impl FnOnce(),
    sink: impl Fn(Signal) + Send + Sync + 'static,
) -> JobOutcome {
    let flag = Arc::clone(&cancelled);
    let sink = Arc::new(sink);
    let outlet = Arc::clone(&sink);
    attempt(
        job,
        &flag,
        // Our parent keeps the time.
        None,
        &*outlet,
        || usage(libc::RUSAGE_SELF).and(usage(libc::RUSAGE_CHILDREN)),
        move |Workspace { store, inputs, scratch, .. }| {
            began();
            let JobWork::Stage { kind, params, seed } = &job.work else {
                return Err(AttemptError::Failed(Failure::new("a worker runs stages, not commands")));
            };
            let stage = find(kind).ok_or_else(|| {
                AttemptError::Failed(Failure::new(format!("this binary has no stage kind `{kind}`")))
            })?;
            let io = stage_io(inputs, scratch, job)?;
            let checkpoints = store.checkpoints(&job.key, job.attempt.as_deref())?;
            let facts = Arc::new(Mutex::new(BTreeMap::new()));
            let into = Arc::clone(&facts);
            let sink = move |signal| match signal {
                Signal::Fact { name, value } => {
                    into.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
                }
                signal => sink(signal),
            };
            let cx = StageContext::new(*seed, job.threads, checkpoints, sink)
                .on_device(job.device.clone())
                .with_gpus(job.gpus.len())
                .ranks_by(rank_commands(job)?)
                .offline(job.offline)
                .cancelled_by(cancelled);
            match catch_unwind(AssertUnwindSafe(|| stage.run(params, &io, &cx))) {
                Ok(Ok(())) => {
                    let facts = std::mem::take(&mut *facts.lock().unwrap_or_else(PoisonError::into_inner));
                    Ok(WorkOutput { places: io.outputs, facts })
                }
                Ok(Err(error)) => Err(stopped(error)),
                Err(panic) => Err(AttemptError::Failed(Failure {
                    error: format!("the stage panicked: {}", panic_text(&*panic)),
                    hint: Some("this is a bug of the stage; its log has the place".to_owned()),
                })),
            }
        },
    )
}

/// How a further process of a stage is started on each machine that the step has: here by this binary, whatever was
/// put in its place meanwhile.
fn rank_commands(job: &Job) -> io::Result<Vec<Vec<OsString>>> {
    let mut commands = vec![vec![this_binary()?.into(), "rank".into()]];
    if job.attempt.is_some() {
        commands.extend(super::slurm::on_further_nodes(&["rank"])?);
    }
    Ok(commands)
}

fn stage_io(inputs: &Inputs<'_>, scratch: &Path, job: &Job) -> Result<StageIo, AttemptError> {
    let mut io = StageIo::default();
    for input in &job.inputs {
        let artifacts = io.inputs.entry(input.port.clone()).or_default();
        let port = scratch.join("in").join(&input.port);
        std::fs::create_dir_all(&port)?;
        let path = port.join(artifacts.len().to_string());
        inputs.place(&input.from, InputMode::Linked, &path)?;
        artifacts.push(LabelledInput { path, labels: input.labels.clone() });
    }
    for port in &job.outputs {
        let path = scratch.join("out").join(port);
        std::fs::create_dir_all(&path)?;
        io.outputs.insert(port.clone(), path);
    }
    Ok(io)
}

fn stopped(error: StageError) -> AttemptError {
    match error {
        StageError::Cancelled => AttemptError::Cancelled,
        StageError::Failed { ref hint, .. } => {
            AttemptError::Failed(Failure { hint: hint.clone(), ..Failure::from_error(&error) })
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

//! `run FILE [STEP...]`: make what the pipeline names.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal as _, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::complain;
use super::error::CliError;
use super::load::{Loaded, load_whole, look_ahead, look_at_exports};
use super::options::RunArgs;
use super::results;
use crate::engine::{self, Options, Summary};
use crate::event::{Consumer, Dispatcher, RunStatus};
use crate::execute::guard::{Guards, kill_at_once};
use crate::execute::local::Local;
use crate::pipeline::secrets::Secrets;
use crate::pipeline::units;
use crate::plan::Plan;
use crate::report::{Bars, Fault, JsonLines, Plain};
use crate::schedule::{OnFailure, Outcome};
use crate::store::{Caches, Prefetch, Program, RunRecord, StepRecord, Store};
use crate::{machine, registry};

/// Set by Ctrl-C.
pub(super) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Begins what guards the steps, and takes the files that they need. The first act of a verb that runs
/// steps, as long as this process is small and has one thread.
pub(super) fn begin_guards() -> Result<Guards, CliError> {
    let guards = Guards::begin().map_err(CliError::no_room("a process that guards the steps"))?;
    machine::adjust_limits();
    Ok(guards)
}

/// Runs the pipeline; answers 0, 100 or 130.
pub(super) fn run(
    store: &Path,
    json: bool,
    args: &RunArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let guards = begin_guards()?;
    let select = &args.select;
    let file = &select.pipeline.file;
    let file = std::path::absolute(file).map_err(CliError::file("find", file))?;
    let prefetch = Prefetch::begin(store, &file);
    let Loaded { plan, made_of, secrets } =
        load_whole(&select.pipeline, select.steps.iter().chain(&args.force))?;
    // The process ends with the run: freeing ten thousand steps one by one would be a twentieth of it.
    let plan = ManuallyDrop::new(plan);
    look_ahead(&select.pipeline, &plan, store, &select.targets())?;
    let memory_mib = match &args.memory {
        None => None,
        Some(text) => Some(units::memory_mib(text).ok_or_else(|| CliError::Usage {
            what: format!("--memory: expected a size, found `{text}`"),
            hint: Some("write it as 8GiB or 500MiB".to_owned()),
        })?),
    };
    let numerics = registry::numerics(&select.device).map_err(CliError::usage)?;
    let store = Store::open(store)?;
    let _live = store.hold()?;
    let files = RefCell::new(Caches::open(&store).with(prefetch));
    if !args.overwrite {
        let targets = select.targets();
        look_at_exports(&select.pipeline, &plan, &store, &mut files.borrow_mut(), &targets)?;
    }
    let folder = store.new_run()?;
    let made_of = store.insert_bytes(made_of.to_string().as_bytes())?;
    folder.begin(made_of)?;
    let options = Options {
        run: folder.id().to_owned(),
        folder: engine::folder_of(&file),
        logs: folder.logs_dir(),
        budget: machine::budget(args.jobs, memory_mib),
        on_failure: if args.keep_going { OnFailure::StopDependents } else { OnFailure::StopAll },
        force: args.force.iter().cloned().collect(),
        targets: select.targets(),
        device: select.device.clone(),
        numerics,
        offline: args.offline,
        overwrite: args.overwrite,
        keep_failed: args.keep_failed,
    };
    stop_on_interrupt();
    let events = folder.events_path();
    let log = File::create(&events).map_err(CliError::file("create", &events))?;
    let log = JsonLines::new(BufWriter::new(log));
    let log_fault = log.fault();
    let mut out_fault = None;
    let stdout = std::io::stdout();
    let told: Box<dyn Consumer> = match (json, bars(stdout.is_terminal(), std::io::stderr().is_terminal())) {
        (true, _) => {
            let lines = JsonLines::new(BufWriter::new(stdout));
            out_fault = Some(lines.fault());
            Box::new(lines)
        }
        (false, true) => Box::new(Bars::default()),
        (false, false) => Box::new(Plain::new(stdout)),
    };
    let dispatcher = Dispatcher::start(vec![Box::new(log), told], secrets.clone())
        .map_err(CliError::no_room("a thread"))?;
    let local = Local::new(guards);
    let summary = engine::run(&plan, &store, &files, &options, &local, &dispatcher.events(), &INTERRUPTED);
    dispatcher.finish();
    // The index is a help: a run does not fail because of it.
    let _ = files.borrow_mut().flush();
    let summary = ManuallyDrop::new(summary?);
    folder.finish(&RunRecord { plan: Some(made_of), ..record(&plan, file, &options, &secrets, &summary) })?;
    if let Some(error) = fault(&log_fault) {
        complain(&format!("warning: cannot write `{}`: {error}\n", events.display()));
    }
    // A reader that has seen enough is no failure.
    if let Some(error) = out_fault.and_then(|told| fault(&told))
        && error.kind() != ErrorKind::BrokenPipe
    {
        return Err(CliError::Output(error));
    }
    if !json {
        results::tell(&plan, &store, &options.targets, &summary, out)?;
        out.flush()?;
    }
    Ok(ExitCode::from(match summary.status {
        RunStatus::Succeeded => 0,
        RunStatus::Failed => 100,
        RunStatus::Interrupted => 130,
    }))
}

fn fault(of: &Fault) -> Option<std::io::Error> {
    of.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether to draw bars. They go to standard error, and their lines are all that is said: with only
/// one of the two on a terminal somebody would see nothing.
fn bars(out_is_terminal: bool, err_is_terminal: bool) -> bool {
    out_is_terminal && err_is_terminal
}

fn record(plan: &Plan, file: PathBuf, options: &Options, secrets: &Secrets, summary: &Summary) -> RunRecord {
    let steps = summary.steps.iter().map(|(name, outcome, key)| StepRecord {
        name: name.clone(),
        key: *key,
        outcome: match outcome {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::LeftOut => "left out",
        }
        .to_owned(),
        log: engine::logs::file_name(name),
    });
    RunRecord {
        id: options.run.clone(),
        pipeline: plan.name.clone(),
        file,
        arguments: std::env::args_os().map(|text| secrets.mask(&text.to_string_lossy())).collect(),
        plan: None,
        program: Program::this(),
        status: json!(summary.status).as_str().unwrap_or_default().to_owned(),
        finished: jiff::Timestamp::now(),
        steps: steps.collect(),
    }
}

/// Ctrl-C, termination and a closed terminal stop the run: once cleanly, the second time at once. A
/// run that was told not to mind a closed terminal (`nohup`) does not.
pub(super) fn stop_on_interrupt() {
    extern "C" fn interrupted(signal: libc::c_int) {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            kill_at_once();
            // SAFETY: _exit may be called from a signal handler. Nothing is lost: commits are atomic.
            unsafe { libc::_exit(128 + signal) };
        }
    }
    // SAFETY: the handler only makes calls that a handler may make.
    unsafe {
        let handler = interrupted as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
        if libc::signal(libc::SIGHUP, handler) == libc::SIG_IGN {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bars;

    #[test]
    fn bars_need_both_streams_on_a_terminal() {
        assert!(bars(true, true));
        assert!(!bars(true, false) && !bars(false, true) && !bars(false, false));
    }
}

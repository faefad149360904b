//! `run FILE [STEP...]`: make what the pipeline names.

use std::cell::RefCell;
use std::io::{BufWriter, ErrorKind, IsTerminal as _, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::ending::{self, Notice};
use super::error::CliError;
use super::expectations::Checked;
use super::load::{Loaded, load_whole, look_ahead, look_at_exports, placed};
use super::options::{ExecutorKind, RunArgs};
use super::progress::with_verbosity;
use super::terminal::{Terminal, Verbosity};
use super::{backing, junit, print_error, results, sharing, tasks};
use crate::cluster::{self, Cluster, Placed};
use crate::engine::{self, Options, Summary};
use crate::event::{Consumer, Dispatcher, RunStatus};
use crate::execute::Executor;
use crate::execute::guard::{Guards, kill_at_once};
use crate::execute::local::Local;
use crate::execute::slurm::Slurm;
use crate::pipeline::secrets::Secrets;
use crate::pipeline::units;
use crate::plan::Plan;
use crate::report::{Fault, JsonLines, Live, Plain, leave_at_once};
use crate::schedule::{Budget, OnFailure, Outcome};
use crate::store::{Caches, Prefetch, Program, RunFolder, RunRecord, StepRecord, Store};
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
    terminal: Terminal,
    args: &RunArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let guards = begin_guards()?;
    let select = &args.select;
    let file = &select.pipeline.file;
    let file = std::path::absolute(file).map_err(CliError::file("find", file))?;
    let prefetch = Prefetch::begin(store, &file);
    let Loaded { plan, mut made_of, secrets } =
        load_whole(&select.pipeline, select.steps.iter().chain(&args.force))?;
    // The process ends with the run: freeing ten thousand steps one by one would be a twentieth of it.
    let plan = ManuallyDrop::new(Arc::new(plan));
    let targets = select.targets(&plan);
    look_ahead(&select.pipeline, &plan, store, &targets)?;
    let memory_mib = match &args.memory {
        None => None,
        Some(text) => Some(units::memory_mib(text).ok_or_else(|| CliError::Usage {
            what: format!("--memory: expected a size, found `{text}`"),
            hint: Some("write it as 8GiB or 500MiB".to_owned()),
        })?),
    };
    let on_cluster = on_cluster(args, &plan)?;
    let numerics = match &on_cluster {
        None => registry::numerics(&select.device).map_err(CliError::usage)?,
        // Those of steps are the cluster's.
        Some(_) => registry::numerics("cpu").map_err(CliError::usage)?,
    };
    let store = Store::open(store)?;
    let _live = store.hold()?;
    let caches = RefCell::new(Caches::open(&store).with(prefetch));
    if !args.overwrite {
        look_at_exports(&select.pipeline, &plan, &store, &mut caches.borrow_mut(), &targets)?;
    }
    let named = args.remote.remote.as_deref();
    let remote =
        sharing::of_run(named, args.push, &plan, &engine::folder_of(&file), args.offline, &INTERRUPTED)?;
    if let Some(address) = backing::address(named, &plan)? {
        made_of["remote"] = address.to_string().into();
    }
    let folder = store.new_run()?;
    let made_of = store.insert_bytes(made_of.to_string().as_bytes())?;
    folder.begin(made_of)?;
    let options = Options {
        run: folder.id().to_owned(),
        folder: engine::folder_of(&file),
        logs: folder.logs_dir(),
        budget: match &on_cluster {
            None => machine::budget(args.jobs, memory_mib),
            Some((cluster, _)) => {
                Budget { cpus: args.jobs.unwrap_or(cluster.settings.jobs).max(1), memory_mib: 0, gpus: 0 }
            }
        },
        on_failure: if args.keep_going { OnFailure::StopDependents } else { OnFailure::StopAll },
        force: plan.named(&args.force),
        targets,
        device: select.device.clone(),
        numerics,
        nodes: on_cluster.as_ref().map(|(_, placed)| Arc::new(placed.nodes.clone())),
        offline: args.offline,
        overwrite: args.overwrite,
        keep_failed: args.keep_failed,
        off_disk: false,
        remote,
    };
    let executor: Box<dyn Executor> = match on_cluster {
        None => Box::new(Local::new(guards)),
        Some((cluster, Placed { allocations, .. })) => {
            let slurm = Slurm::new(&store, cluster.settings, allocations, args.detach);
            Box::new(slurm.map_err(|missing| CliError::Usage {
                what: format!("--executor slurm: `{missing}` is not on the PATH"),
                hint: Some("start the run on a login node of the cluster".to_owned()),
            })?)
        }
    };
    stop_on_interrupt();
    let started = Instant::now();
    let prepared = Run {
        plan: &plan,
        store: &store,
        caches: &caches,
        folder: &folder,
        options: &options,
        secrets: &secrets,
    };
    let summary = prepared.run(json, terminal, &*executor);
    // What it leaves behind is gone before the run is.
    drop(executor);
    let status = match &summary {
        Ok(summary) => ending::word(summary.status),
        Err(_) => "error",
    };
    if let Some(command) = &args.notify {
        let seconds = started.elapsed().as_secs_f64();
        let notice = Notice { run: folder.id(), pipeline: &plan.name, status, seconds };
        if let Err(warning) = notice.send(command) {
            print_error(&format!("warning: --notify: {warning}\n"));
        }
    }
    let summary = ManuallyDrop::new(summary?);
    folder.finish(&RunRecord { plan: Some(made_of), ..record(&plan, file, &options, &secrets, &summary) })?;
    if let Some(path) = &args.junit {
        junit::write(&folder, path)?;
    }
    if !json {
        // Cleaned where it is written: links pass.
        let stdout = std::io::stdout();
        let style = terminal.style(&stdout);
        results::tell(&plan, &store, &options.targets, &summary, style, &mut stdout.lock())?;
        if summary.status == RunStatus::Interrupted {
            writeln!(out, "interrupted; to continue: {}", ending::command(std::env::args_os(), &secrets))?;
        }
        out.flush()?;
    }
    let mut is_met = true;
    if args.check && summary.status == RunStatus::Succeeded {
        let checked = Checked::of(&summary, &store);
        is_met = checked.is_met();
        let mut text = Vec::new();
        checked.tell(&mut text)?;
        // Standard output is for events then.
        if json {
            print_error(&String::from_utf8_lossy(&text));
        } else {
            out.write_all(&text)?;
            out.flush()?;
        }
    }
    Ok(ExitCode::from(match summary.status {
        RunStatus::Succeeded if !is_met => 100,
        RunStatus::Succeeded => 0,
        RunStatus::Failed => 100,
        RunStatus::Interrupted => 130,
    }))
}

/// The cluster that the steps run on, and the steps there; none where they run here.
fn on_cluster(args: &RunArgs, plan: &Plan) -> Result<Option<(Cluster, Placed)>, CliError> {
    let select = &args.select;
    if args.executor == ExecutorKind::Local {
        let refuse = |what: &str| CliError::Usage {
            what: format!("{what} is for runs on a cluster"),
            hint: Some("add `--executor slurm`".to_owned()),
        };
        return match (&select.cluster, args.detach) {
            (Some(_), _) => Err(refuse("--cluster")),
            (None, true) => Err(refuse("--detach")),
            (None, false) => Ok(None),
        };
    }
    if args.memory.is_some() {
        return Err(CliError::Usage {
            what: "--memory: on a cluster each step requests its own".to_owned(),
            hint: Some("set `memory` in the cluster's settings".to_owned()),
        });
    }
    let beside = || engine::folder_of(&select.pipeline.file).join(cluster::FILE);
    let file = select.cluster.clone().unwrap_or_else(beside);
    placed(&file, plan, &select.device).map(Some)
}

/// A run that is ready to begin.
struct Run<'a> {
    plan: &'a Arc<Plan>,
    store: &'a Store,
    caches: &'a RefCell<Caches>,
    folder: &'a RunFolder,
    options: &'a Options,
    secrets: &'a Secrets,
}

impl Run<'_> {
    /// Runs it in front of those who watch: the file of its events, and who started it.
    fn run(&self, json: bool, terminal: Terminal, executor: &dyn Executor) -> Result<Summary, CliError> {
        let events = self.folder.events_path();
        let log = JsonLines::new(BufWriter::new(self.folder.create_events()?));
        let log_fault = log.fault();
        let mut out_fault = None;
        let stdout = std::io::stdout();
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let verbosity = terminal.verbosity();
        let is_watched = verbosity == Verbosity::Normal
            && !is_dumb
            && is_watched(stdout.is_terminal(), std::io::stderr().is_terminal());
        let told: Box<dyn Consumer> = match (json, is_watched) {
            (true, _) => {
                let lines = JsonLines::new(BufWriter::new(stdout));
                out_fault = Some(lines.fault());
                Box::new(lines)
            }
            (false, true) => {
                let lookup = tasks::lookup(self.plan, self.store, self.options);
                let style = terminal.style(&std::io::stderr());
                Box::new(Live::new(self.options.budget.cpus, &INTERRUPTED, lookup, style))
            }
            (false, false) => {
                let style = terminal.style(&stdout);
                let plain = Box::new(Plain::new(stdout, style));
                with_verbosity(verbosity, plain, std::io::stdout(), self.folder.logs_dir())
            }
        };
        let dispatcher = Dispatcher::start(vec![Box::new(log), told], self.secrets.clone())
            .map_err(CliError::no_room("a thread"))?;
        let Self { plan, store, caches, options, .. } = self;
        let summary = engine::run(plan, store, caches, options, executor, &dispatcher.events(), &INTERRUPTED);
        dispatcher.finish();
        // The index is a help: a run does not fail because of it.
        let _ = caches.borrow_mut().flush();
        let summary = summary?;
        if let Some(error) = fault(&log_fault) {
            print_error(&format!("warning: cannot write `{}`: {error}\n", events.display()));
        }
        // A reader that has seen enough is no failure.
        match out_fault.and_then(|told| fault(&told)) {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Output(error)),
            _ => Ok(summary),
        }
    }
}

fn fault(of: &Fault) -> Option<std::io::Error> {
    of.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether to draw a live view. It goes to standard error, and its lines are all that is said: with
/// only one of the two on a terminal somebody would see nothing.
fn is_watched(out_is_terminal: bool, err_is_terminal: bool) -> bool {
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
        status: ending::word(summary.status).to_owned(),
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
            leave_at_once();
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
    use super::is_watched;

    #[test]
    fn a_live_view_needs_both_streams_on_a_terminal() {
        assert!(is_watched(true, true));
        assert!(!is_watched(true, false) && !is_watched(false, true) && !is_watched(false, false));
    }
}

//! `run FILE [STEP...]`: make what the pipeline names.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::error::CliError;
use super::load::load;
use super::options::RunArgs;
use crate::engine::{self, Options, Summary};
use crate::event::{Consumer, Dispatcher, RunStatus};
use crate::execute::local::Local;
use crate::pipeline::units;
use crate::plan::Plan;
use crate::report::{Bars, JsonLines, Plain};
use crate::schedule::{OnFailure, Outcome};
use crate::store::{Files, Form, RunRecord, StepRecord, Store};
use crate::{machine, registry};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Runs the pipeline; answers 0, 100 or 130.
pub(super) fn run(
    store: &Path,
    json: bool,
    args: &RunArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let plan = load(&args.pipeline)?;
    check_names(&plan, args.pipeline.steps.iter().chain(&args.force))?;
    let memory_mib = match &args.memory {
        None => None,
        Some(text) => Some(units::memory_mib(text).ok_or_else(|| CliError::Usage {
            what: format!("--memory: expected a size, found `{text}`"),
            hint: Some("write it as 8GiB or 500MiB".to_owned()),
        })?),
    };
    let numerics = registry::numerics(&args.pipeline.device).map_err(CliError::usage)?;
    let store = Store::open(store)?;
    let _live = store.live()?;
    let folder = store.new_run()?;
    let options = Options {
        run: folder.id().to_owned(),
        folder: std::path::absolute(engine::folder_of(&args.pipeline.file))?,
        logs: folder.logs_dir(),
        budget: machine::budget(args.jobs, memory_mib),
        on_failure: if args.keep_going { OnFailure::StopDependents } else { OnFailure::StopAll },
        force: args.force.iter().cloned().collect(),
        targets: args.pipeline.steps.iter().cloned().collect(),
        device: args.pipeline.device.clone(),
        numerics,
        offline: args.offline,
    };
    stop_on_interrupt();
    let log = BufWriter::new(File::create(folder.events_path())?);
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(JsonLines::new(log))];
    let stdout = std::io::stdout();
    consumers.push(match (json, stdout.is_terminal()) {
        (true, _) => Box::new(JsonLines::new(BufWriter::new(stdout))),
        (false, true) => Box::new(Bars::default()),
        (false, false) => Box::new(Plain::new(stdout)),
    });
    let files = RefCell::new(Files::open(&store));
    let dispatcher = Dispatcher::start(consumers);
    let summary = engine::run(&plan, &store, &files, &options, &Local, &dispatcher.events(), &INTERRUPTED);
    dispatcher.finish();
    // The index is a help: a run does not fail because of it.
    let _ = files.borrow_mut().flush();
    let summary = summary?;
    folder.finish(&record(&plan, args, &options, &summary))?;
    if !json {
        tell_results(&plan, &store, &summary, out)?;
    }
    Ok(ExitCode::from(match summary.status {
        RunStatus::Succeeded => 0,
        RunStatus::Failed => 100,
        RunStatus::Interrupted => 130,
    }))
}

/// Names of steps on the command line must be names of the plan.
fn check_names<'a>(plan: &Plan, names: impl Iterator<Item = &'a String>) -> Result<(), CliError> {
    for name in names {
        if !plan.steps.iter().any(|step| step.name == *name || step.base == *name) {
            let bases: std::collections::BTreeSet<&str> =
                plan.steps.iter().map(|step| step.base.as_str()).collect();
            let bases: Vec<&str> = bases.into_iter().collect();
            return Err(CliError::Usage {
                what: format!("the pipeline has no step `{name}`"),
                hint: Some(format!("its steps are {}", bases.join(", "))),
            });
        }
    }
    Ok(())
}

/// The last lines of a run: where the results are. Without exports, the tables and figures.
fn tell_results(plan: &Plan, store: &Store, summary: &Summary, out: &mut dyn Write) -> Result<(), CliError> {
    let mut out = BufWriter::new(out);
    let here = std::env::current_dir().unwrap_or_default();
    for (path, artifact) in &summary.exports {
        writeln!(out, "result {}", shorten(path, &here).display())?;
        if artifact.form == Form::Tree
            && let Ok(text) = std::fs::read_to_string(path.join("table.md"))
        {
            writeln!(out, "\n{}", text.trim_end())?;
        }
    }
    if summary.exports.is_empty() && summary.status == RunStatus::Succeeded {
        for (id, outputs) in &summary.made {
            let kinds = plan.steps[*id].work.output_kinds();
            for (port, artifact) in outputs {
                if kinds.get(port.as_str()).is_some_and(|kind| matches!(*kind, "table" | "figure")) {
                    let name = &plan.steps[*id].name;
                    for entry in store.entries(artifact)? {
                        let path = store.path_of_file(&entry.digest);
                        writeln!(out, "result {name}.{port} {}: {}", entry.name.display(), path.display())?;
                    }
                }
            }
        }
    }
    Ok(out.flush()?)
}

/// A path from the folder `here`, where it is below it.
fn shorten(path: &Path, here: &Path) -> PathBuf {
    let clean: PathBuf = path.components().collect();
    clean.strip_prefix(here).map_or(clean.clone(), Path::to_path_buf)
}

fn record(plan: &Plan, args: &RunArgs, options: &Options, summary: &Summary) -> RunRecord {
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
        log: engine::file_name(name),
    });
    RunRecord {
        id: options.run.clone(),
        pipeline: plan.name.clone(),
        file: args.pipeline.file.clone(),
        arguments: std::env::args().collect(),
        status: json!(summary.status).as_str().unwrap_or_default().to_owned(),
        finished: jiff::Timestamp::now(),
        steps: steps.collect(),
    }
}

/// Ctrl-C, termination and a closed terminal stop the run: once cleanly, the second time at once.
fn stop_on_interrupt() {
    extern "C" fn interrupted(signal: libc::c_int) {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            // SAFETY: _exit may be called from a signal handler. Nothing is lost: commits are atomic.
            unsafe { libc::_exit(128 + signal) };
        }
    }
    // SAFETY: the handler only touches an atomic and _exit.
    unsafe {
        let handler = interrupted as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
        libc::signal(libc::SIGHUP, handler);
    }
}

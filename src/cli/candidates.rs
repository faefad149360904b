//! What can stand at a place of the command line, for completion: read from the pipeline that the line
//! names and from the store. Whatever cannot be read completes nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};

use super::history::steps_of;
use super::load::load;
use super::options::PipelineArgs;
use super::store_folder;
use crate::pipeline::{Node, Pipeline};
use crate::plan::catalog::{COMMAND, Catalog};
use crate::plan::command;
use crate::step_name::{base, typed};
use crate::store::{RunFolder, Store};
use crate::{machine, registry};

/// How many of the latest runs are offered, and searched for steps.
const RUNS: usize = 30;

/// The command with what completes its arguments, by their names.
pub(super) fn with_candidates(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        let (writes, of_runs) = (verb.get_name() == "new", verb.get_name() == "metrics");
        verb.mut_args(move |argument| {
            let completer = match argument.get_id().as_str() {
                "file" | "files" | "pipelines" if !writes => ArgValueCompleter::new(pipelines()),
                "run_or_file" => runs_and_pipelines(),
                "steps" if of_runs => recorded_steps(),
                "steps" | "force" => steps(),
                "step" | "of" => recorded_steps(),
                "run" | "runs" | "old" | "new" => ArgValueCompleter::new(runs),
                "profiles" => profiles(),
                "sets" => settings(),
                "device" => devices(),
                "kind" => kinds(),
                _ => return argument,
            };
            argument.add(completer)
        })
    })
}

/// Pipeline files.
fn pipelines() -> PathCompleter {
    let is_yaml =
        |path: &Path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    PathCompleter::any().filter(move |path| path.is_file() && is_yaml(path))
}

/// What `metrics` takes.
fn runs_and_pipelines() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        runs(current).into_iter().chain(pipelines().complete(current)).collect::<Vec<_>>()
    })
}

/// The steps of the pipeline on the line.
fn steps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = line().map(|line| pipeline_steps(&line)).unwrap_or_default();
        step_candidates(names, &current.to_string_lossy())
    })
}

/// The steps of the run on the line, or of the latest runs.
fn recorded_steps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let named = line().and_then(|line| {
            value::<String>(&line, "run").or(value::<String>(&line, "run_or_file")).cloned()
        });
        let runs: Vec<RunFolder> = match named {
            Some(run) => store().and_then(|store| store.run(&run).ok()).into_iter().collect(),
            None => latest_runs(),
        };
        let mut names: Vec<(String, String)> = Vec::new();
        for run in runs {
            let (pipeline, steps) = steps_of(&run);
            for step in steps {
                if !names.iter().any(|(name, _)| *name == step.name) {
                    names.push((step.name, format!("{pipeline}, {}", run.id())));
                }
            }
        }
        step_candidates(names, &current.to_string_lossy())
    })
}

/// Ids of runs, the newest first.
fn runs(current: &OsStr) -> Vec<CompletionCandidate> {
    let described = latest_runs().into_iter().map(|run| {
        let (pipeline, _) = steps_of(&run);
        let status = run.record().map_or_else(|| "unfinished".to_owned(), |record| record.status);
        (run.id().to_owned(), format!("{pipeline}, {status}"))
    });
    let last = ("last".to_owned(), "the latest run".to_owned());
    starting_with(std::iter::once(last).chain(described), &current.to_string_lossy())
}

/// Profiles that the pipeline on the line declares.
fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let pipeline = line().and_then(|line| read(&line));
        let names = pipeline.iter().flat_map(|pipeline| keys(pipeline.root().get("profiles")));
        starting_with(names.map(|name| (name, "profile".to_owned())), &current.to_string_lossy())
    })
}

/// Values of the pipeline on the line that `--set` can override: its variables, and its steps' parameters.
fn settings() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(pipeline) = line().and_then(|line| read(&line)) else { return Vec::new() };
        let root = pipeline.root();
        let vars = keys(root.get("vars")).map(|name| format!("vars.{name}="));
        let params = keys(root.get("stages")).flat_map(|step| {
            let declared = root.get("stages").and_then(|stages| stages.get(&step)?.get("with"));
            keys(declared).map(move |param| format!("stages.{step}.with.{param}=")).collect::<Vec<_>>()
        });
        let paths = vars.chain(["seed=".to_owned()]).chain(params);
        starting_with(paths.map(|path| (path, String::new())), &current.to_string_lossy())
    })
}

/// Devices that this program can compute on.
fn devices() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut devices = vec!["auto".to_owned(), "cpu".to_owned()];
        let gpus = machine::budget(None, None).gpus;
        if cfg!(feature = "tch") && gpus > 0 {
            devices.push("cuda".to_owned());
            devices.extend((0..gpus).map(|gpu| format!("cuda:{gpu}")));
        }
        starting_with(devices.into_iter().map(|device| (device, String::new())), &current.to_string_lossy())
    })
}

/// Stage kinds.
fn kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let catalog = Catalog::new(registry::stages());
        let stages =
            catalog.entries().map(|entry| (entry.spec.name.to_owned(), entry.spec.summary.to_owned()));
        let command = (COMMAND.to_owned(), command::SUMMARY.to_owned());
        starting_with(stages.chain([command]), &current.to_string_lossy())
    })
}

/// The line that is being typed, as far as it can be understood.
fn line() -> Option<ArgMatches> {
    let words: Vec<_> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let mut command = super::command().ignore_errors(true);
    command.try_get_matches_from_mut(words).ok()?.remove_subcommand().map(|(_, matches)| matches)
}

fn value<'a, T: Clone + Send + Sync + 'static>(line: &'a ArgMatches, name: &str) -> Option<&'a T> {
    line.try_get_one::<T>(name).ok().flatten()
}

/// The pipeline file of a line. Shells pass words as they are typed.
fn file(line: &ArgMatches) -> Option<PathBuf> {
    let typed = value::<PathBuf>(line, "file")?;
    match typed.strip_prefix("~") {
        Ok(rest) => Some(std::env::home_dir()?.join(rest)),
        Err(_) => Some(PathBuf::from(typed.to_string_lossy().trim_matches(['\'', '"']))),
    }
}

fn read(line: &ArgMatches) -> Option<Pipeline> {
    Pipeline::read(&file(line)?).ok()
}

/// The steps of a pipeline with their kinds; of one that has errors, the names that it declares.
fn pipeline_steps(line: &ArgMatches) -> Vec<(String, String)> {
    let all = |name: &str| -> Vec<String> {
        let values = line.try_get_many::<String>(name).ok().flatten();
        values.into_iter().flatten().cloned().collect()
    };
    let Some(file) = file(line) else { return Vec::new() };
    let args = PipelineArgs { file, sets: all("sets"), profiles: all("profiles") };
    match load(&args) {
        Ok(plan) => plan.steps.into_iter().map(|step| (step.name, step.work.kind().to_owned())).collect(),
        Err(_) => {
            let pipeline = read(line);
            let names = pipeline.iter().flat_map(|pipeline| keys(pipeline.root().get("stages")));
            names.map(|name| (name, String::new())).collect()
        }
    }
}

fn keys(node: Option<&Node>) -> impl Iterator<Item = String> + '_ {
    node.and_then(Node::as_map).unwrap_or_default().iter().map(|(key, _)| key.text.clone())
}

fn store() -> Option<Store> {
    let named = line().and_then(|line| value::<PathBuf>(&line, "store").cloned());
    Store::open_existing(&store_folder(named)).ok()
}

fn latest_runs() -> Vec<RunFolder> {
    let runs = store().and_then(|store| store.runs().ok()).unwrap_or_default();
    runs.into_iter().rev().take(RUNS).collect()
}

/// Steps by their names in the file; the instances of one as soon as it alone is meant.
fn step_candidates(names: Vec<(String, String)>, current: &str) -> Vec<CompletionCandidate> {
    let mut steps: Vec<(String, String)> = Vec::new();
    for (name, about) in &names {
        if !steps.iter().any(|(step, _)| step == base(name)) {
            steps.push((base(name).to_owned(), about.clone()));
        }
    }
    let meant =
        steps.iter().filter(|(step, _)| current.starts_with(&**step) || step.starts_with(current)).count();
    let in_brackets = current.contains('[');
    let instances: Vec<(String, String)> = names
        .into_iter()
        .filter(|(name, _)| name.contains('[') && (in_brackets || current.contains(':') || meant == 1))
        .map(|(name, about)| (if in_brackets { name } else { typed(&name) }, about))
        .collect();
    starting_with(steps.into_iter().chain(instances), current)
}

fn starting_with(
    candidates: impl Iterator<Item = (String, String)>,
    current: &str,
) -> Vec<CompletionCandidate> {
    let fitting = candidates.filter(|(value, _)| value.starts_with(current));
    fitting
        .map(|(value, about)| {
            let about = Some(about).filter(|about| !about.is_empty());
            CompletionCandidate::new(value).help(about.map(Into::into))
        })
        .collect()
}

//! The plan as a value: steps, their inputs and work, searches and exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use igpt_contract::{DynStage, Labels, Memory, Resources};
use serde_json::Value;

use super::remote::RemoteSetting;
use super::retry::Retry;
use crate::paths::normal;
use crate::pipeline::Location;
use crate::pipeline::secrets::Secrets;
use crate::step_name::meant;

/// The number of a step in [`Plan::steps`].
pub type StepId = usize;

/// A pipeline as a graph of concrete steps.
#[derive(Clone)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// The pipeline's description, empty where it has none.
    pub description: String,
    /// The pipeline's seed.
    pub seed: u64,
    /// Every step (matrix and search instances included), each after all that it reads.
    pub steps: Vec<PlannedStep>,
    /// The searches; their candidates are ordinary steps.
    pub searches: Vec<Search>,
    /// The outputs that the user wants outside the store.
    pub exports: Vec<Export>,
    /// The variables with the values that they have after profiles and overrides.
    pub vars: serde_json::Map<String, Value>,
    /// What is to be hidden in everything that is shown or stored.
    pub secrets: Secrets,
    /// Where results are shared.
    pub remote: Option<RemoteSetting>,
}

impl Plan {
    /// The names of the steps that these names mean, as users give them.
    pub(crate) fn named<'a>(&self, given: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
        let names = self.steps.iter().map(|step| step.name.as_str());
        given.into_iter().flat_map(|given| meant(given, names.clone())).map(str::to_owned).collect()
    }
}

/// One step: a stage's use with concrete parameters and edges.
#[derive(Clone)]
pub struct PlannedStep {
    /// The name shown to users: `probe`, or `probe[layer=3,seed=0]` in a matrix.
    pub name: String,
    /// The name in the YAML: `probe`.
    pub base: String,
    /// The values of the matrix axes (and of the searched parameter).
    pub labels: Labels,
    /// What the step does.
    pub work: Work,
    /// Every input in the order of the YAML; a fan-in port has several entries.
    pub inputs: Vec<PlannedInput>,
    /// What the step takes of the machine.
    pub resources: Resources,
    /// Whether, and after which times, a failed attempt is repeated.
    pub retry: Retry,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How long it may take to end once it was told to; as its kind does unless given.
    pub grace: Option<Duration>,
    /// Where the step is written.
    pub place: Location,
    /// Where parameter values came from, by dotted path, for `plan`: `default`, `pipeline`,
    /// `vars.x`, `profile smoke`, `--set`, `matrix`.
    pub origins: Vec<(String, String)>,
    /// The values in the parameters that nobody is to see.
    pub redactions: Vec<Redaction>,
    /// About how many floating-point operations it is, where its kind says so of such inputs.
    pub flops: Option<f64>,
    /// About how much memory it takes, where its kind says so of such inputs; `resources` has what its kind
    /// takes at most times, or what the pipeline says.
    pub memory: Option<Memory>,
}

/// A value that is used but neither shown nor stored, and does not enter the key.
#[derive(Debug, Clone, PartialEq)]
pub struct Redaction {
    /// Where it stands in the parameters: names of members and numbers of items.
    pub path: Vec<String>,
    /// What is shown, stored and keyed in its place.
    pub shown: String,
}

impl Redaction {
    /// Puts what is shown in the place of the value.
    pub(super) fn apply(&self, params: &mut Value) {
        let leaf = self.path.iter().try_fold(params, |value, name| match value {
            Value::Object(members) => members.get_mut(name),
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
            _ => None,
        });
        if let Some(leaf) = leaf {
            *leaf = Value::String(self.shown.clone());
        }
    }
}

/// What a step does.
#[derive(Clone)]
pub enum Work {
    /// A stage kind of the registry.
    Stage {
        /// The implementation.
        stage: Arc<dyn DynStage>,
        /// The parameters, every default filled in.
        params: Value,
        /// The parameters that differ from their defaults and may enter the key.
        keyed: Value,
        /// The step's seed.
        seed: u64,
    },
    /// A command.
    Command(Command),
}

/// A command with declared inputs, outputs and environment. It runs in an empty directory of its own
/// in which every input appears under its port's name.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What is run.
    pub run: Invocation,
    /// The interpreter of a script and its arguments; the strict POSIX shell where it is empty.
    pub shell: Vec<String>,
    /// Input ports that are linked, not copied; sorted.
    pub link: Vec<String>,
    /// Output port -> the path, relative to the directory, of the file or folder that it makes.
    pub outputs: Vec<(String, String)>,
    /// Environment variables with values that enter the key.
    pub env: Vec<(String, String)>,
    /// Names of environment variables passed through; they do not enter the key.
    pub pass_env: Vec<String>,
}

/// What a command runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Invocation {
    /// A script for an interpreter.
    Script(String),
    /// A program and its arguments.
    Argv(Vec<String>),
}

/// One edge into a step.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedInput {
    /// The port's name.
    pub port: String,
    /// Where the artifact comes from.
    pub source: Source,
    /// For fan-in ports: the axis values of the instance, and the label `step` where the edge is
    /// named. They enter the key. Empty elsewhere.
    pub labels: Labels,
    /// Whether the port gathers several artifacts (then the key holds their sorted set).
    pub gathered: bool,
    /// Whether a failed or skipped source is a hole and not a reason to skip (`step.*?`).
    pub may_miss: bool,
    /// Where it is written, for what comes from the disk.
    pub place: Option<Location>,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// An output port of another step, or a part of it.
    Step {
        /// The step.
        step: StepId,
        /// Its output port.
        port: String,
        /// The part (`layers/5`), where one is named.
        part: Option<String>,
    },
    /// An output port of the winner of a search, or a part of it. The port `choice` is the search's
    /// own small artifact.
    Winner {
        /// The search's number in [`Plan::searches`].
        search: usize,
        /// The winner's output port, or `choice`.
        port: String,
        /// The part, where one is named.
        part: Option<String>,
    },
    /// A file or folder on disk, relative to the folder of the pipeline file.
    Path(PathBuf),
    /// The files on disk that match patterns, relative to the folder of the pipeline file: a folder
    /// that holds these files alone. See [`super::globs`] for what patterns mean.
    Glob {
        /// What is taken.
        files: Vec<String>,
        /// What of that is left out: files, and folders with all that is in them.
        ignore: Vec<String>,
    },
}

/// A search: candidates tried in order until one is worse than the best before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The step's name in the YAML (with its matrix labels, as in [`PlannedStep::name`]).
    pub name: String,
    /// The searched parameter.
    pub param: String,
    /// The candidates in the order in which they are released.
    pub candidates: Vec<StepId>,
    /// The candidates' values, in the same order.
    pub values: Vec<Value>,
    /// The output port (of kind metrics) and the metric that decides.
    pub metric: (String, String),
    /// Whether a larger metric is better.
    pub maximise: bool,
    /// Whether the candidates after the first worse one are left out.
    pub stop_first_worse: bool,
}

/// An output that the user wants outside the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The step or the search's winner, with the port (and part).
    pub source: Source,
    /// Where it goes, relative to the folder of the pipeline file.
    pub path: PathBuf,
    /// Whether it replaces what is the user's there, keeping it beside.
    pub overwrite: bool,
    /// Where it is written.
    pub place: Location,
}

impl Work {
    /// The name of the stage kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stage { stage, .. } => stage.spec().name,
            Self::Command(_) => "command",
        }
    }

    /// Whether its numbers depend on the device that it computes on.
    pub fn is_device_dependent(&self) -> bool {
        matches!(self, Self::Stage { stage, .. } if stage.spec().device_dependent)
    }

    /// The kind of each output, by port.
    pub fn output_kinds(&self) -> BTreeMap<String, &'static str> {
        match self {
            Self::Stage { stage, .. } => {
                stage.spec().outputs.iter().map(|port| (port.name.to_owned(), port.kind.name)).collect()
            }
            Self::Command(command) => {
                command.outputs.iter().map(|(port, _)| (port.clone(), "file")).collect()
            }
        }
    }
}

impl Plan {
    /// All that is to be hidden, with the values of the variables that commands pass on: `lookup` is
    /// the environment.
    pub fn secrets_with(&self, lookup: impl Fn(&str) -> Option<String>) -> Secrets {
        let mut secrets = self.secrets.clone();
        let commands = self.steps.iter().filter_map(|step| match &step.work {
            Work::Command(command) => Some(&command.pass_env),
            Work::Stage { .. } => None,
        });
        let names: BTreeSet<&String> = commands.flatten().collect();
        names.into_iter().filter_map(|name| lookup(name)).for_each(|value| secrets.add_passed(&value));
        secrets
    }

    /// The exports that lie in a folder on disk or are that folder. The path is, as theirs are,
    /// relative to the folder of the pipeline file.
    pub fn exports_inside<'a>(&'a self, folder: &Path) -> impl Iterator<Item = &'a Export> + use<'a> {
        let folder = normal(folder);
        self.exports.iter().filter(move |export| normal(&export.path).starts_with(&folder))
    }
}

impl PlannedStep {
    /// Hides in parameters of this step what nobody is to see.
    pub fn redact(&self, params: &mut Value) {
        self.redactions.iter().for_each(|redaction| redaction.apply(params));
    }

    /// Whether it takes a GPU in a run on this device, whatever the pipeline says: such a stage computes there.
    pub fn is_on_gpu(&self, device: &str) -> bool {
        device.starts_with("cuda") && self.work.is_device_dependent()
    }

    /// The machine's memory that it claims in a run on this device, in MiB.
    pub fn memory_mib(&self, device: &str) -> u64 {
        self.memory.map_or(self.resources.memory_mib, |memory| memory.of_machine(self.is_on_gpu(device)))
    }

    /// The steps that this one reads directly; for a search's winner, all of its candidates.
    pub fn reads<'a>(&'a self, searches: &'a [Search]) -> impl Iterator<Item = StepId> + 'a {
        self.inputs.iter().flat_map(move |input| input.source.steps(searches))
    }
}

impl Source {
    /// What is read from the disk, as it is written: a path, or patterns and what they leave out.
    pub fn on_disk(&self) -> Option<String> {
        match self {
            Self::Path(path) => Some(path.display().to_string()),
            Self::Glob { files, ignore } if ignore.is_empty() => Some(files.join(", ")),
            Self::Glob { files, ignore } => {
                Some(format!("{} without {}", files.join(", "), ignore.join(", ")))
            }
            Self::Step { .. } | Self::Winner { .. } => None,
        }
    }

    /// The steps behind this source.
    pub fn steps(&self, searches: &[Search]) -> Vec<StepId> {
        match self {
            Self::Step { step, .. } => vec![*step],
            Self::Winner { search, .. } => searches[*search].candidates.clone(),
            Self::Path(_) | Self::Glob { .. } => Vec::new(),
        }
    }
}

//! What of a planned step enters its key, and what the executor gets of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::execute::job::{self, JobWork};
use crate::key::{KEY_SCHEMA, KeyInput, KeyMaterial};
use crate::plan::{Command, Invocation, PlannedStep, Work};

/// The key material of a step with these inputs.
pub(super) fn key_material(
    step: &PlannedStep,
    numerics: &str,
    inputs: BTreeMap<String, Vec<KeyInput>>,
) -> KeyMaterial {
    let (stage, version, params, seed, numerics) = match &step.work {
        Work::Stage { stage, keyed, seed, .. } => {
            let spec = stage.spec();
            let numerics = spec.device_dependent.then(|| numerics.to_owned());
            let keyed = keyed.as_object().into_iter().flatten();
            let params = keyed.map(|(name, value)| (name.clone(), value.clone())).collect();
            (spec.name, spec.version, params, spec.seeded.then_some(*seed), numerics)
        }
        Work::Command(command) => {
            let mut params = Value::Object(command_params(command).into_iter().collect());
            step.redact(&mut params);
            let params = params.as_object().into_iter().flatten();
            let params = params.map(|(name, value)| (name.clone(), value.clone())).collect();
            ("command", 3, params, None, None)
        }
    };
    KeyMaterial { schema: KEY_SCHEMA, stage: stage.to_owned(), version, params, seed, numerics, inputs }
}

/// What of a command enters the key: what it says that is not the default. `pass_env` does not, nor
/// do interpreters and programs.
fn command_params(command: &Command) -> BTreeMap<String, Value> {
    let pairs = |pairs: &[(String, String)]| -> Value {
        pairs.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect()
    };
    let run = match &command.run {
        Invocation::Script(text) => Value::from(text.clone()),
        Invocation::Argv(argv) => Value::from(argv.clone()),
    };
    let mut params = BTreeMap::from([("run".to_owned(), run)]);
    if !(command.outputs.len() == 1 && command.outputs[0] == ("out".to_owned(), "out".to_owned())) {
        params.insert("outputs".to_owned(), pairs(&command.outputs));
    }
    if !command.env.is_empty() {
        params.insert("env".to_owned(), pairs(&command.env));
    }
    for (name, words) in [("shell", &command.shell), ("link", &command.link)] {
        if !words.is_empty() {
            params.insert(name.to_owned(), Value::from(words.clone()));
        }
    }
    params
}

/// What the executor needs to know of a step's work.
pub(super) fn job_work(work: &Work) -> JobWork {
    match work {
        Work::Stage { stage, params, seed, .. } => {
            JobWork::Stage { kind: stage.spec().name.to_owned(), params: params.clone(), seed: *seed }
        }
        Work::Command(command) => JobWork::Command {
            run: match &command.run {
                Invocation::Script(text) => job::Invocation::Script(text.clone()),
                Invocation::Argv(argv) => job::Invocation::Argv(argv.clone()),
            },
            shell: command.shell.clone(),
            link: command.link.clone(),
            outputs: command.outputs.clone(),
            env: command.env.clone(),
            pass_env: command.pass_env.clone(),
        },
    }
}

//! From the plan's wires to artifacts, and from artifacts to the key's material.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::execute::job::{DiskInput, InputFrom, JobInput, JobWork};
use crate::key::{KEY_SCHEMA, KeyInput, KeyMaterial};
use crate::plan::{Plan, PlannedInput, PlannedStep, Source, StepId, Work};
use crate::store::{Artifact, Files, Store, StoreError};

/// What the steps and searches of a run have made so far.
#[derive(Debug, Default)]
pub struct Made {
    /// Step -> output port -> artifact, for steps whose outputs are there.
    pub steps: BTreeMap<StepId, BTreeMap<String, Artifact>>,
    /// Search -> its winner and its choice artifact, once it is decided.
    pub winners: BTreeMap<usize, Winner>,
}

/// The decision of a search.
#[derive(Debug, Clone)]
pub struct Winner {
    /// The winning candidate.
    pub step: StepId,
    /// The `choice` artifact.
    pub choice: Artifact,
}

/// Where inputs are looked up.
pub struct Resolver<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The store.
    pub store: &'a Store,
    /// Digests of files outside the store.
    pub files: &'a RefCell<Files>,
    /// The folder that paths in the pipeline are relative to.
    pub folder: &'a Path,
    /// The numerics class of device-dependent stages in this run.
    pub numerics: &'a str,
}

/// One resolved wire: what the key sees and where the bytes are.
struct Wire {
    port: String,
    gathered: bool,
    key: KeyInput,
    from: InputFrom,
}

impl Resolver<'_> {
    /// The key's material and the job's inputs of a step all of whose sources are settled.
    ///
    /// # Errors
    /// If a path on disk cannot be read, or a part is not there.
    pub fn resolve(
        &self,
        step: &PlannedStep,
        made: &Made,
    ) -> Result<(KeyMaterial, Vec<JobInput>), StoreError> {
        let mut wires = Vec::new();
        for input in &step.inputs {
            wires.extend(self.wire(input, made)?);
        }
        // Gathered ports are sets: their order in the key and in the job is that of their content.
        wires.sort_by(|a, b| {
            let content = || if a.gathered { a.key.order(&b.key) } else { Ordering::Equal };
            a.port.cmp(&b.port).then_with(content)
        });
        let mut inputs: BTreeMap<String, Vec<KeyInput>> = BTreeMap::new();
        let mut job_inputs = Vec::new();
        for wire in wires {
            let labels = wire.key.labels.clone();
            inputs.entry(wire.port.clone()).or_default().push(wire.key);
            job_inputs.push(JobInput { port: wire.port, from: wire.from, labels });
        }
        Ok((self.material(step, inputs), job_inputs))
    }

    /// The artifact behind a source, where it is there.
    ///
    /// # Errors
    /// If a path on disk cannot be read, or a part is not there.
    pub fn artifact(&self, source: &Source, made: &Made) -> Result<Option<Artifact>, StoreError> {
        let (port, part) = match source {
            Source::Path(path) => return self.files.borrow_mut().artifact(&self.path(path)).map(Some),
            Source::Glob { files, ignore } => return self.glob(files, ignore).map(Some),
            Source::Winner { search, port, .. } if port == "choice" => {
                return Ok(made.winners.get(search).map(|winner| winner.choice));
            }
            Source::Step { port, part, .. } | Source::Winner { port, part, .. } => (port, part),
        };
        let Some(artifact) = self.outputs(source, made).and_then(|outputs| outputs.get(port)) else {
            return Ok(None);
        };
        match part {
            None => Ok(Some(*artifact)),
            Some(part) => self.store.peek_part(artifact, part).map(Some),
        }
    }

    /// The files on disk that patterns name, as a tree; nothing is copied.
    fn glob(&self, files: &[String], ignore: &[String]) -> Result<Artifact, StoreError> {
        let names = self.names(files, ignore)?;
        self.files.borrow_mut().listed(self.folder, &names)
    }

    /// What patterns name, but for the store and what the pipeline exports.
    fn names(&self, files: &[String], ignore: &[String]) -> Result<Vec<PathBuf>, StoreError> {
        let mut excluded: Vec<PathBuf> =
            self.plan.exports.iter().map(|export| self.path(&export.path)).collect();
        excluded.push(self.store.root().to_path_buf());
        Ok(super::glob::expand(self.folder, files, ignore, &excluded)?)
    }

    /// Makes an artifact of its own of the part that a source names, or of the files that its
    /// patterns name, before somebody reads it.
    ///
    /// # Errors
    /// If the part is not there, the files change meanwhile, or the store cannot be written.
    pub fn keep_part(&self, source: &Source, made: &Made) -> Result<(), StoreError> {
        if let Source::Glob { files, ignore } = source {
            let listed = self.glob(files, ignore)?;
            let kept = self.store.keep_listed(self.folder, &self.names(files, ignore)?)?;
            if listed != kept {
                let source = std::io::Error::other("some of them changed while they were read");
                return Err(StoreError::Io {
                    doing: "read the files that",
                    path: files.join(", ").into(),
                    source,
                });
            }
        }
        if let Source::Step { port, part: Some(part), .. } | Source::Winner { port, part: Some(part), .. } =
            source
            && let Some(whole) = self.outputs(source, made).and_then(|outputs| outputs.get(port))
        {
            self.store.part(whole, part)?;
        }
        Ok(())
    }

    /// A path of the pipeline, from the folder of its file.
    pub fn path(&self, path: &Path) -> PathBuf {
        // `pipelines/../results` is `results`, for people who read it.
        let mut clean = PathBuf::new();
        for part in self.folder.join(path).components() {
            match part {
                Component::ParentDir if clean.file_name().is_some() => {
                    clean.pop();
                }
                part => clean.push(part),
            }
        }
        clean
    }

    /// The outputs of the step behind a source.
    fn outputs<'m>(&self, source: &Source, made: &'m Made) -> Option<&'m BTreeMap<String, Artifact>> {
        match source {
            Source::Path(_) | Source::Glob { .. } => None,
            Source::Step { step, .. } => made.steps.get(step),
            Source::Winner { search, .. } => made.steps.get(&made.winners.get(search)?.step),
        }
    }

    fn wire(&self, input: &PlannedInput, made: &Made) -> Result<Option<Wire>, StoreError> {
        // A source that is settled and not there is a hole; the schedule has skipped the step
        // where a hole is not allowed.
        let hashed = Files::now();
        let Some(artifact) = self.artifact(&input.source, made)? else { return Ok(None) };
        let from = match &input.source {
            Source::Path(path) => InputFrom::Disk(DiskInput { path: self.path(path), artifact, hashed }),
            _ => InputFrom::Store(artifact),
        };
        let key = KeyInput { digest: artifact.digest, labels: input.labels.clone() };
        Ok(Some(Wire { port: input.port.clone(), gathered: input.gathered, key, from }))
    }

    fn material(&self, step: &PlannedStep, inputs: BTreeMap<String, Vec<KeyInput>>) -> KeyMaterial {
        let (stage, version, params, seed, numerics) = match &step.work {
            Work::Stage { stage, keyed, seed, .. } => {
                let spec = stage.spec();
                let numerics = spec.device_dependent.then(|| self.numerics.to_owned());
                let keyed = keyed.as_object().into_iter().flatten();
                let params = keyed.map(|(name, value)| (name.clone(), value.clone())).collect();
                (spec.name, spec.version, params, spec.seeded.then_some(*seed), numerics)
            }
            Work::Command(command) => {
                let pairs = |pairs: &[(String, String)]| -> Value {
                    pairs.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect()
                };
                let mut params = serde_json::json!({
                    "run": command.run,
                    "outputs": pairs(&command.outputs),
                    "env": pairs(&command.env),
                });
                step.hide(&mut params);
                let params = params.as_object().into_iter().flatten();
                let params = params.map(|(name, value)| (name.clone(), value.clone())).collect();
                ("command", 1, params, None, None)
            }
        };
        KeyMaterial { schema: KEY_SCHEMA, stage: stage.to_owned(), version, params, seed, numerics, inputs }
    }
}

/// What the executor needs to know of a step's work.
pub fn job_work(work: &Work) -> JobWork {
    match work {
        Work::Stage { stage, params, seed, .. } => {
            JobWork::Stage { kind: stage.spec().name.to_owned(), params: params.clone(), seed: *seed }
        }
        Work::Command(command) => JobWork::Command {
            run: command.run.clone(),
            outputs: command.outputs.clone(),
            env: command.env.clone(),
            pass_env: command.pass_env.clone(),
        },
    }
}

//! From the plan's resolved to artifacts, and from artifacts to the key's material.

use std::cell::{OnceCell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use igpt_contract::Digest;

use super::glob;
use super::material::key_material;
use super::options::Nodes;
use crate::execute::job::{DiskInput, InputFrom, JobInput};
use crate::key::{KeyInput, KeyMaterial};
use crate::paths::{is_clean, order_key};
use crate::plan::{Plan, PlannedInput, PlannedStep, Source, StepId};
use crate::real_paths::RealPaths;
use crate::remote::{Place, Remote};
use crate::store::{Artifact, Caches, ExternalContent, ExternalPath, InputSource, Record, Store, StoreError};

/// What the steps and searches of a run have made so far.
#[derive(Debug, Default)]
pub struct Results {
    /// Step -> output port -> artifact, for steps whose outputs are there.
    pub steps: BTreeMap<StepId, BTreeMap<String, Artifact>>,
    /// Step -> its key, for steps that came so far.
    pub keys: BTreeMap<StepId, Digest>,
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
    pub caches: &'a RefCell<Caches>,
    /// The folder that paths in the pipeline are relative to.
    pub folder: &'a Path,
    /// Real paths that are left out of folders that are read: the store, and where exports go. Known
    /// once somebody reads from outside.
    without: OnceCell<Arc<BTreeSet<PathBuf>>>,
    /// The numerics class of device-dependent stages in this run.
    pub numerics: &'a str,
    /// What steps have where they run, if that is not here.
    nodes: Option<&'a Nodes>,
    /// Whether nothing outside the store is looked at, as if it were not there.
    off_disk: bool,
    /// Where results are shared.
    remote: Option<&'a Remote>,
}

/// One resolved wire: what the key sees, where the bytes are and where they came from.
struct ResolvedInput {
    port: String,
    gathered: bool,
    key: KeyInput,
    /// None where only its digest is known.
    from: Option<InputFrom>,
    source: InputSource,
}

/// A step's inputs where some that lie outside the store may be gone.
pub struct Recorded {
    /// The key's material.
    pub material: KeyMaterial,
    /// What is not on disk, as the pipeline has it; the digests that a record has of it stand in.
    pub absent: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// Looks inputs of a plan up.
    pub fn new(
        plan: &'a Plan,
        store: &'a Store,
        caches: &'a RefCell<Caches>,
        folder: &'a Path,
        numerics: &'a str,
    ) -> Self {
        Self {
            plan,
            store,
            caches,
            folder,
            without: OnceCell::new(),
            numerics,
            nodes: None,
            off_disk: false,
            remote: None,
        }
    }

    /// The same with a remote behind the store.
    #[must_use]
    pub fn with_remote(self, remote: Option<&'a Remote>) -> Self {
        Self { remote, ..self }
    }

    /// The same, but that nothing outside the store is looked at, as if it were not there.
    #[must_use]
    pub fn off_disk(self, off_disk: bool) -> Self {
        Self { off_disk, ..self }
    }

    /// The same for steps that run on these machines.
    #[must_use]
    pub fn on(self, nodes: Option<&'a Nodes>) -> Self {
        Self { nodes, ..self }
    }

    fn without(&self) -> Arc<BTreeSet<PathBuf>> {
        let mut paths = RealPaths::default();
        let find = || {
            let exports = self.plan.exports.iter().map(|export| paths.resolve(&self.path(&export.path)));
            let mut all: Vec<PathBuf> = exports.chain([self.store.root().to_owned()]).collect();
            // Paths compare slowly, and a set is made with few comparisons of what is sorted.
            all.sort_by_cached_key(|path| order_key(path));
            Arc::new(all.into_iter().collect())
        };
        Arc::clone(self.without.get_or_init(find))
    }
}

impl Resolver<'_> {
    /// The key's material and the job's inputs of a step all of whose sources are settled.
    ///
    /// # Errors
    /// If a path on disk cannot be read, or a part is not there.
    pub fn resolve(
        &self,
        step: &PlannedStep,
        results: &Results,
    ) -> Result<(KeyMaterial, Vec<JobInput>), StoreError> {
        let mut resolved = Vec::new();
        for input in &step.inputs {
            resolved.extend(self.resolve_input(input, results)?);
        }
        Ok(self.sorted(step, resolved))
    }

    /// The key's material of a step for those who only look: of what is not on disk, the digest that `last`
    /// has of it, a record of the step.
    ///
    /// # Errors
    /// As [`Self::resolve`], and if `last` does not know what is not there.
    pub fn resolve_recorded(
        &self,
        step: &PlannedStep,
        results: &Results,
        last: Option<&Record>,
    ) -> Result<Recorded, StoreError> {
        let (mut resolved, mut absent) = (Vec::new(), Vec::new());
        for input in &step.inputs {
            match self.resolve_input(input, results) {
                Ok(input) => resolved.extend(input),
                Err(error) => {
                    let known = last.filter(|_| is_absent(&error)).and_then(|last| recorded(input, last));
                    let (key, source) = known.ok_or(error)?;
                    absent.extend(input.source.on_disk());
                    let (port, gathered) = (input.port.clone(), input.gathered);
                    resolved.push(ResolvedInput { port, gathered, key, from: None, source });
                }
            }
        }
        Ok(Recorded { material: self.sorted(step, resolved).0, absent })
    }

    /// The material and the job's inputs, in the order of keys.
    fn sorted(&self, step: &PlannedStep, mut resolved: Vec<ResolvedInput>) -> (KeyMaterial, Vec<JobInput>) {
        // Gathered ports are sets: their order in the key and in the job is that of their content.
        resolved.sort_by(|a, b| {
            let content = || if a.gathered { a.key.order(&b.key) } else { Ordering::Equal };
            a.port.cmp(&b.port).then_with(content)
        });
        let mut inputs: BTreeMap<String, Vec<KeyInput>> = BTreeMap::new();
        let mut job_inputs = Vec::new();
        for input in resolved {
            let labels = input.key.labels.clone();
            inputs.entry(input.port.clone()).or_default().push(input.key);
            if let Some(from) = input.from {
                job_inputs.push(JobInput { port: input.port, from, source: input.source, labels });
            }
        }
        let there = self.nodes.and_then(|nodes| nodes.numerics(&step.name));
        (key_material(step, there.unwrap_or(self.numerics), inputs), job_inputs)
    }

    /// The artifact behind a source, where it is there.
    ///
    /// # Errors
    /// If a path on disk cannot be read, or a part is not there.
    pub fn artifact(&self, source: &Source, results: &Results) -> Result<Option<Artifact>, StoreError> {
        let (port, part) = match source {
            Source::Path(_) | Source::Glob { .. } => return Ok(Some(self.outside(source)?.1.artifact)),
            Source::Winner { search, port, .. } if port == "choice" => {
                return Ok(results.winners.get(search).map(|winner| winner.choice));
            }
            Source::Step { port, part, .. } | Source::Winner { port, part, .. } => (port, part),
        };
        let Some(artifact) = self.outputs(source, results).and_then(|outputs| outputs.get(port)) else {
            return Ok(None);
        };
        match part {
            None => Ok(Some(*artifact)),
            Some(part) => self.caches.borrow_mut().part(self.store, artifact, part).map(Some),
        }
    }

    /// The step that must make again what a source names, where that is no longer in the store.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn missing(&self, source: &Source, results: &Results) -> Result<Option<StepId>, StoreError> {
        let Some((producer, whole, part)) = self.located(source, results) else { return Ok(None) };
        Ok((self.place(whole, part)? == Place::Missing).then_some(producer))
    }

    /// Where the bytes of an artifact, or of a part of it, are.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn place(&self, whole: &Artifact, part: Option<&str>) -> Result<Place, StoreError> {
        match self.remote {
            Some(remote) => remote.place(self.store, whole, part),
            None => Ok(if self.store.has(whole, part)? { Place::Here } else { Place::Missing }),
        }
    }

    /// What a source names, where some of it must come from the remote before it can be read.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn elsewhere(
        &self,
        source: &Source,
        results: &Results,
    ) -> Result<Option<(Artifact, Option<String>)>, StoreError> {
        let Some((_, whole, part)) = self.located(source, results) else { return Ok(None) };
        let is_elsewhere = self.place(whole, part)? == Place::Elsewhere;
        Ok(is_elsewhere.then(|| (*whole, part.map(str::to_owned))))
    }

    /// Makes an artifact of its own of the part that a source names, before somebody reads it.
    ///
    /// # Errors
    /// If the part is not there, or the store cannot be written.
    pub fn store_part(&self, source: &Source, results: &Results) -> Result<(), StoreError> {
        if let Some((_, whole, Some(part))) = self.located(source, results) {
            self.store.part(whole, part)?;
        }
        Ok(())
    }

    /// The step, its artifact and the part that a source names.
    fn located<'m>(
        &self,
        source: &'m Source,
        results: &'m Results,
    ) -> Option<(StepId, &'m Artifact, Option<&'m str>)> {
        let producer = self.producer(source, results)?;
        let (Source::Step { port, part, .. } | Source::Winner { port, part, .. }) = source else {
            return None;
        };
        Some((producer, results.steps.get(&producer)?.get(port)?, part.as_deref()))
    }

    /// The step whose output a source is, as things stand.
    pub fn producer(&self, source: &Source, results: &Results) -> Option<StepId> {
        match source {
            Source::Path(_) | Source::Glob { .. } => None,
            Source::Step { step, .. } => Some(*step),
            // The choice is made by the run itself.
            Source::Winner { port, .. } if port == "choice" => None,
            Source::Winner { search, .. } => Some(results.winners.get(search)?.step),
        }
    }

    /// What a path or patterns of the pipeline name outside the store, and what it holds.
    fn outside(&self, source: &Source) -> Result<(ExternalPath, ExternalContent), StoreError> {
        if self.off_disk {
            let path = PathBuf::from(name_outside(source));
            return Err(StoreError::Io { doing: "look at", path, source: io::ErrorKind::NotFound.into() });
        }
        let place = match source {
            Source::Glob { files, ignore } => {
                let without = self.without();
                let names =
                    glob::expand(self.folder, files, ignore, &without.iter().cloned().collect::<Vec<_>>())?;
                ExternalPath { path: self.folder.to_owned(), names: Some(names), without }
            }
            Source::Path(path) => {
                let path = self.path(path);
                // Of a file nothing can be left out.
                let without = if path.is_dir() { self.without() } else { Arc::default() };
                ExternalPath { path, names: None, without }
            }
            Source::Step { .. } | Source::Winner { .. } => ExternalPath::default(),
        };
        let read = self.caches.borrow_mut().input(&place)?;
        Ok((place, read))
    }

    /// A path of the pipeline, from the folder of its file.
    pub fn path(&self, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        if is_clean(&path) {
            return path;
        }
        // `pipelines/../results` is `results`, for people who read it.
        let mut clean = PathBuf::new();
        for part in path.components() {
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
    fn outputs<'m>(&self, source: &Source, results: &'m Results) -> Option<&'m BTreeMap<String, Artifact>> {
        results.steps.get(&self.producer(source, results)?)
    }

    fn resolve_input(
        &self,
        input: &PlannedInput,
        results: &Results,
    ) -> Result<Option<ResolvedInput>, StoreError> {
        let (artifact, from, source) = match &input.source {
            source @ (Source::Path(_) | Source::Glob { .. }) => {
                let (place, read) = self.outside(source)?;
                let path = name_outside(source);
                (read.artifact, InputFrom::Disk(DiskInput { place, read }), InputSource::Outside { path })
            }
            source => {
                // A source that is settled and not there is a hole; the schedule has skipped the step
                // where a hole is not allowed.
                let Some(artifact) = self.artifact(source, results)? else { return Ok(None) };
                let Some(source) = self.input_source(source, results) else { return Ok(None) };
                (artifact, InputFrom::Store(artifact), source)
            }
        };
        let key = KeyInput { digest: artifact.digest, labels: input.labels.clone() };
        let (port, gathered) = (input.port.clone(), input.gathered);
        Ok(Some(ResolvedInput { port, gathered, key, from: Some(from), source }))
    }

    /// Where an input came from, for the record.
    fn input_source(&self, source: &Source, results: &Results) -> Option<InputSource> {
        let key = |step: &StepId| results.keys.get(step).copied();
        match source {
            Source::Path(_) | Source::Glob { .. } => None,
            Source::Winner { search, port, .. } if port == "choice" => {
                let tried = self.plan.searches[*search].candidates.iter().filter_map(key).collect();
                Some(InputSource::Choice { tried })
            }
            Source::Step { port, part, .. } | Source::Winner { port, part, .. } => {
                let key = key(&self.producer(source, results)?)?;
                Some(InputSource::Step { key, port: port.clone(), part: part.clone() })
            }
        }
    }
}

/// A path or patterns as a record names them.
fn name_outside(source: &Source) -> String {
    match source {
        Source::Path(path) => path.to_string_lossy().into_owned(),
        Source::Glob { files, .. } => files.join(" "),
        Source::Step { .. } | Source::Winner { .. } => String::new(),
    }
}

/// Whether something is not there, which is another matter than that it cannot be read.
fn is_absent(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// What a record of the step has of an input from outside the store.
fn recorded(input: &PlannedInput, last: &Record) -> Option<(KeyInput, InputSource)> {
    let named = InputSource::Outside { path: name_outside(&input.source) };
    let keys = last.material.inputs.get(&input.port)?;
    let sources = last.sources.get(&input.port)?;
    let mut both = keys.iter().zip(sources);
    let (key, source) = both.find(|(key, source)| **source == named && key.labels == input.labels)?;
    Some((key.clone(), source.clone()))
}

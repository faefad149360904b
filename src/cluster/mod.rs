//! A cluster as its settings file describes it: what its steps ask for, and what they have there.
//!
//! `declare` reads the file, with errors as those of a pipeline; this applies it to the steps of a plan.

mod declare;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Node, Nodes};
use crate::execute::Failure;
use crate::execute::slurm::{Allocation, Settings};
use crate::pipeline::Diagnostic;
use crate::plan::{Plan, PlannedStep};
use crate::step_name::{base, has_axes, parse, typed};

/// How much more memory is asked for than a step should take.
const SPARE_MEMORY: f64 = 1.5;
/// The name of the file beside a pipeline.
pub const FILE: &str = "cluster.yaml";

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The file that describes it.
    pub file: PathBuf,
    /// How it is used, whatever the steps.
    pub settings: Settings,
    /// What holds for every step that says nothing else.
    defaults: Rule,
    /// What holds for steps with such names; later ones win.
    rules: Vec<(glob::Pattern, Rule)>,
}

/// What is said of some steps.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rule {
    partition: Option<String>,
    account: Option<String>,
    qos: Option<String>,
    constraint: Option<String>,
    nodes: Option<u32>,
    cpus: Option<u32>,
    memory_mib: Option<u64>,
    gpus: Option<u32>,
    gpu_type: Option<String>,
    time: Option<Duration>,
    options: Option<Vec<String>>,
    prelude: Option<Vec<String>>,
    series: Option<u32>,
    device: Option<String>,
    numerics: Option<String>,
}

/// The steps of a plan on a cluster.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// What each has there.
    pub nodes: Nodes,
    /// What each asks for.
    pub allocations: BTreeMap<String, Arc<Allocation>>,
}

impl Cluster {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &Path) -> Result<Self, Vec<Diagnostic>> {
        declare::read(file)
    }

    /// The steps of a plan there. `device` is the device of steps for which the file names none; `numerics`
    /// the numerics class of a device, as far as it can be known here.
    ///
    /// # Errors
    /// Where the class of a device is neither known nor written.
    pub fn place(
        &self,
        plan: &Plan,
        device: &str,
        numerics: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Placed, Failure> {
        let mut placed = Placed::default();
        // Of ten thousand steps few differ.
        let mut known: BTreeMap<Allocation, Arc<Allocation>> = BTreeMap::new();
        let mut classes: BTreeMap<String, Result<String, String>> = BTreeMap::new();
        for step in &plan.steps {
            let said = self.rule(&step.name);
            let here = said.device.as_ref().or(self.defaults.device.as_ref());
            let device = here.cloned().unwrap_or_else(|| device.to_owned());
            // The class of all steps is not that of a step with a device of its own.
            let of_all = self.defaults.numerics.as_ref().filter(|_| said.device.is_none());
            let class = match (said.numerics.as_ref().or(of_all), step.work.is_device_dependent()) {
                (Some(class), _) => class.clone(),
                // It is in no key.
                (None, false) => String::new(),
                (None, true) => {
                    let class = classes.entry(device.clone()).or_insert_with(|| numerics(&device));
                    class.clone().map_err(|error| self.unknown_class(step, &device, &error))?
                }
            };
            let allocation = self.allocation(step, said, &device);
            let cpus = allocation.cpus;
            let shared = known.entry(allocation).or_insert_with_key(|one| Arc::new(one.clone()));
            placed.allocations.insert(step.name.clone(), Arc::clone(shared));
            placed.nodes.0.insert(step.name.clone(), Node { device, numerics: class, cpus });
        }
        Ok(placed)
    }

    /// What steps ask for of which the pipeline says nothing, and those with each pattern: for whoever looks
    /// at the cluster itself.
    pub fn samples(&self) -> Vec<(String, Allocation, Option<String>)> {
        let sample = |name: &str, rule: Rule| {
            let device = rule.device.clone();
            let gpus = u32::from(device.as_deref().is_some_and(|device| device.starts_with("cuda")));
            let allocation = allocation(rule, gpus);
            (name.to_owned(), allocation, device)
        };
        let mut samples = vec![sample("every step", self.defaults.clone())];
        for (pattern, rule) in &self.rules {
            let one = sample(pattern.as_str(), rule.clone().or(self.defaults.clone()));
            if samples.iter().all(|(_, allocation, device)| (allocation, device) != (&one.1, &one.2)) {
                samples.push(one);
            }
        }
        samples
    }

    /// What the file says of the step with a name in particular.
    fn rule(&self, name: &str) -> Rule {
        let (base, typed) = (base(name), typed(name));
        let is_meant = |pattern: &str| parse(pattern).is_ok_and(|given| has_axes(name, &given));
        let matching = self.rules.iter().rev().filter(|(pattern, _)| {
            pattern.matches(base) || pattern.matches(&typed) || is_meant(pattern.as_str())
        });
        matching.fold(Rule::default(), |said, (_, rule)| said.or(rule.clone()))
    }

    /// What a step asks for: what the file says of it, else what the pipeline says, else what the file says of
    /// all.
    fn allocation(&self, step: &PlannedStep, said: Rule, device: &str) -> Allocation {
        let asked = step.resources;
        // Slurm kills what takes more than it asked for, and what a step computes is an estimate.
        // A training's estimate is of all of its processes, which its nodes share.
        let nodes = f64::from(said.nodes.or(self.defaults.nodes).unwrap_or(1));
        let factor = if step.memory.is_some() { SPARE_MEMORY / nodes } else { 1.0 };
        let memory_mib = (step.memory_mib(device) as f64 * factor).ceil() as u64;
        let own = Rule {
            cpus: said.cpus.or((asked.cpus > 0).then_some(asked.cpus)),
            memory_mib: said.memory_mib.or((memory_mib > 0).then_some(memory_mib)),
            gpus: said.gpus.or((asked.gpus > 0).then_some(asked.gpus)),
            ..said
        };
        // A stage that computes on a GPU takes one, whoever wrote the pipeline.
        let at_least = u32::from(device.starts_with("cuda") && step.work.is_device_dependent());
        allocation(own.or(self.defaults.clone()), at_least)
    }

    fn unknown_class(&self, step: &PlannedStep, device: &str, error: &str) -> Failure {
        Failure {
            error: format!(
                "`{}` computes on `{device}` on the cluster, and its numerics class is not known here: {error}",
                step.name
            ),
            hint: Some(format!(
                "`igpt-flow cluster check --cluster {}` tells it: write it there as `numerics`",
                self.file.display()
            )),
        }
    }
}

/// What a rule asks for, with so many GPUs at least.
fn allocation(rule: Rule, at_least: u32) -> Allocation {
    Allocation {
        partition: rule.partition,
        account: rule.account,
        qos: rule.qos,
        constraint: rule.constraint,
        nodes: rule.nodes.unwrap_or(1),
        cpus: rule.cpus.unwrap_or(1),
        memory_mib: rule.memory_mib.unwrap_or(0),
        gpus: rule.gpus.unwrap_or(0).max(at_least),
        gpu_type: rule.gpu_type,
        time: rule.time,
        options: rule.options.unwrap_or_default(),
        prelude: rule.prelude.unwrap_or_default(),
        series: rule.series.unwrap_or(1),
    }
}

impl Rule {
    /// This, and where it says nothing the other.
    fn or(self, other: Self) -> Self {
        Self {
            partition: self.partition.or(other.partition),
            account: self.account.or(other.account),
            qos: self.qos.or(other.qos),
            constraint: self.constraint.or(other.constraint),
            nodes: self.nodes.or(other.nodes),
            cpus: self.cpus.or(other.cpus),
            memory_mib: self.memory_mib.or(other.memory_mib),
            gpus: self.gpus.or(other.gpus),
            gpu_type: self.gpu_type.or(other.gpu_type),
            time: self.time.or(other.time),
            options: self.options.or(other.options),
            prelude: self.prelude.or(other.prelude),
            series: self.series.or(other.series),
            device: self.device.or(other.device),
            numerics: self.numerics.or(other.numerics),
        }
    }
}

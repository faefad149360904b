//! The instances of a step, one by one: parameters, limits, inputs and work, put into the plan.

use igpt_contract::{Foreseen, Labels, Resources};
use serde_json::{Map, Value};

use super::declared::{DeclaredStep, Instance, Planned, StepKind, by_value, instance_name};
use super::params::{self, Searched, WrittenParams};
use super::planner::Planner;
use super::search::{self, SearchDecl};
use super::{
    PlannedInput, PlannedStep, Redaction, Search, Work, command, connect, known_checks, limits, schema,
};
use crate::pipeline::{Faults, Mark, Scope, Spelled, StepDecl, describe};

/// The most instances of steps, candidates of searches included, and the most inputs of all of them:
/// what a few lines of matrices can ask for would fill any memory.
pub(super) const MAX_STEPS: usize = 1_000_000;
const MAX_INPUTS: usize = 10_000_000;

impl Planner<'_> {
    /// Puts every instance of a step into the plan.
    pub(super) fn build(&mut self, b: usize, faults: &mut Faults) {
        let count = self.declared_steps[b].instances.as_ref().map_or(0, Vec::len);
        let mut joins = connect::Joins::default();
        for i in 0..count {
            let before = faults.len();
            let resolved = self.resolve_instance(b, i, &mut joins, faults);
            if let Some(resolved) = resolved.filter(|_| faults.len() == before) {
                let planned = self.add_to_plan(b, i, resolved, faults);
                if let Some(instances) = &mut self.declared_steps[b].instances {
                    instances[i].planned = planned;
                }
            }
            let mark = self.declared_steps[b].decl.mark;
            if self.plan.steps.len() > MAX_STEPS {
                return too_many("steps", MAX_STEPS, mark, faults);
            }
            if self.inputs > MAX_INPUTS {
                return too_many("inputs of steps", MAX_INPUTS, mark, faults);
            }
        }
    }

    /// Works out one instance.
    fn resolve_instance(
        &self,
        b: usize,
        i: usize,
        joins: &mut connect::Joins,
        faults: &mut Faults,
    ) -> Option<ResolvedInstance> {
        let declared = &self.declared_steps[b];
        let decl = &declared.decl;
        let instance = &declared.instances.as_ref()?[i];
        let scope = Scope { vars: self.vars, matrix: declared.axes_of(instance), seed: Some(instance.seed) };
        let resources = match declared.kind {
            Some(StepKind::Stage(entry)) => entry.spec.resources,
            _ => Resources { cpus: 1, memory_mib: 0, gpus: 0 },
        };
        let limits = limits::read(decl, resources, &scope, faults);
        let (inputs, is_whole) = self.inputs(declared, instance, b, joins, faults);
        let search = decl.search.map(|node| search::read(node, decl.with, &scope, faults));
        let with = match decl.with {
            None => Some(Spelled::from(Value::Object(Map::new()))),
            Some(node) => scope.with_secrets(node, faults).map(or_empty).filter(|with| {
                let value = &with.value;
                if !value.is_object() {
                    let found = describe(value);
                    faults.push(node.mark, format!("`with` must be a map of parameters, found {found}"));
                }
                value.is_object()
            }),
        };
        let (kind, Spelled { value: mut with, spellings }) = (declared.kind?, with?);
        match kind {
            StepKind::Stage(entry) => schema::coerce_strings(entry.schema(), &mut with, &spellings),
            StepKind::Command => {
                schema::coerce_strings(command::params_schema(), &mut with, &spellings);
                schema::coerce_members("env", &mut with, &spellings);
            }
        }
        let redactions = self.redactions_in(decl, kind, &scope, &with, faults);
        let known_inputs = self.known_outputs.inputs(&inputs);
        let mut works = Vec::new();
        let mut work = |with: &Value, searched, faults: &mut Faults| {
            let Some((work, origins)) = self.work(decl, kind, instance, with, searched, faults) else {
                return;
            };
            let foreseen = match is_whole {
                true => self.foresee(declared, &work, &known_inputs, searched, faults),
                false => Foreseen::default(),
            };
            works.push(Candidate { work, origins, foreseen });
        };
        match &search {
            None => work(&with, None, faults),
            Some(search) => {
                let search = search.as_ref()?;
                for (value, mark) in &search.values {
                    let mut with = with.clone();
                    search::set_param(&mut with, &search.param, value);
                    let searched = Some(Searched {
                        param: &search.param,
                        param_mark: search.param_mark,
                        value_mark: *mark,
                    });
                    work(&with, searched, faults);
                }
                search::check_metric(search, kind, works.first().map(|first| &first.work), faults);
                known_checks::check_deciding(search, works.iter().map(|one| &one.foreseen.outputs), faults);
            }
        }
        Some(ResolvedInstance { inputs, limits, works, search: search.flatten(), redactions })
    }

    /// The inputs of an instance, in the order of the file, and whether they are all there.
    fn inputs(
        &self,
        declared: &DeclaredStep<'_>,
        instance: &Instance,
        b: usize,
        joins: &mut connect::Joins,
        faults: &mut Faults,
    ) -> (Vec<PlannedInput>, bool) {
        let mut inputs = Vec::with_capacity(instance.edges.len());
        let mut is_whole = !instance.broken;
        for edge in &instance.edges {
            let port = match declared.kind {
                Some(StepKind::Stage(entry)) => entry.spec.inputs.iter().find(|port| port.name == edge.port),
                _ => None,
            };
            // A port that does not exist, or belongs to a kind that does not, is reported already.
            if port.is_some() || matches!(declared.kind, Some(StepKind::Command)) {
                is_whole &= self.connect(b, instance, edge, port, joins, &mut inputs, faults);
            }
        }
        if matches!(declared.kind, Some(StepKind::Command)) {
            self.check_fan_in(declared, &inputs, faults);
        }
        (inputs, is_whole)
    }

    /// What a step does with its parameters, and where they came from.
    fn work(
        &self,
        decl: &StepDecl<'_>,
        kind: StepKind<'_>,
        instance: &Instance,
        with: &Value,
        searched: Option<Searched<'_>>,
        faults: &mut Faults,
    ) -> Option<(Work, Vec<(String, String)>)> {
        let written = WrittenParams { with: decl.with, step: decl.mark, searched };
        let done = match kind {
            StepKind::Stage(entry) => params::complete(entry, with).map(|completed| {
                let origins = written.origins(&completed.params, self.applied);
                let params::Completed { params, keyed } = completed;
                (Work::Stage { stage: entry.stage.clone(), params, keyed, seed: instance.seed }, origins)
            }),
            StepKind::Command => {
                let inputs: Vec<&str> = decl.inputs.iter().map(|(key, _)| key.text.as_str()).collect();
                command::read(with, &inputs)
                    .map(|command| (Work::Command(command), written.origins(with, self.applied)))
            }
        };
        done.map_err(|found| written.report(&format!("step `{}`", decl.name), found, faults)).ok()
    }

    /// Puts a valid instance into the plan.
    fn add_to_plan(
        &mut self,
        b: usize,
        i: usize,
        resolved: ResolvedInstance,
        faults: &mut Faults,
    ) -> Planned {
        let ResolvedInstance { inputs, limits, works, search, redactions } = resolved;
        let declared = &self.declared_steps[b];
        let Some(instance) = declared.instances.as_ref().and_then(|all| all.get(i)) else {
            return Planned::Nothing;
        };
        let decl = &declared.decl;
        let place = self.location(decl.mark);
        let mut candidates = Vec::with_capacity(works.len());
        for (n, Candidate { work, origins, foreseen }) in works.into_iter().enumerate() {
            let mut labels = instance.labels.clone();
            if let Some(search) = &search
                && labels.insert(search.param.clone(), search.values[n].0.clone()).is_some()
            {
                let what = format!("`{}` is both an axis and the searched parameter", search.param);
                faults.push(decl.mark, what).hint("rename the axis");
            }
            let name = instance_name(decl.name, &labels, &declared.spellings);
            if !self.names.insert(name.clone()) {
                faults
                    .push(decl.mark, format!("two instances have the name `{name}`"))
                    .hint("give the axes values that print differently");
            } else if !labels.is_empty() && !self.values.insert(values_of(decl.name, &labels)) {
                faults
                    .push(decl.mark, format!("`{name}` has the same values as another instance"))
                    .hint("numbers are compared by value: `1` and `1.0` are one");
            }
            self.inputs += inputs.len();
            candidates.push(self.plan.steps.len());
            let mut work = work;
            if let Work::Stage { keyed, .. } = &mut work {
                redactions.iter().for_each(|redaction| redaction.apply(keyed));
            }
            self.known_outputs.push_step(foreseen.outputs);
            self.plan.steps.push(PlannedStep {
                name,
                base: decl.name.to_owned(),
                labels,
                work,
                inputs: inputs.clone(),
                resources: limits.resources,
                retry: limits.retry,
                timeout: limits.timeout,
                grace: limits.grace,
                place: place.clone(),
                origins,
                redactions: redactions.clone(),
                flops: foreseen.flops,
                memory: foreseen.memory.filter(|_| !limits.says_memory),
            });
        }
        let Some(search) = search else {
            return candidates.first().map_or(Planned::Nothing, |step| Planned::Step(*step));
        };
        self.known_outputs.push_search(&candidates, &search);
        self.plan.searches.push(Search {
            name: instance_name(decl.name, &instance.labels, &declared.spellings),
            param: search.param,
            candidates,
            values: search.values.into_iter().map(|(value, _)| value).collect(),
            metric: (search.port, search.metric),
            maximise: search.maximise,
            stop_first_worse: search.stop_first_worse,
        });
        Planned::Search(self.plan.searches.len() - 1)
    }
}

/// An instance worked out, not yet in the plan.
struct ResolvedInstance {
    inputs: Vec<PlannedInput>,
    limits: limits::Limits,
    /// One, or one for each candidate of the search.
    works: Vec<Candidate>,
    search: Option<SearchDecl>,
    redactions: Vec<Redaction>,
}

/// What an instance, or one candidate of its search, does.
struct Candidate {
    work: Work,
    /// Where its parameters came from.
    origins: Vec<(String, String)>,
    /// What is known of what it makes, and about how much it computes.
    foreseen: Foreseen,
}

/// An instance by the values of its axes.
fn values_of(step: &str, labels: &Labels) -> String {
    let values = labels.iter().map(|(axis, value)| format!("\n{axis}={}", by_value(value)));
    std::iter::once(step.to_owned()).chain(values).collect()
}

/// A `with` that a variable leaves empty is an empty one.
fn or_empty(with: Spelled) -> Spelled {
    if with.value.is_null() { Value::Object(Map::new()).into() } else { with }
}

/// Reports that there are more than `most` of something, from this step on.
pub(super) fn too_many(what: &str, most: usize, mark: Mark, faults: &mut Faults) {
    faults
        .push(mark, format!("with this step the pipeline has more than {most} {what}"))
        .hint("make the matrices and searches smaller, or split the pipeline in two");
}

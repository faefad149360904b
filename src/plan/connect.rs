//! Matches each edge with the instances that it names, and checks kinds and parts.

use std::collections::HashMap;

use igpt_contract::{Arity, InputPort, Labels};
use serde_json::Value;

use super::declared::{DeclaredStep, Instance, Planned, by_value};
use super::edges::EdgeDecl;
use super::outputs::written;
use super::planner::Planner;
use super::{PlannedInput, Source};
use crate::pipeline::{Faults, Mark, OutputRef, Reference};

/// For one reading step: producing step -> values of the shared axes -> instances.
#[derive(Default)]
pub(super) struct Joins(HashMap<usize, HashMap<String, Vec<usize>>>);

impl Planner<'_> {
    /// Adds the inputs that a edge of an instance of step `b` stands for, and says whether all of them
    /// are there: not those that a step with an error would make. `port` is `None` for the
    /// ports of commands, which take an artifact of any kind, or gather where several are named.
    #[expect(clippy::too_many_arguments, reason = "one call, and a struct would only repeat the names")]
    pub(super) fn connect(
        &self,
        b: usize,
        instance: &Instance,
        edge: &EdgeDecl,
        port: Option<&InputPort>,
        joins: &mut Joins,
        inputs: &mut Vec<PlannedInput>,
        faults: &mut Faults,
    ) -> bool {
        let gathered = match port {
            Some(port) => port.arity == Arity::Many,
            None => edge.listed || edge.output().is_some_and(|output| output.gather),
        };
        if edge.listed && !gathered {
            faults
                .push(edge.mark, format!("the port `{}` takes one artifact, not a list of them", edge.port))
                .hint("name one output: `step.port`");
            return false;
        }
        let mut push = |source: Source, mut labels: Labels, may_miss| {
            if let Some(name) = &edge.name {
                labels.insert("step".to_owned(), Value::String(name.clone()));
            }
            let is_on_disk = matches!(source, Source::Path(_) | Source::Glob { .. });
            let place = is_on_disk.then(|| self.location(edge.mark));
            inputs.push(PlannedInput { port: edge.port.clone(), source, labels, gathered, may_miss, place });
        };
        let output = match &edge.from {
            Reference::Path(path) => {
                push(Source::Path(path.clone()), Labels::new(), false);
                return true;
            }
            Reference::Glob { files, ignore } => {
                let source = Source::Glob { files: files.clone(), ignore: ignore.clone() };
                push(source, Labels::new(), false);
                return true;
            }
            Reference::Output(output) => output,
        };
        if output.gather && !gathered {
            let port = &edge.port;
            faults
                .push(
                    edge.mark,
                    format!(
                        "`*` gathers the outputs of several steps, but the port `{port}` takes one artifact"
                    ),
                )
                .hint("name one output: `step.port`");
            return false;
        }
        let Some(p) = edge.producer else { return false };
        let producer = &self.declared_steps[p];
        let Some(instances) = &producer.instances else {
            // Its matrix is invalid, but what it makes is known.
            self.output_port(producer, Planned::Nothing, output, port, edge, faults);
            return false;
        };
        let reader = &self.declared_steps[b];
        let join = joins.0.entry(p).or_insert_with(|| join(reader, producer));
        let found =
            join.get(&shared_values(reader, producer, &instance.labels)).map_or(&[][..], Vec::as_slice);
        if !self.check_count(reader, producer, instance, output, found.len(), edge.mark, faults) {
            return false;
        }
        let mut is_whole = true;
        for &i in found {
            let planned = instances[i].planned;
            is_whole &= planned != Planned::Nothing;
            if let Some(port) = self.output_port(producer, planned, output, port, edge, faults) {
                let whole = || written(&output.step, &port, None);
                if !self.check_part(planned, &port, output.part.as_deref(), whole, edge.mark, faults) {
                    continue;
                }
                let part = output.part.clone();
                let source = match planned {
                    Planned::Step(step) => Source::Step { step, port, part },
                    Planned::Search(search) => Source::Winner { search, port, part },
                    Planned::Nothing => continue,
                };
                let labels = if gathered { instances[i].labels.clone() } else { Labels::new() };
                if labels.contains_key("step") && edge.name.is_some() {
                    let what = format!(
                        "`{}` has an axis `step`, so its outputs cannot be given a name",
                        output.step
                    );
                    faults.push(edge.mark, what).hint("rename the axis, or do not name the input");
                }
                push(source, labels, output.may_miss);
            }
        }
        is_whole
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and a struct would only repeat the names")]
    fn check_count(
        &self,
        reader: &DeclaredStep<'_>,
        producer: &DeclaredStep<'_>,
        instance: &Instance,
        output: &OutputRef,
        found: usize,
        mark: Mark,
        faults: &mut Faults,
    ) -> bool {
        let name = producer.decl.name;
        match (found, output.gather) {
            (1, _) | (2.., true) => true,
            (0, _) if output.may_miss => true,
            (0, _) => {
                let shared = shared(reader, producer);
                let values: Vec<String> = shared
                    .map(|axis| format!("{axis}={}", super::schema::plain(&instance.labels[axis])))
                    .collect();
                let fault =
                    faults.push(mark, format!("the step `{name}` has no instance with {}", values.join(",")));
                fault.hint(if output.gather {
                    "write `*?` where instances may be missing"
                } else {
                    "give both steps the same values of the axis"
                });
                false
            }
            (2.., false) => {
                let open: Vec<String> = producer
                    .axes
                    .iter()
                    .filter(|axis| !reader.axes.contains(axis))
                    .map(|axis| format!("`{axis}`"))
                    .collect();
                let port = output.port.as_deref().unwrap_or("*");
                faults
                    .push(
                        mark,
                        format!(
                            "`{name}.{port}` stands for {found} instances: the axes {} of `{name}` are not axes of this step",
                            open.join(", ")
                        ),
                    )
                    .hint(format!("add the axes to this step's `matrix`, or gather all with `{name}.{port}.*`"));
                false
            }
        }
    }
}

/// The axes that both steps have, in the producer's order.
fn shared<'a>(
    reader: &'a DeclaredStep<'_>,
    producer: &'a DeclaredStep<'_>,
) -> impl Iterator<Item = &'a String> {
    producer.axes.iter().filter(|axis| reader.axes.contains(axis))
}

fn join(reader: &DeclaredStep<'_>, producer: &DeclaredStep<'_>) -> HashMap<String, Vec<usize>> {
    let mut join: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, instance) in producer.instances.iter().flatten().enumerate() {
        join.entry(shared_values(reader, producer, &instance.labels)).or_default().push(i);
    }
    join
}

/// The values of the shared axes, as one text.
fn shared_values(reader: &DeclaredStep<'_>, producer: &DeclaredStep<'_>, labels: &Labels) -> String {
    let mut text = String::new();
    for axis in shared(reader, producer) {
        text.push_str(&by_value(&labels[axis]));
        text.push('\n');
    }
    text
}

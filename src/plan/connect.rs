//! Matches each edge with the instances that it names, and checks kinds and parts.

use std::collections::HashMap;
use std::path::PathBuf;

use igpt_contract::{Arity, InputPort, KindInfo, Labels, kind_info};
use serde_json::Value;

use super::edges::EdgeDecl;
use super::planner::{DeclaredStep, Instance, Planned, Planner, StepKind, file_kind};
use super::{PlannedInput, Source, Work, with_article};
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
            // Its matrix is wrong, but what it makes is known.
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
                        "`{}` has an axis `step`, so what it makes cannot be given a name",
                        output.step
                    );
                    faults
                        .push(edge.mark, what)
                        .hint("give the axis another name, or leave out that of the edge");
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
                            "`{name}.{port}` names {found} instances: the axes {} of `{name}` are not axes of this step",
                            open.join(", ")
                        ),
                    )
                    .hint(format!("add the axes to this step's `matrix`, or gather all with `{name}.{port}.*`"));
                false
            }
        }
    }

    /// The output port that a reference means, if it exists and fits.
    fn output_port(
        &self,
        producer: &DeclaredStep<'_>,
        planned: Planned,
        output: &OutputRef,
        input: Option<&InputPort>,
        edge: &EdgeDecl,
        faults: &mut Faults,
    ) -> Option<String> {
        let outputs = self.outputs(producer, planned)?;
        let wanted = input.map_or_else(file_kind, |port| port.kind);
        let name = producer.decl.name;
        let with_part = |kind| match &output.part {
            Some(_) => part_kind(kind),
            None => Some(kind),
        };
        let Some(port) = &output.port else {
            let exact = |kind: KindInfo| with_part(kind).is_some_and(|kind| kind.name == wanted.name);
            let loose = |kind: KindInfo| with_part(kind).is_some_and(|kind| fits(kind, wanted));
            let mut fitting: Vec<&str> =
                outputs.iter().filter(|(_, kind)| exact(*kind)).map(|(n, _)| *n).collect();
            if fitting.is_empty() {
                fitting = outputs.iter().filter(|(_, kind)| loose(*kind)).map(|(n, _)| *n).collect();
            }
            return match fitting[..] {
                [port] => Some(port.to_owned()),
                [] => {
                    let article = with_article(wanted.name);
                    faults
                        .push(
                            edge.mark,
                            format!(
                                "the port `{}` takes {article}, but no output of `{name}` is one",
                                edge.port
                            ),
                        )
                        .hint(given(name, &outputs));
                    None
                }
                _ => {
                    faults
                        .push(edge.mark, format!("several outputs of `{name}` fit: {}", quoted(&fitting)))
                        .hint(format!("name one: `{name}.{}.*`", fitting[0]));
                    None
                }
            };
        };
        let kind = self.find_output(producer, &outputs, port, edge.mark, faults)?;
        let kind =
            self.find_part(|| format!("{name}.{port}"), kind, output.part.as_deref(), edge.mark, faults)?;
        if fits(kind, wanted) {
            return Some(port.clone());
        }
        let fault = faults.push(
            edge.mark,
            format!(
                "the port `{}` takes {}, but `{}` holds {}",
                edge.port,
                with_article(wanted.name),
                written(name, port, output.part.as_deref()),
                with_article(kind.name)
            ),
        );
        if part_kind(kind).is_some_and(|part| part.name == wanted.name) {
            fault.hint(format!("name a part of it: `{name}.{port}/PART`"));
        } else if let Some((other, _)) = outputs.iter().find(|(_, kind)| kind.name == wanted.name) {
            fault.hint(format!("did you mean `{name}.{other}`?"));
        } else {
            fault.hint(given(name, &outputs));
        }
        None
    }

    /// The kind of an output; tells where there is no such output.
    pub(super) fn find_output(
        &self,
        producer: &DeclaredStep<'_>,
        outputs: &[(&str, KindInfo)],
        port: &str,
        mark: Mark,
        faults: &mut Faults,
    ) -> Option<KindInfo> {
        let found = outputs.iter().find(|(name, _)| *name == port).map(|(_, kind)| *kind);
        if found.is_none() {
            faults.push(mark, format!("the step `{}` has no output `{port}`", producer.decl.name)).suggest(
                port,
                "outputs",
                outputs.iter().map(|(name, _)| *name),
            );
        }
        found
    }

    /// The kind of a part, or of the whole where none is named; tells where there are no parts.
    pub(super) fn find_part(
        &self,
        whole: impl Fn() -> String,
        kind: KindInfo,
        part: Option<&str>,
        mark: Mark,
        faults: &mut Faults,
    ) -> Option<KindInfo> {
        let Some(part) = part else { return Some(kind) };
        let found = part_kind(kind).filter(|_| kind.name == "file" || !part.contains('/'));
        if found.is_none() {
            let whole = whole();
            let why = match kind.part {
                None => format!("`{whole}` holds {}, which has no parts", with_article(kind.name)),
                Some(_) => format!("`{part}` is not the name of a part: parts have no parts of their own"),
            };
            let hint = if kind.part.is_none() { whole } else { format!("{whole}/PART") };
            faults.push(mark, why).hint(format!("write `{hint}`"));
        }
        found
    }

    /// The outputs of an instance with their kinds (a search also has its `choice`). Those of a stage
    /// are known even where the instance is wrong; those of a command are not: then, `None`.
    pub(super) fn outputs<'s>(
        &'s self,
        declared: &'s DeclaredStep<'_>,
        planned: Planned,
    ) -> Option<Vec<(&'s str, KindInfo)>> {
        let mut outputs: Vec<(&str, KindInfo)> = match declared.kind? {
            StepKind::Stage(entry) => entry.spec.outputs.iter().map(|port| (port.name, port.kind)).collect(),
            StepKind::Command => {
                let first = match planned {
                    Planned::Nothing => return None,
                    Planned::Step(step) => step,
                    Planned::Search(search) => *self.plan.searches[search].candidates.first()?,
                };
                let Work::Command(command) = &self.plan.steps[first].work else { return None };
                command.outputs.iter().map(|(port, _)| (port.as_str(), file_kind())).collect()
            }
        };
        if declared.decl.search.is_some() {
            outputs.extend(kind_info("choice").map(|kind| ("choice", kind)));
        }
        Some(outputs)
    }
}

/// `step.port` or `step.port/part`.
pub(super) fn written(step: &str, port: &str, part: Option<&str>) -> String {
    let whole = PathBuf::from(format!("{step}.{port}"));
    part.map_or(whole.clone(), |part| whole.join(part)).display().to_string()
}

/// Whether an artifact may flow into a port: equal kinds, or one of them is any file.
fn fits(kind: KindInfo, wanted: KindInfo) -> bool {
    kind.name == wanted.name || kind.name == "file" || wanted.name == "file"
}

fn part_kind(kind: KindInfo) -> Option<KindInfo> {
    match kind.part {
        Some(part) => kind_info(part),
        None => (kind.name == "file").then_some(kind),
    }
}

/// What a step makes, for hints.
fn given(step: &str, outputs: &[(&str, KindInfo)]) -> String {
    let outputs: Vec<String> =
        outputs.iter().map(|(name, kind)| format!("`{step}.{name}` ({})", with_article(kind.name))).collect();
    format!("it makes {}", outputs.join(", "))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
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
        text.push_str(&labels[axis].to_string());
        text.push('\n');
    }
    text
}

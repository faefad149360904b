//! The outputs of declared steps: which one a reference means, of which kind, and whether it has parts.

use std::path::PathBuf;

use igpt_contract::{InputPort, KindInfo, kind_info};

use super::declared::{DeclaredStep, Planned, StepKind, file_kind};
use super::edges::EdgeDecl;
use super::planner::Planner;
use super::{Work, with_article};
use crate::pipeline::{Faults, Mark, OutputRef};

impl Planner<'_> {
    /// The output port that a reference means, if it exists and fits.
    pub(super) fn output_port(
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
                                "the port `{}` takes {article}, but `{name}` has no such output",
                                edge.port
                            ),
                        )
                        .hint(given(name, &outputs));
                    None
                }
                _ => {
                    faults
                        .push(edge.mark, format!("several outputs of `{name}` match: {}", quoted(&fitting)))
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

    /// The kind of an output; reports where there is no such output.
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

    /// The kind of a part, or of the whole where none is named; reports where there are no parts.
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
    /// are known even where the instance is invalid; those of a command are not: then, `None`.
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
    format!("its outputs are {}", outputs.join(", "))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

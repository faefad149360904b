//! What goes into a bundle: records of the whole way back, and the few objects that tables and figures need.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{Digest, kind_info};

use crate::plan::{Plan, PlannedStep, Source, StepId, Work};
use crate::provenance::Trace;
use crate::store::{Artifact, Form, InputSource, Record, Store, StoreError};

/// The kinds of artifacts that every bundle holds: small, and what people read.
const KINDS: [&str; 4] = ["metrics", "choice", "table", "figure"];

/// The kind of what commands make, and of what lies on disk.
const FILE: &str = "file";

/// A larger manifest of a tree that is left out is left out with it.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// The steps of a plan that have results.
pub struct Steps<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The store with the records and objects.
    pub store: &'a Store,
    /// Step -> what its key led to.
    pub records: BTreeMap<StepId, Record>,
}

/// What goes into a bundle.
#[derive(Debug, Default)]
pub struct Selection {
    /// Objects.
    pub objects: BTreeSet<Digest>,
    /// Keys whose records go along.
    pub records: BTreeSet<Digest>,
    /// The steps that can run again from what is in it.
    pub rebuildable: Vec<StepId>,
    /// Tables and figures that cannot, and why.
    pub not_rebuildable: Vec<(StepId, String)>,
}

/// An input of a step, whole or a part.
struct Read {
    kind: &'static str,
    whole: Artifact,
    part: Option<String>,
}

/// Chooses what goes into a bundle: metrics, choices, tables and figures, artifacts of the kinds in `more`, and of
/// commands whose outputs are exported these and what they read.
///
/// # Errors
/// [`StoreError::Missing`] where an object that must be in it is not in the store any more.
pub fn select(steps: &Steps<'_>, more: &BTreeSet<String>) -> Result<Selection, StoreError> {
    let wanted = |kind: &str| KINDS.contains(&kind) || more.contains(kind);
    let mut selection = Selection::default();
    for (id, record) in &steps.records {
        let kinds = steps.plan.steps[*id].work.output_kinds();
        for (port, artifact) in &record.outputs {
            let kind = kinds.get(port).copied().unwrap_or(FILE);
            if wanted(kind) || (kind == FILE && is_exported(steps.plan, *id, port)) {
                selection.objects.extend(steps.store.objects(artifact, None)?);
            }
        }
    }
    for (id, record) in steps.records.iter().filter(|(id, _)| is_result(steps.plan, **id)) {
        match inputs(steps, record) {
            Err(why) => selection.not_rebuildable.push((*id, why)),
            Ok(read) => match read.iter().find(|read| !wanted(read.kind) && read.kind != FILE) {
                Some(Read { kind, .. }) => {
                    selection.not_rebuildable.push((*id, format!("it reads {kind} (`--with {kind}`)")));
                }
                None => {
                    for Read { whole, part, .. } in &read {
                        selection.objects.extend(steps.store.objects(whole, part.as_deref())?);
                    }
                    selection.rebuildable.push(*id);
                }
            },
        }
    }
    let keys: Vec<Digest> = steps.records.values().map(|record| record.key).collect();
    for record in Trace::of(steps.store, &keys).nodes.iter().filter_map(|node| node.record.as_ref()) {
        selection.records.insert(record.key);
        // Parts are named by the manifest of the whole, also where its files are left out.
        for artifact in record.outputs.values().filter(|artifact| artifact.form != Form::File) {
            let path = steps.store.path_of_file(&artifact.digest);
            if path.metadata().is_ok_and(|meta| meta.len() <= LARGEST_MANIFEST) {
                selection.objects.insert(artifact.digest);
            }
        }
    }
    Ok(selection)
}

/// The steps that a store has everything of to run them again and compare: tables and figures, and commands whose
/// outputs are exported. Those that a store lacks something of are told with why.
pub fn rebuildable(steps: &Steps<'_>) -> BTreeMap<StepId, Result<(), String>> {
    let results = steps.records.iter().filter(|(id, _)| is_result(steps.plan, **id));
    let check = |record: &Record| {
        for Read { whole, part, kind } in inputs(steps, record)? {
            if !steps.store.has(&whole, part.as_deref()).unwrap_or(false) {
                return Err(format!("it reads {kind}, which is not there"));
            }
        }
        match record.outputs.values().all(|artifact| steps.store.contains(artifact)) {
            true => Ok(()),
            false => Err("its outputs are not there".to_owned()),
        }
    };
    results.map(|(id, record)| (*id, check(record))).collect()
}

/// Whether a step makes what people read.
fn is_result(plan: &Plan, id: StepId) -> bool {
    let step = &plan.steps[id];
    let kinds = step.work.output_kinds();
    match &step.work {
        Work::Command(_) => kinds.keys().any(|port| is_exported(plan, id, port)),
        Work::Stage { .. } => kinds.values().any(|kind| matches!(*kind, "table" | "figure")),
    }
}

fn is_exported(plan: &Plan, id: StepId, of: &str) -> bool {
    plan.exports.iter().any(|export| match &export.source {
        Source::Step { step, port, .. } => *step == id && port == of,
        source @ Source::Winner { port, .. } => port == of && source.steps(&plan.searches).contains(&id),
        Source::Path(_) | Source::Glob { .. } => false,
    })
}

/// What a step read, or why it cannot be read again.
fn inputs(steps: &Steps<'_>, record: &Record) -> Result<Vec<Read>, String> {
    let mut read = Vec::new();
    for (port, inputs) in &record.material.inputs {
        let sources = record.sources.get(port).map_or(&[][..], Vec::as_slice);
        for (at, input) in inputs.iter().enumerate() {
            let source = sources.get(at).ok_or("its record does not say where its inputs came from")?;
            read.push(match source {
                InputSource::Outside { path } => {
                    return Err(format!("it reads `{path}` from outside the store"));
                }
                InputSource::Choice { .. } => {
                    let whole = Artifact { digest: input.digest, form: Form::Tree, bytes: 0, files: 1 };
                    Read { kind: "choice", whole, part: None }
                }
                InputSource::Step { key, port, part } => {
                    let producer = steps.store.record(key);
                    let whole = producer.and_then(|producer| producer.outputs.get(port).copied());
                    let whole = whole.ok_or("the store has no record of what it reads")?;
                    Read { kind: kind_of(steps, key, port, part.as_deref()), whole, part: part.clone() }
                }
            });
        }
    }
    match read.is_empty() {
        true => Err("it reads nothing".to_owned()),
        false => Ok(read),
    }
}

/// The kind of an output; of a step that is not in the plan it is taken for a file.
fn kind_of(steps: &Steps<'_>, key: &Digest, port: &str, part: Option<&str>) -> &'static str {
    let step = steps.records.iter().find(|(_, record)| record.key == *key);
    let step: Option<&PlannedStep> = step.map(|(id, _)| &steps.plan.steps[*id]);
    let kind = step.and_then(|step| step.work.output_kinds().get(port).copied()).unwrap_or(FILE);
    part.and_then(|_| kind_info(kind)?.part).unwrap_or(kind)
}

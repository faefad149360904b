//! What caused the inputs of a step to change: the steps upstream, down to a parameter or a file.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use igpt_contract::Digest;
use serde::Serialize;

use super::history::steps_of;
use crate::key::{self, FieldChange, KeyInput};
use crate::step_name::base;
use crate::store::{InputSource, Record, RunFolder, StepRecord, Store};

/// How many causes are followed: a pipeline of thousands of steps has thousands that changed.
const MOST: usize = 200;

/// Why an input changed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    /// The output of a step changed.
    Step {
        /// The step.
        step: String,
        /// Other instances of the step that changed in the same fields.
        others: usize,
        /// What changed in its key; empty where only its output did.
        changes: Vec<FieldChange>,
        /// Whether the older run had no result of this step.
        is_new: bool,
    },
    /// A file or folder outside the store changed.
    Outside {
        /// The path or the patterns, as the pipeline has them.
        path: String,
    },
}

/// Two runs whose steps are compared.
pub(super) struct Comparison<'a> {
    store: &'a Store,
    old: Vec<StepRecord>,
    new: Vec<StepRecord>,
}

impl<'a> Comparison<'a> {
    /// Compares an older with a newer run.
    pub(super) fn new(store: &'a Store, old: &RunFolder, new: &RunFolder) -> Self {
        Self { store, old: steps_of(old).1, new: steps_of(new).1 }
    }

    /// The records of a step in both runs, by its key in the newer one.
    fn records(&self, key: &Digest) -> Option<(String, Option<Record>, Record)> {
        let new = self.store.record(key)?;
        let step = self.new.iter().find(|step| step.key == Some(*key));
        let name = step.map_or_else(|| new.step.clone(), |step| step.name.clone());
        let old =
            self.old.iter().find(|step| step.name == name).and_then(|step| self.store.record(&step.key?));
        Some((name, old, new))
    }
}

/// The causes of the changed inputs between two records of a step, the nearest first.
pub(super) fn causes(comparison: &Comparison<'_>, old: &Record, new: &Record) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut todo: VecDeque<InputSource> = changed_sources(Some(old), new).into();
    while let Some(source) = todo.pop_front() {
        let keys = match source {
            InputSource::Step { key, .. } => vec![key],
            InputSource::Choice { tried } => tried,
            InputSource::Outside { path } => {
                add(&mut causes, Cause::Outside { path });
                continue;
            }
        };
        for key in keys {
            if !seen.insert(key) || seen.len() > MOST {
                continue;
            }
            let Some((step, old, new)) = comparison.records(&key) else { continue };
            let is_new = old.is_none();
            let changes = old.as_ref().map(|old| key::diff(&old.material, &new.material)).unwrap_or_default();
            add(&mut causes, Cause::Step { step, others: 0, changes, is_new });
            if !is_new {
                todo.extend(changed_sources(old.as_ref(), &new));
            }
        }
    }
    causes
}

/// Adds a cause, unless there is one like it: instances of a step mostly change in the same fields.
fn add(causes: &mut Vec<Cause>, cause: Cause) {
    for known in causes.iter_mut() {
        match (known, &cause) {
            (Cause::Outside { path: known }, Cause::Outside { path }) if known == path => return,
            (
                Cause::Step { step: known, others, changes: known_changes, is_new: known_is_new },
                Cause::Step { step, changes, is_new, .. },
            ) if base(known) == base(step)
                && known_is_new == is_new
                && known_changes.iter().map(|one| &one.field).eq(changes.iter().map(|one| &one.field)) =>
            {
                *others += 1;
                return;
            }
            _ => {}
        }
    }
    causes.push(cause);
}

/// Where the inputs come from that are not as they were.
fn changed_sources(old: Option<&Record>, new: &Record) -> Vec<InputSource> {
    let before = |port: &str| old.and_then(|old| old.material.inputs.get(port));
    let mut changed = Vec::new();
    for (port, inputs) in &new.material.inputs {
        let sources = new.sources.get(port).map_or(&[][..], Vec::as_slice);
        for (input, source) in inputs.iter().zip(sources) {
            let is_same = |before: &Vec<KeyInput>| before.contains(input);
            if !before(port).is_some_and(is_same) {
                changed.push(source.clone());
            }
        }
    }
    changed
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside { path } => writeln!(f, "  because the file `{path}` changed"),
            Self::Step { step, others, changes, is_new } => {
                let others = match others {
                    0 => String::new(),
                    1 => " and another instance".to_owned(),
                    n => format!(" and {n} other instances"),
                };
                let how = match (is_new, changes.is_empty()) {
                    (true, _) => " is new",
                    (false, true) => " ran again and its output differs",
                    (false, false) => " changed:",
                };
                writeln!(f, "  because `{step}`{others}{how}")?;
                changes.iter().try_for_each(|change| writeln!(f, "    {change}"))
            }
        }
    }
}

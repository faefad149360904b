//! Instances of a step that are one and the same work: nothing in it depends on the axis that tells them apart. Most often
//! `seed: ${matrix.seed}` was forgotten, and what looks like several draws is one result several times.

use std::collections::{HashMap, HashSet};

use igpt_contract::Digest;

use super::Run;
use crate::event::Event;
use crate::plan::StepId;
use crate::step_name::axes;

/// Which step came first with each key, and of which steps of the YAML it was said that instances are alike.
#[derive(Debug, Default)]
pub(super) struct SameWork {
    first: HashMap<Digest, StepId>,
    noted: HashSet<String>,
}

impl Run<'_> {
    /// Notes once for each step of the YAML that an instance is the same work as another.
    pub(super) fn note_same_work(&mut self, id: StepId, key: Digest) {
        let first = *self.same_work.first.entry(key).or_insert(id);
        let (first, step) = (self.step(first), self.step(id));
        if first.name == step.name || first.base != step.base || self.same_work.noted.contains(&step.base) {
            return;
        }
        self.same_work.noted.insert(step.base.clone());
        let others = axes(&first.name);
        let differing = axes(&step.name).into_iter().filter(|axis| !others.contains(axis));
        let names: Vec<String> = differing.map(|(axis, _)| format!("`{axis}`")).collect();
        let mut text = format!(
            "`{}` is the same work as `{}`: nothing in it depends on {}, so their results are one, not several",
            step.name,
            first.name,
            names.join(" or ")
        );
        if names.iter().any(|name| name == "`seed`") {
            text.push_str("; did you mean `seed: ${matrix.seed}` in the step?");
        }
        self.events.send(Event::RunNoted { text });
    }
}

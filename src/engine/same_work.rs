//! Instances of a step that are one and the same work: parameters and inputs are the same for each. Most often
//! `seed: ${matrix.seed}` was forgotten, and what looks like several draws is one result several times.

use std::collections::{HashMap, HashSet};

use igpt_contract::Digest;

use super::Run;
use crate::event::Event;
use crate::plan::StepId;
use crate::step_name::axes;

/// Which instance of each step came first with each key, and of which steps of the YAML it was said that instances are alike.
#[derive(Debug, Default)]
pub(super) struct SameWork {
    first: HashMap<(String, Digest), StepId>,
    noted: HashSet<String>,
}

impl Run<'_> {
    /// Notes once for each step of the YAML that an instance is the same work as another.
    pub(super) fn note_same_work(&mut self, id: StepId, key: Digest) {
        let step = self.step(id);
        if step.name == step.base {
            return;
        }
        let first = *self.same_work.first.entry((step.base.clone(), key)).or_insert(id);
        if first == id || self.same_work.noted.contains(&step.base) {
            return;
        }
        let first = self.step(first);
        // Of what is below it this says nothing new.
        let is_cause = self.same_work.noted.is_empty();
        self.same_work.noted.insert(step.base.clone());
        let others = axes(&first.name);
        let differing = axes(&step.name).into_iter().filter(|axis| !others.contains(axis));
        let names: Vec<String> = differing.map(|(axis, _)| format!("`{axis}`")).collect();
        let mut text = format!(
            "`{}` is the same work as `{}`: parameters and inputs are the same for every {}, so their results are \
             one, not several",
            step.name,
            first.name,
            names.join(" or ")
        );
        if is_cause && names.iter().any(|name| name == "`seed`") {
            text.push_str("; did you mean `seed: ${matrix.seed}` in the step?");
        }
        self.events.send(Event::RunNoted { text });
    }
}

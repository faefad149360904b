//! Why a step has no result with its key: what changed since the pipeline last had one.

use super::resolve::Resolver;
use crate::key::{self, KeyMaterial};
use crate::plan::PlannedStep;
use crate::store::Record;

/// How many changes are reported, and how many characters of each; `explain` shows all.
const MAX_CHANGES: usize = 2;
const WIDTH: usize = 100;

/// The record of the step's last result in this pipeline, whatever its key was.
pub(super) fn last_record(resolver: &Resolver<'_>, step: &PlannedStep) -> Option<Record> {
    let keys = resolver.caches.borrow().last_keys(&resolver.plan.name, &step.name);
    resolver.store.record(keys.first()?)
}

/// The reason in words.
pub(super) fn rebuild_reason(last: Option<&Record>, material: &KeyMaterial) -> String {
    let Some(last) = last else { return "no result yet".to_owned() };
    let changes = key::diff(&last.material, material);
    if changes.is_empty() {
        return "its result is no longer in the store".to_owned();
    }
    let told = changes.iter().take(MAX_CHANGES).map(|change| {
        let text = change.to_string();
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    });
    let mut text = told.collect::<Vec<_>>().join("; ");
    if changes.len() > MAX_CHANGES {
        text.push_str(&format!("; and {} more", changes.len() - MAX_CHANGES));
    }
    text
}

//! How many values variables and steps may expand to.
//!
//! A value that is named is copied, and a few lines of variables that name each other ten times over would
//! copy more than any memory holds: so every copy is counted.

use std::cell::Cell;

use serde_json::Value;

use super::diagnostic::Faults;
use super::node::Mark;
use super::yaml_tree::MAX_NODES;

/// The most values that the steps of a pipeline may hold, those of all instances taken together.
pub(super) const MAX_IN_STEPS: usize = 8 * MAX_NODES;
/// So many bytes of a string count as one value more.
const BYTES_PER_VALUE: usize = 64;

/// A number of values that may still be made.
#[derive(Debug)]
pub(super) struct ValueBudget {
    left: Cell<usize>,
    /// What there are too many of, once there are, and how many are allowed.
    limit: (&'static str, usize),
    /// Whether it has been reported that there are too many.
    told: Cell<bool>,
}

impl ValueBudget {
    /// What the variables may expand to.
    pub(super) fn of_variables() -> Self {
        Self::new("the variables expand to", MAX_NODES)
    }

    /// What all instances of all steps may hold.
    pub(super) fn of_steps() -> Self {
        Self::new("the instances of the steps hold", MAX_IN_STEPS)
    }

    fn new(what: &'static str, most: usize) -> Self {
        Self { left: Cell::new(most), limit: (what, most), told: Cell::new(false) }
    }

    /// Counts values that are about to be made; `false` if they are too many, which is reported once.
    pub(super) fn spend(&self, values: usize, mark: Mark, faults: &mut Faults) -> bool {
        let left = self.left.get().checked_sub(values);
        match left {
            Some(left) => self.left.set(left),
            None if self.told.replace(true) => {}
            None => {
                let (what, most) = self.limit;
                faults
                    .push(mark, format!("{what} more than {most} values"))
                    .hint("a list is copied wherever it is used: keep it short");
            }
        }
        left.is_some()
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    #[cfg(test)]
    pub(super) fn set_left(&self, left: usize) {
        self.left.set(left);
    }
}

/// How many values a value counts as: itself and those in it, long texts more than once.
pub(super) fn size(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len() / BYTES_PER_VALUE,
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => {
            members.iter().map(|(key, member)| key.len() / BYTES_PER_VALUE + size(member)).sum()
        }
        _ => 0,
    }
}

//! The last keys of each step: why a step runs is reported by what differs from its last result.

use igpt_contract::Digest;

use super::index::{Id, Row, SharedIndex, id};
use super::stat_cache::now;

/// The keys with which steps were last done or reused, by pipeline and step.
#[derive(Debug)]
pub(super) struct StepKeys {
    index: SharedIndex,
}

impl StepKeys {
    /// The keys in this index.
    pub(super) fn new(index: SharedIndex) -> Self {
        Self { index }
    }

    /// The key with which a step was last done or reused, and the last other key before it.
    pub(super) fn last(&self, pipeline: &str, step: &str) -> Vec<Digest> {
        ["last", "before"]
            .iter()
            .filter_map(|which| Some(self.index.borrow().get(&step_id(which, pipeline, step))?.digest))
            .collect()
    }

    /// Remembers the key with which a step was done or reused.
    pub(super) fn remember(&mut self, pipeline: &str, step: &str, key: Digest) {
        let last = step_id("last", pipeline, step);
        let known = self.index.borrow().get(&last);
        if let Some(row) = known {
            if row.digest == key {
                return;
            }
            self.index.borrow_mut().put(step_id("before", pipeline, step), row);
        }
        self.index.borrow_mut().put(last, Row { numbers: [now(), 0, 0, 0, 0], digest: key });
    }
}

fn step_id(which: &str, pipeline: &str, step: &str) -> Id {
    id(which, format!("{pipeline}\0{step}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Caches, Store};

    #[test]
    fn the_last_two_keys_of_a_step_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut caches = Caches::open(&store);
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        caches.remember("p", "s", a);
        caches.remember("p", "s", b);
        caches.remember("p", "s", b);
        caches.flush().unwrap();
        assert_eq!(Caches::open(&store).last_keys("p", "s"), [b, a]);
        assert!(Caches::open(&store).last_keys("p", "t").is_empty());
    }
}

//! `run --check`: what the results were expected to be.
//!
//! A step that compares keeps the fact `expectations` in its record: `checked`, and `missed` in words. So
//! a cached result is checked as a fresh one is.

use std::io::{self, Write};

use igpt_contract::counted;
use serde_json::Value;

use crate::engine::Summary;
use crate::schedule::Outcome;
use crate::store::Store;

/// The name of the fact.
const FACT: &str = "expectations";

/// What the steps of a run were checked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    count: u64,
    /// Step and words of each expectation that was missed.
    missed: Vec<(String, String)>,
}

impl Checked {
    /// Of the steps that have a result.
    pub(super) fn of(summary: &Summary, store: &Store) -> Self {
        let mut checked = Self::default();
        for (name, outcome, key) in &summary.steps {
            let key = key.as_ref().filter(|_| *outcome == Outcome::Done);
            let fact = key.and_then(|key| store.record(key)?.facts.remove(FACT));
            fact.iter().for_each(|fact| checked.add(name, fact));
        }
        checked
    }

    fn add(&mut self, step: &str, fact: &Value) {
        self.count += fact["checked"].as_u64().unwrap_or_default();
        let missed = fact["missed"].as_array().into_iter().flatten().filter_map(Value::as_str);
        self.missed.extend(missed.map(|words| (step.to_owned(), words.to_owned())));
    }

    /// Whether all are met.
    pub(super) fn is_met(&self) -> bool {
        self.missed.is_empty()
    }

    /// Says how it came out, line by line.
    pub(super) fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.count == 0 {
            return writeln!(out, "check: no step has expectations (`expect` of `report` and `findings`)");
        }
        for (step, words) in &self.missed {
            writeln!(out, "check: {step}: {words}")?;
        }
        let met = self.count.saturating_sub(self.missed.len() as u64);
        writeln!(out, "check: {met} of {} met", counted(self.count as usize, "expectation"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_missed_is_told_by_its_step() {
        let mut checked = Checked::default();
        let words = "cifar10 / accuracy: expected 96.3 within 0.5, found 90";
        checked.add("table", &json!({"checked": 3, "failed": 1, "missed": [words]}));
        checked.add("other", &json!({"checked": 1, "failed": 0, "missed": []}));
        assert!(!checked.is_met());
        let mut out = Vec::new();
        checked.tell(&mut out).unwrap();
        let expected = format!("check: table: {words}\ncheck: 3 of 4 expectations met\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn that_nothing_was_expected_is_said() {
        let mut out = Vec::new();
        Checked::default().tell(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("no step has expectations"));
    }
}

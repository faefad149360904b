//! What is skipped: every name with its cause in the step's log, the first few and their number in a
//! note.

use igpt_contract::{StageContext, StageError, counted};
use igpt_dataset::shown;

/// How many a note names.
const NAMED: usize = 5;

/// Things of one kind that are skipped.
pub(crate) struct Skipped<'a> {
    cx: &'a StageContext,
    /// What they are, in the singular: `image file`.
    noun: &'static str,
    /// Why they are skipped: `unreadable`.
    cause: &'static str,
    count: u64,
    first: Vec<String>,
}

impl<'a> Skipped<'a> {
    /// An empty collection of things called `noun`, which are skipped because of `cause`.
    pub(crate) fn new(noun: &'static str, cause: &'static str, cx: &'a StageContext) -> Self {
        Self { cx, noun, cause, count: 0, first: Vec::new() }
    }

    /// Adds one by its name.
    pub(crate) fn add(&mut self, name: &str) {
        let name = format!("`{}`", shown(name));
        self.cx.log(format!("skipped: {name} ({})", self.cause));
        self.count_one(name);
    }

    /// Adds one with an error, whose message names it.
    pub(crate) fn add_error(&mut self, error: &StageError) {
        let line = with_causes(error);
        self.cx.log(format!("skipped: {line}"));
        self.count_one(line);
    }

    fn count_one(&mut self, line: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(line);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them, and how many more there are.
    pub(crate) fn first(&self) -> String {
        let more = self.count - self.first.len() as u64;
        let first = self.first.join("; ");
        if more > 0 { format!("{first}; and {more} more (see the step's log)") } else { first }
    }

    /// Adds a note on them.
    pub(crate) fn note(&self) {
        self.note_sum(&counted(self.count, self.noun));
    }

    /// Adds a note on them, as a part of `all`.
    pub(crate) fn note_of(&self, all: u64) {
        self.note_sum(&format!("{} of {}", self.count, counted(all, self.noun)));
    }

    fn note_sum(&self, sum: &str) {
        if self.count > 0 {
            self.cx.note(format!("skipped {sum} ({}): {}", self.cause, self.first()));
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &StageError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors quote their cause themselves.
        if !line.ends_with(&text) {
            line = format!("{line}: {}", shown(&text));
        }
        cause = error.source();
    }
    line
}

//! What is left out: every name with its cause in the step's log, the first few and the count in a
//! note.

use igpt_contract::{StageContext, StageError};
use igpt_dataset::shown;

/// How many a note names.
const NAMED: usize = 5;

/// Things of one kind that are left out.
pub(crate) struct Skipped<'a> {
    cx: &'a StageContext,
    /// What they are, in the plural: `image files`.
    what: &'static str,
    count: u64,
    first: Vec<String>,
}

impl<'a> Skipped<'a> {
    /// None yet of what is called so, in the plural.
    pub(crate) fn new(what: &'static str, cx: &'a StageContext) -> Self {
        Self { cx, what, count: 0, first: Vec::new() }
    }

    /// One more, with the cause.
    pub(crate) fn add(&mut self, name: &str, cause: &str) {
        self.say(format!("`{}` ({cause})", shown(name)));
    }

    /// One more, which an error tells of: its words name it.
    pub(crate) fn add_error(&mut self, error: &StageError) {
        self.say(words(error));
    }

    fn say(&mut self, line: String) {
        self.count += 1;
        self.cx.log(format!("left out: {line}"));
        if self.first.len() < NAMED {
            self.first.push(line);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them with their causes, and how many more there are.
    pub(crate) fn first(&self) -> String {
        let more = self.count - self.first.len() as u64;
        let first = self.first.join("; ");
        if more > 0 { format!("{first}; and {more} more, which the step's log names") } else { first }
    }

    /// Tells their sum.
    pub(crate) fn note(&self) {
        if self.count > 0 {
            self.cx.note(format!("{} {} left out: {}", self.count, self.what, self.first()));
        }
    }

    /// Tells their sum, of so many in all.
    pub(crate) fn note_of(&self, all: u64) {
        if self.count > 0 {
            self.cx.note(format!("{} of {all} {} left out: {}", self.count, self.what, self.first()));
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn words(error: &StageError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors quote their cause themselves.
        if !words.ends_with(&text) {
            words = format!("{words}: {}", shown(&text));
        }
        cause = error.source();
    }
    words
}

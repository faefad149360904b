//! What is wrong with a pipeline, and how it is shown.
//!
//! While a pipeline is read, faults are collected with their marks; they become diagnostics, with
//! the file's name and the line's text, once all of them are known.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::excerpt;
use super::location::Location;
use super::node::Mark;
use super::secrets::Secrets;

/// How many faults of one place are shown; a matrix may repeat one for each instance.
const MAX_PER_PLACE: usize = 3;
/// How many errors are shown; the others are counted.
const MAX_SHOWN: usize = 50;
/// How many errors come with the text of their line, which may be megabytes away from its beginning.
const MAX_TEXTS: usize = 200;
/// How many faults come with the names that were meant: each compares one name with all the others,
/// which would take minutes for thousands of them.
const MAX_SUGGESTED: usize = 50;

/// One error in a pipeline, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Where it is; line 0 where no single line is to blame.
    pub place: Location,
    /// What was expected and what was found.
    pub message: String,
    /// What the user can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Further facts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The text of the line; of a long one, what stands around the place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The column of the place in `text`.
    #[serde(skip)]
    caret: usize,
}

impl Diagnostic {
    /// An error at a place, without the text of its line.
    pub(crate) fn new(place: Location, message: impl Into<String>) -> Self {
        let (text, caret) = (String::new(), 0);
        Self { place, message: message.into(), hint: None, notes: Vec::new(), text, caret }
    }

    /// The error with what the user can do about it.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The error with all that is secret hidden.
    pub(crate) fn masked(self, secrets: &Secrets) -> Self {
        let mask = |text: &String| secrets.mask(text);
        let before: String = self.text.chars().take(self.caret.saturating_sub(1)).collect();
        let caret = mask(&before).chars().count() + usize::from(self.caret > 0);
        let file =
            self.place.file.to_str().map_or(self.place.file.clone(), |file| mask(&file.to_owned()).into());
        Self {
            place: Location { file, ..self.place },
            message: mask(&self.message),
            hint: self.hint.as_ref().map(mask),
            notes: self.notes.iter().map(mask).collect(),
            text: mask(&self.text),
            caret,
        }
    }

    /// The error with the text of its line.
    pub(super) fn with_line(self, line: &str) -> Self {
        let (text, caret) = excerpt::cut(line, self.place.column);
        Self { text, caret, ..self }
    }

    /// The error as it is shown on a terminal, ending with a line break; `colour` turns on ANSI
    /// colours.
    pub fn render(&self, colour: bool) -> String {
        Rendered { diagnostic: self, colour }.to_string()
    }
}

/// Renders errors one after another, with an empty line between them: the first ones, and how many
/// others there are.
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    let shown = diagnostics.iter().take(MAX_SHOWN).map(|d| d.render(colour));
    let more = diagnostics.len().saturating_sub(MAX_SHOWN);
    let more = (more > 0).then(|| {
        let word = if more == 1 { "error" } else { "errors" };
        format!("and {more} more {word}\n")
    });
    shown.chain(more).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rendered { diagnostic: self, colour: false }.fmt(f)
    }
}

impl std::error::Error for Diagnostic {}

struct Rendered<'a> {
    diagnostic: &'a Diagnostic,
    colour: bool,
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { place, message, hint, notes, text, caret } = self.diagnostic;
        let [red, blue, cyan, end] =
            if self.colour { ["\x1b[1;31m", "\x1b[1;34m", "\x1b[1;36m", "\x1b[0m"] } else { [""; 4] };
        let message = printable(message);
        let file = printable(&place.file.to_string_lossy());
        writeln!(f, "{red}error{end}: {message}")?;
        if place.line == 0 {
            writeln!(f, " {blue}-->{end} {file}")?;
        } else {
            let width = place.line.to_string().len();
            writeln!(f, "{:width$}{blue}-->{end} {file}:{}:{}", "", place.line, place.column)?;
            writeln!(f, "{:width$} {blue}|{end}", "")?;
            writeln!(f, "{blue}{} |{end} {}", place.line, printable(text).trim_end())?;
            let before = excerpt::padding(text, *caret);
            writeln!(f, "{:width$} {blue}|{end} {before}{red}^{end}", "")?;
        }
        for note in notes {
            writeln!(f, "note: {}", printable(note))?;
        }
        if let Some(hint) = hint {
            writeln!(f, "{cyan}hint{end}: {}", printable(hint))?;
        }
        Ok(())
    }
}

/// The text without control characters, which could play tricks on a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A fault whose file and line are not looked up yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// Where it is.
    pub(crate) mark: Mark,
    /// What was expected and what was found.
    pub(crate) message: String,
    /// What the user can do about it.
    pub(crate) hint: Option<String>,
    /// Further facts.
    pub(crate) notes: Vec<String>,
    /// Whether names are suggested: among the first faults only.
    suggests: bool,
}

impl Fault {
    /// Adds what the user can do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a further fact.
    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(note.into());
        self
    }

    /// Adds `did you mean ...`, where one of the candidates is near, else all of them as a note.
    /// The candidates are not even asked for where there are too many faults for that.
    pub(crate) fn suggest<C: AsRef<str>>(
        &mut self,
        written: &str,
        what: &str,
        candidates: impl IntoIterator<Item = C>,
    ) -> &mut Self {
        if !self.suggests {
            return self;
        }
        let candidates: Vec<C> = candidates.into_iter().collect();
        let candidates: Vec<&str> = candidates.iter().map(AsRef::as_ref).collect();
        if let Some(near) = nearest(written, &candidates) {
            self.hint(format!("did you mean `{near}`?"));
        } else if candidates.is_empty() {
            self.note(format!("there are no {what}"));
        } else {
            let shown: Vec<String> = candidates.iter().take(20).map(|c| format!("`{c}`")).collect();
            let more = if candidates.len() > 20 { ", ..." } else { "" };
            self.note(format!("the {what}: {}{more}", shown.join(", ")));
        }
        self
    }
}

/// The faults found so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault and returns it, for hints and notes.
    pub(crate) fn push(&mut self, mark: Mark, message: impl Into<String>) -> &mut Fault {
        let suggests = self.0.len() < MAX_SUGGESTED;
        self.0.push(Fault { mark, message: message.into(), hint: None, notes: Vec::new(), suggests });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many faults there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The faults in the order in which they were found.
    pub(crate) fn into_list(self) -> Vec<Fault> {
        self.0
    }

    /// The faults in the order of the file, repetitions left out. A place with many faults (one for
    /// each instance of a matrix) shows the first few and the number of the others.
    pub(super) fn into_diagnostics<'t>(
        mut self,
        locate: impl Fn(Mark) -> (Location, &'t str),
    ) -> Vec<Diagnostic> {
        self.0.sort_by_key(|fault| fault.mark);
        let mut told: HashSet<(Mark, String)> = HashSet::new();
        self.0.retain(|fault| told.insert((fault.mark, fault.message.clone())));
        let mut seen: HashMap<Mark, usize> = HashMap::new();
        let mut kept: Vec<Fault> = Vec::new();
        for fault in self.0 {
            let count = seen.entry(fault.mark).or_default();
            *count += 1;
            if *count <= MAX_PER_PLACE || fault.mark == Mark::FILE {
                kept.push(fault);
            }
        }
        let last_of: HashMap<Mark, usize> = kept.iter().enumerate().map(|(i, f)| (f.mark, i)).collect();
        for (mark, i) in last_of {
            if let Some(left) =
                seen[&mark].checked_sub(MAX_PER_PLACE).filter(|&n| n > 0 && mark != Mark::FILE)
            {
                kept[i].notes.push(format!("and {left} more here"));
            }
        }
        kept.into_iter()
            .enumerate()
            .map(|(i, Fault { mark, message, hint, notes, .. })| {
                let (place, line) = locate(mark);
                let line = if i < MAX_TEXTS { line } else { "" };
                let (text, caret) = excerpt::cut(line, place.column);
                Diagnostic { place, message, hint, notes, text, caret }
            })
            .collect()
    }
}

/// The candidate that a misspelt name most likely meant.
pub(crate) fn nearest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    if written.len() > 100 {
        return None;
    }
    let written = written.to_lowercase();
    let length = written.chars().count();
    let limit = length.max(3) / 3;
    // A name of quite another length is not near; most candidates are settled by that.
    let near = candidates.iter().filter(|c| c.chars().count().abs_diff(length) <= limit);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&written, &candidate.to_lowercase());
    let (best, candidate) = near.map(|c| (distance(c), *c)).min_by_key(|(d, _)| *d)?;
    (best <= limit && best < length).then_some(candidate)
}

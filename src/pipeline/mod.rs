//! The pipeline as written: YAML with places, overrides, variables, matrices, references.
//!
//! It knows no stage and no store; what the declarations mean is decided in [`crate::plan`].

mod declare;
mod diagnostic;
mod excerpt;
mod interpolate;
mod matrix;
mod node;
mod overrides;
mod reference;
pub mod units;
mod vars;
mod yaml;
mod yaml_fault;

use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use declare::{PIPELINE_KEYS, STEP_KEYS};
pub(crate) use declare::{StepDecl, check_keys, declare};
pub use diagnostic::{Diagnostic, render};
pub(crate) use diagnostic::{Faults, nearest};
pub(crate) use interpolate::{Scope, first_name};
pub(crate) use matrix::Matrix;
pub(crate) use node::{Data, Key, Mark, Node, describe};
pub use overrides::Overrides;
pub(crate) use overrides::{Applied, apply};
pub(crate) use reference::{FORMS, OutputRef, Reference, parse as parse_reference};
pub(crate) use vars::Vars;

use crate::plan::Place;
use yaml::Places;

/// The largest pipeline file, in bytes. A pipeline of 10,000 written steps takes about 1.5 MB.
pub const MAX_BYTES: usize = 4 << 20;

/// A pipeline file, parsed.
#[derive(Debug, Clone)]
pub struct Pipeline {
    file: PathBuf,
    text: String,
    root: Node,
}

impl Pipeline {
    /// Reads a pipeline file.
    ///
    /// # Errors
    /// What keeps it from being a YAML document: it cannot be read, is too large, is not UTF-8, or
    /// breaks the rules of YAML or our stricter ones (no repeated keys, for one).
    pub fn read(file: &Path) -> Result<Self, Vec<Diagnostic>> {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(file)
            .and_then(|open| open.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            let mut faults = Faults::default();
            faults.push(Mark::FILE, format!("the pipeline cannot be read: {error}"));
            return Err(faults.into_diagnostics(|mark| locate(mark, file, &[], &[])));
        }
        Self::parse(file, &bytes)
    }

    /// Parses the bytes of a pipeline file; `file` is its name for messages.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults::default();
        let text = match std::str::from_utf8(bytes) {
            _ if bytes.len() > MAX_BYTES => {
                faults
                    .push(Mark::FILE, format!("the file is larger than {} MiB", MAX_BYTES >> 20))
                    .hint("a pipeline names data, it does not hold any; is this the right file?");
                ""
            }
            // Some editors begin a file with a byte order mark.
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let byte = bytes[error.valid_up_to()];
                faults
                    .push(
                        end_of(&bytes[..error.valid_up_to()]),
                        format!("the file is not UTF-8 text: here is the byte {byte:#04x}"),
                    )
                    .hint("save it as UTF-8");
                ""
            }
        };
        let mut root = None;
        if faults.is_empty() {
            root = yaml::parse(text, Places::OfSteps, &mut faults);
            if !faults.is_empty() {
                // Once more, for the places of the faults.
                faults = Faults::default();
                root = yaml::parse(text, Places::OfAll, &mut faults);
            }
        }
        match root {
            Some(root) if faults.is_empty() => {
                Ok(Self { file: file.to_owned(), text: text.to_owned(), root })
            }
            _ => {
                let shown = String::from_utf8_lossy(bytes);
                let shown = shown.strip_prefix('\u{feff}').unwrap_or(&shown);
                let lines: Vec<&str> = shown.lines().collect();
                Err(faults.into_diagnostics(|mark| locate(mark, file, &lines, &[])))
            }
        }
    }

    /// The file as the user named it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The text, without a byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree with the places of the steps.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// The tree with the places of all values, for messages.
    pub(crate) fn placed_root(&self) -> Node {
        yaml::parse(&self.text, Places::OfAll, &mut Faults::default()).unwrap_or_else(|| self.root.clone())
    }

    /// The place of a mark; with `--set`s in mind.
    pub(crate) fn place(&self, mark: Mark) -> Place {
        match mark {
            Mark::At { line, column } => {
                Place { file: self.file.clone(), line: line as usize, column: column as usize }
            }
            Mark::Set(_) => Place { file: self.file.clone(), line: 0, column: 0 },
        }
    }

    /// Faults with the file's name and the lines' texts.
    pub(crate) fn diagnostics(&self, faults: Faults, overrides: &Overrides) -> Vec<Diagnostic> {
        let lines: Vec<&str> = self.text.lines().collect();
        faults.into_diagnostics(|mark| locate(mark, &self.file, &lines, &overrides.sets))
    }
}

/// The place right behind a text.
fn end_of(before: &[u8]) -> Mark {
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    let column = String::from_utf8_lossy(&before[start..]).trim_start_matches('\u{feff}').chars().count() + 1;
    match (u32::try_from(line), u32::try_from(column)) {
        (Ok(line), Ok(column)) => Mark::At { line, column },
        _ => Mark::FILE,
    }
}

/// The place of a mark and the text of its line.
fn locate<'t>(mark: Mark, file: &Path, lines: &[&'t str], sets: &[String]) -> (Place, &'t str) {
    match mark {
        Mark::At { line, column } => {
            let (line, column) = (line as usize, column as usize);
            let text = line.checked_sub(1).and_then(|n| lines.get(n).copied()).unwrap_or_default();
            (Place { file: file.to_owned(), line, column }, text)
        }
        Mark::Set(i) => {
            let set = sets.get(i as usize).map_or("", String::as_str);
            (Place { file: PathBuf::from(format!("--set {set}")), line: 0, column: 0 }, "")
        }
    }
}

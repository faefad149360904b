//! The pipeline as written: YAML with places, overrides, variables, matrices, references.
//!
//! It knows no stage and no store; what the declarations mean is decided in [`crate::plan`].

mod axes;
mod declare;
mod diagnostic;
mod excerpt;
mod include;
mod interpolate;
mod location;
mod matrix;
mod names;
mod node;
mod overrides;
mod reference;
mod scope;
pub mod secrets;
mod segments;
mod set_value;
mod source;
mod spelling;
pub mod units;
mod value_budget;
mod var_order;
mod vars;
mod yaml;
mod yaml_error;
mod yaml_spelling;
mod yaml_tree;

use std::path::{Path, PathBuf};

pub use declare::{PIPELINE_KEYS, STEP_KEYS};
pub(crate) use declare::{StepDecl, check_keys, declare};
pub use diagnostic::{Diagnostic, render};
pub(crate) use diagnostic::{Faults, nearest};
pub use location::Location;
pub(crate) use matrix::Matrix;
pub(crate) use node::{Data, Key, Mark, Node, describe};
pub use overrides::Overrides;
pub(crate) use overrides::{Applied, apply};
pub(crate) use reference::{FORMS, OutputRef, Reference, parse as parse_reference};
pub(crate) use scope::{AxisValues, SECRET_PLACES, Scope};
pub(crate) use segments::{before_axis, first_name};
pub(crate) use spelling::{Spelled, Spellings};
pub(crate) use vars::Vars;

use source::SourceFile;

/// The largest pipeline file, in bytes. A pipeline of 10,000 written steps takes about 1.5 MB.
pub const MAX_BYTES: usize = 4 << 20;

/// A pipeline file, parsed, with the files that it includes.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The pipeline's own file, then the included ones in order.
    sources: Vec<SourceFile>,
    root: Node,
}

impl Pipeline {
    /// Reads a pipeline file and what it includes.
    ///
    /// # Errors
    /// What keeps a file from being a YAML document: it cannot be read, is too large, is not UTF-8,
    /// or breaks the rules of YAML or our stricter ones (no repeated keys, for one); what is wrong
    /// with `include`.
    pub fn read(file: &Path) -> Result<Self, Vec<Diagnostic>> {
        let bytes = SourceFile::bytes(file).map_err(|error| {
            let mut faults = Faults::default();
            faults.push(Mark::FILE, format!("the pipeline cannot be read: {error}"));
            let source = SourceFile { file: file.to_owned(), text: String::new() };
            faults.into_diagnostics(locate(&[source], &[]))
        })?;
        let own = Self::parse(file, &bytes)?;
        if own.root.get("include").is_some() { own.with_included() } else { Ok(own) }
    }

    /// Parses the bytes of a single pipeline file; `file` is its name for messages.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let (source, root) = SourceFile::parse(file, bytes)?;
        Ok(Self { sources: vec![source], root })
    }

    /// The pipeline of these texts, by the names of their files: its own, then those that it includes, in
    /// order, as [`Self::texts`] has them.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn of_texts<'t>(
        texts: impl IntoIterator<Item = (&'t Path, &'t str)>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut texts = texts.into_iter();
        let (file, text) = texts.next().unwrap_or((Path::new(""), ""));
        let mut own = Self::parse(file, text.as_bytes())?;
        for (file, text) in texts {
            own.sources.push(SourceFile::parse(file, text.as_bytes())?.0);
        }
        let mut faults = Faults::default();
        if own.sources.len() > 1 {
            own.root = own.merged(&mut faults);
        }
        if faults.is_empty() { Ok(own) } else { Err(own.diagnostics(faults, &Overrides::default())) }
    }

    fn with_included(mut self) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults::default();
        let folder = self.file().parent().unwrap_or(Path::new("")).to_owned();
        // For the places of what `include` names.
        let placed = self.placed_root();
        for (file, mark) in include::files(&placed, &folder, &mut faults) {
            match SourceFile::bytes(&file) {
                Ok(bytes) => self.sources.push(SourceFile::parse(&file, &bytes)?.0),
                Err(error) => {
                    let what = format!("the included pipeline `{}` cannot be read: {error}", file.display());
                    faults.push(mark, what).hint("paths are relative to this file");
                }
            }
        }
        if faults.is_empty() {
            self.root = self.merged(&mut faults);
        }
        if faults.is_empty() { Ok(self) } else { Err(self.diagnostics(faults, &Overrides::default())) }
    }

    /// The tree of all files, with the places of all values.
    fn merged(&self, faults: &mut Faults) -> Node {
        let mut trees = self.sources.iter().map(SourceFile::placed);
        let mut root = trees.next().flatten().unwrap_or_else(|| self.root.clone());
        for (number, tree) in (1..).zip(trees) {
            if let Some(mut tree) = tree {
                tree.map_marks(&mut |mark| {
                    if let Mark::At { file, .. } = mark {
                        *file = number;
                    }
                });
                include::merge(&mut root, tree, &self.sources[usize::from(number)].file, faults);
            }
        }
        root
    }

    /// The file as the user named it.
    pub fn file(&self) -> &Path {
        &self.sources[0].file
    }

    /// Every file that the pipeline is written in, with its text; the first is its own.
    pub fn texts(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.sources.iter().map(|source| (source.file.as_path(), source.text.as_str()))
    }

    /// The tree with the places of the steps.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// The tree with the places of all values, for messages.
    pub(crate) fn placed_root(&self) -> Node {
        self.merged(&mut Faults::default())
    }

    /// The place of a mark; with `--set`s in mind.
    pub(crate) fn location(&self, mark: Mark) -> Location {
        match mark {
            Mark::At { file, line, column } => {
                let file = self.sources[usize::from(file)].file.clone();
                Location { file, line: line as usize, column: column as usize }
            }
            Mark::Set(_) => Location { file: self.file().to_owned(), line: 0, column: 0 },
        }
    }

    /// Errors with the texts of their lines, in the order of the lines.
    pub(crate) fn with_lines(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let line_of = |place: &Location| {
            let source = self.sources.iter().find(|source| source.file == place.file)?;
            source.text.lines().nth(place.line.checked_sub(1)?)
        };
        found.sort_by_key(|one| (one.place.line, one.place.column));
        let shown = found.into_iter().map(|one| {
            let line = line_of(&one.place).unwrap_or_default();
            one.with_line(line)
        });
        shown.collect()
    }

    /// Faults with the files' names and the lines' texts.
    pub(crate) fn diagnostics(&self, faults: Faults, overrides: &Overrides) -> Vec<Diagnostic> {
        faults.into_diagnostics(locate(&self.sources, &overrides.sets))
    }
}

/// Finds the place of a mark and the text of its line.
fn locate<'t>(sources: &'t [SourceFile], sets: &[String]) -> impl Fn(Mark) -> (Location, &'t str) {
    let lines: Vec<Vec<&str>> = sources.iter().map(|source| source.text.lines().collect()).collect();
    move |mark| match mark {
        Mark::At { file, line, column } => {
            let file = usize::from(file);
            let (line, column) = (line as usize, column as usize);
            let text = line.checked_sub(1).and_then(|n| lines[file].get(n).copied()).unwrap_or_default();
            (Location { file: sources[file].file.clone(), line, column }, text)
        }
        Mark::Set(i) => {
            let set = sets.get(i as usize).map_or("", String::as_str);
            (Location { file: PathBuf::from(format!("--set {set}")), line: 0, column: 0 }, "")
        }
    }
}

//! Inputs on disk that the pipeline itself writes.
//!
//! A step that reads what another one exports would read what the last run left there: the key would
//! be that of old bytes, and a second run would do other work. The edge says what is meant.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::declared::DeclaredStep;
use super::planner::Planner;
use super::{Export, Plan, Source, globs};
use crate::paths::normal;
use crate::pipeline::{Faults, Mark, Reference};

impl Planner<'_> {
    /// Reports every input on disk that is an export or lies in one.
    pub(super) fn check_feedback(&self, needed: &[bool], faults: &mut Faults) {
        if self.plan.exports.is_empty() {
            return;
        }
        let exports: HashMap<PathBuf, &Export> =
            self.plan.exports.iter().map(|export| (normal(&export.path), export)).collect();
        for declared in self
            .declared_steps
            .iter()
            .zip(needed)
            .filter(|(_, needed)| **needed)
            .map(|(declared, _)| declared)
        {
            for edge in declared.edges() {
                let named: Vec<PathBuf> = match &edge.from {
                    Reference::Path(path) => vec![path.clone()],
                    Reference::Glob { files, .. } => {
                        files.iter().map(|text| globs::fixed_part(text)).collect()
                    }
                    Reference::Output(_) => continue,
                };
                for path in named {
                    let place = normal(&path);
                    let above = place.ancestors().filter(|above| !above.as_os_str().is_empty());
                    if let Some((at, export)) =
                        above.into_iter().find_map(|above| Some((above, *exports.get(above)?)))
                    {
                        let rest = place.strip_prefix(at).unwrap_or(Path::new(""));
                        self.report_feedback(declared, &path, rest, export, edge.mark, faults);
                    }
                }
            }
        }
    }

    fn report_feedback(
        &self,
        reader: &DeclaredStep<'_>,
        path: &Path,
        rest: &Path,
        export: &Export,
        mark: Mark,
        faults: &mut Faults,
    ) {
        let Some(Feedback { what, hint }) = self.plan.feedback(reader.decl.name, path, rest, export) else {
            return;
        };
        faults.push(mark, what).hint(hint).note("a run would read what an earlier run exported");
    }
}

/// What is wrong with reading an export, and what to read instead.
pub struct Feedback {
    /// Which step exports what is read.
    pub what: String,
    /// What to write.
    pub hint: String,
}

impl Plan {
    /// What to say of a step that reads `path`, which is `rest` in the place of an export.
    pub fn feedback(&self, reader: &str, path: &Path, rest: &Path, export: &Export) -> Option<Feedback> {
        let (name, base, port, part) = match &export.source {
            Source::Step { step, port, part } => {
                let step = self.steps.get(*step)?;
                (&step.name, step.base.as_str(), port, part)
            }
            Source::Winner { search, port, part } => {
                let search = self.searches.get(*search)?;
                let first = self.steps.get(*search.candidates.first()?)?;
                (&search.name, first.base.as_str(), port, part)
            }
            Source::Path(_) | Source::Glob { .. } => return None,
        };
        let mut output = format!("{base}.{port}");
        for inner in part.iter().map(String::as_str).chain(rest.iter().filter_map(|name| name.to_str())) {
            output = format!("{output}/{inner}");
        }
        let what = format!("`{}` is written by this pipeline: `{name}` exports it", path.display());
        let hint = if reader == base {
            "a step cannot read its own output: read a file that the pipeline does not write".to_owned()
        } else {
            format!("use the output instead: `{output}`")
        };
        Some(Feedback { what, hint })
    }
}

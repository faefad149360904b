//! Puts the declared outputs where the user wants them.

use std::collections::BTreeSet;
use std::path::Path;

use igpt_contract::Digest;

use super::Run;
use crate::event::Event;
use crate::execute::Failure;
use crate::plan::{Export, Plan, Source, StepId};
use crate::store::{Artifact, ExportOrigin, Exported, Program, StoreError};

impl Run<'_> {
    /// Restores each export from the store when it is missing or of an earlier result. One that cannot
    /// be put in place (a file of somebody else's is there) fails alone. Returns the steps whose
    /// outputs must be made again before all is there: exports, and what the run shows besides.
    pub(super) fn export(&mut self) -> BTreeSet<StepId> {
        let mut gone = BTreeSet::new();
        let plan = self.plan();
        for (number, export) in plan.exports.iter().enumerate() {
            if self.exported.contains_key(&number) {
                continue;
            }
            let path = self.resolver.path(&export.path);
            let mut exported = self.export_one(export, &path);
            if matches!(exported, Err(StoreError::Missing { .. })) && self.brings(export) {
                exported = self.export_one(export, &path);
            }
            match exported {
                // What was not made cannot be put anywhere; its step's failure has been reported.
                Ok(None) => {}
                Ok(Some((artifact, exported))) => {
                    self.send_exported(&path, exported);
                    self.exported.insert(number, Some((path, artifact)));
                }
                Err(StoreError::Missing { .. })
                    if let Some(step) = self.resolver.producer(&export.source, &self.results)
                        && self.may_restore(step) =>
                {
                    gone.insert(step);
                }
                Err(error) => {
                    self.exported.insert(number, None);
                    self.counts.failed += 1;
                    let Failure { error, hint } = error.into();
                    self.events.send(Event::ExportFailed { path, error, hint });
                }
            }
        }
        gone.extend(self.missing_results());
        gone
    }

    fn export_one(&self, export: &Export, path: &Path) -> Result<Option<(Artifact, Exported)>, StoreError> {
        let Some(artifact) = self.resolver.artifact(&export.source, &self.results)? else { return Ok(None) };
        let artifact = self.resolver.store.fitting(&artifact, path)?;
        let caches = &mut self.resolver.caches.borrow_mut();
        let overwrite = self.options.overwrite || export.overwrite;
        let exported = self.resolver.store.export(&artifact, path, overwrite, caches)?;
        let was_written = match exported {
            Exported::Unchanged => false,
            Exported::Written | Exported::Restored | Exported::Overwritten(_) => true,
            // What stands there is the user's by now, and did not come from this.
            Exported::Left(_) => return Ok(Some((artifact, exported))),
        };
        let origin = || self.origin(export, &artifact);
        let said =
            self.resolver.store.export_provenance(path, artifact.is_file(), was_written, origin, caches);
        let text = match said {
            Ok(None) => None,
            Ok(Some(taken)) => Some(format!(
                "`{}` is not an export's and is left alone; it does not say where `{}` came from",
                taken.display(),
                path.display()
            )),
            // What an export says must not be of another; the next run completes it.
            Err(error) if was_written => return Err(error),
            // The export is in place and good, also where nothing can be written.
            Err(_) => None,
        };
        if let Some(text) = text {
            self.events.send(Event::RunNoted { text });
        }
        Ok(Some((artifact, exported)))
    }

    /// Where an export came from, for the file that says so.
    fn origin(&self, export: &Export, artifact: &Artifact) -> Option<ExportOrigin> {
        let (port, part) = match &export.source {
            Source::Step { port, part, .. } | Source::Winner { port, part, .. } => {
                (port.clone(), part.clone())
            }
            Source::Path(_) | Source::Glob { .. } => return None,
        };
        let run = &self.options.run;
        let step = self.resolver.producer(&export.source, &self.results);
        let steps = match (step, &export.source) {
            (Some(step), _) => vec![step],
            (None, Source::Winner { search, .. }) => self.plan().searches[*search].candidates.clone(),
            (None, _) => return None,
        };
        let keys: Vec<Digest> =
            steps.iter().filter_map(|step| self.results.keys.get(step).copied()).collect();
        let record = step.and_then(|_| self.resolver.store.record(keys.first()?));
        let planned = step.map(|step| self.step(step));
        let mut commands = vec![format!("igpt-flow origin {}", artifact.digest.short())];
        commands.extend(planned.map(|step| format!("igpt-flow show '{}' --run {run}", step.name)));
        Some(ExportOrigin {
            digest: artifact.digest,
            step: planned.map(|step| step.name.clone()),
            kind: planned.map(|step| step.work.kind().to_owned()),
            keys,
            port,
            part,
            pipeline: self.plan().name.clone(),
            run: run.clone(),
            exported: jiff::Timestamp::now().to_string(),
            made_by_run: record.as_ref().map(|record| record.run.clone()),
            made: record.as_ref().map(|record| record.finished.to_string()),
            program: record.map_or_else(Program::this, |record| record.program),
            commands,
        })
    }

    fn send_exported(&self, path: &Path, exported: Exported) {
        let (written, text) = match exported {
            Exported::Unchanged => (false, None),
            Exported::Written | Exported::Restored => (true, None),
            Exported::Left(file) => {
                let what = "was changed after it was exported and is left alone; `--overwrite` replaces it";
                (false, Some(format!("`{}` {what}", file.display())))
            }
            Exported::Overwritten(kept) => {
                (true, Some(format!("`{}` was replaced and is now `{}`", path.display(), kept.display())))
            }
        };
        if let Some(text) = text {
            self.events.send(Event::RunNoted { text });
        }
        self.events.send(Event::Exported { path: path.to_owned(), written });
    }

    /// The steps that a run shows at its end and whose outputs are no longer in the store.
    fn missing_results(&self) -> Vec<StepId> {
        let shown = result_steps(self.plan(), &self.options.targets);
        let is_gone = |id: &StepId| {
            let outputs = self.results.steps.get(id).into_iter().flat_map(|outputs| outputs.values());
            self.may_restore(*id)
                && !outputs
                    .into_iter()
                    .all(|artifact| self.resolver.store.contains(artifact) || self.bring(artifact, None))
        };
        shown.into_iter().filter(is_gone).collect()
    }
}

/// The steps whose outputs in the store a run is about: its targets; in a pipeline without exports the
/// steps that no other reads.
pub fn result_steps(plan: &Plan, targets: &BTreeSet<String>) -> Vec<StepId> {
    let steps = 0..plan.steps.len();
    if !targets.is_empty() {
        return steps.filter(|id| targets.contains(&plan.steps[*id].name)).collect();
    }
    if !plan.exports.is_empty() {
        return Vec::new();
    }
    let read: BTreeSet<StepId> = plan.steps.iter().flat_map(|step| step.reads(&plan.searches)).collect();
    steps.filter(|id| !read.contains(id)).collect()
}
